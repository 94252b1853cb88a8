"""An arbitrator's deadline passed: the lead is told, again and again; nothing is ever ruled by a clock."""

from django.db import transaction

from core import deadlines
from core.models import Deadline
from disputes import timing
from disputes.locks import lock_dispute
from disputes.services.base import tell_staff
from disputes.states import WITH_ARBITRATOR


def alert_lead(deadline: Deadline) -> bool:
    """Deadline handler of first action and ruling: write `dispute.overdue` and start the wait anew."""
    with transaction.atomic():
        dispute = lock_dispute(deadline.subject_id)
        if not deadlines.claim(deadline):
            return False
        if dispute.state in WITH_ARBITRATOR:
            tell_staff(dispute, "dispute.overdue", what=deadline.kind, due_at=deadline.due_at.isoformat())
            timing.start(deadline.kind, dispute)
    return True
