"""What the forms of a dispute show, as the fingerprints that they carry."""

from core import seen
from disputes.models import Dispute
from disputes.states import BEFORE_REVIEW, DisputeState, RulingState

_OPEN = (DisputeState.OPENING, *BEFORE_REVIEW)


def of_side(dispute: Dispute, role: str) -> str:
    """One side's room: whether evidence is still in time, what this side sent, said to be all, or took back.

    What the other side sends meanwhile does not count: a statement that is being written is not lost to it.
    """
    return seen.fingerprint(
        dispute.pk,
        role,
        "open" if dispute.state in _OPEN else dispute.state,
        dispute.done_at(role),
        dispute.withdrawal_ordered_at,
        dispute.evidence.filter(role=role).count(),
    )


def of_case(dispute: Dispute) -> str:
    """The arbitrator's case: state, round, who has it, the balance in dispute, and the ruling that waits."""
    proposed = dispute.rulings.filter(state=RulingState.PROPOSED).values_list("pk", flat=True).first()
    return seen.fingerprint(
        dispute.pk,
        dispute.state,
        dispute.round,
        dispute.escrow.dispute_round,
        dispute.escrow.remainder,
        dispute.arbitrator_id,
        dispute.withdrawal_ordered_at,
        proposed,
        dispute.rulings.count(),
    )
