"""Strangers and single users who disturb everybody: played against the whole site, on loopback, bounded."""
