"""Doorbells and sweeps of disputes: each takes ids, calls one service, and may run twice."""

import structlog
from celery import shared_task

from core.errors import DomainError
from disputes.models import Dispute
from disputes.services import execution, following
from disputes.states import DisputeState

log = structlog.get_logger(__name__)


@shared_task(name="disputes.execute")
def execute(dispute_id: str) -> None:
    """Order the final ruling of one dispute; what stands in the way is logged and swept again."""
    try:
        execution.execute(dispute_id)
    except DomainError as error:
        log.warning("ruling_not_ordered", dispute_id=dispute_id, code=error.code, reason=error.message)


@shared_task(name="disputes.sweep")
def sweep() -> int:
    """Heal cases that lost an event and order rulings that became final; returns how many were touched."""
    touched = 0
    for escrow_id in list(following.behind()):
        following.follow(escrow_id)
        touched += 1
    final = Dispute.objects.filter(state=DisputeState.FINAL).values_list("pk", flat=True)
    for dispute_id in list(final):
        execute(dispute_id)
        touched += 1
    return touched
