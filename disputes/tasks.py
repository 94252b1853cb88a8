"""Doorbells and sweeps of disputes: each takes ids, calls one service, and may run twice."""

import structlog
from celery import shared_task

from chain.rpc.errors import RpcError
from core.errors import DomainError
from disputes.models import Dispute
from disputes.services import execution, following, review
from disputes.states import DisputeState

log = structlog.get_logger(__name__)


@shared_task(name="disputes.execute")
def execute(dispute_id: str) -> bool:
    """Order the final ruling of one dispute; what stands in the way is logged and swept again."""
    try:
        return execution.execute(dispute_id)
    except DomainError as error:
        log.warning("ruling_not_ordered", dispute_id=dispute_id, code=error.code, reason=error.message)
    except RpcError as error:
        log.warning("ruling_not_ordered", dispute_id=dispute_id, code="node", reason=str(error))
    return False


@shared_task(name="disputes.sweep")
def sweep() -> int:
    """Heal cases that lost an event or their arbitrator, order rulings that became final; how many."""
    behind = list(following.behind())
    for escrow_id in behind:
        following.follow(escrow_id)
    final = list(Dispute.objects.filter(state=DisputeState.FINAL).values_list("pk", flat=True))
    unclaimed = review.unclaim_absent()
    return len(behind) + unclaimed + sum(execute(dispute_id) for dispute_id in final)
