"""Row locks: dispute before escrow, and an escrow only through the services of payments."""

from core.errors import NotFound
from disputes.models import Dispute


def lock_dispute(dispute_id: str) -> Dispute:
    """The dispute, re-read and locked until the transaction ends."""
    dispute = (
        Dispute.objects.select_for_update(of=("self",))
        .select_related("escrow__deal", "escrow__token__network", "escrow__network", "arbitrator")
        .filter(pk=dispute_id)
        .first()
    )
    if dispute is None:
        raise NotFound("dispute_not_found", "There is no such dispute.")
    return dispute
