"""The arbitrator console: the queue, the case page and the forms on it. Registered in `disputes.admin`."""
