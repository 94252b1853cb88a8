"""States as people read them: a word and a shape (see `core.presentation`)."""

from core.presentation import Shape
from payments.states import DealState, EscrowState

Word = tuple[str, Shape]

DEAL: dict[str, Word] = {
    DealState.DRAFT: ("Draft", "waiting"),
    DealState.PROPOSED: ("Proposed", "waiting"),
    DealState.AGREED: ("Agreed", "moving"),
    DealState.ACTIVE: ("Active", "held"),
    DealState.COMPLETED: ("Completed", "done"),
    DealState.CANCELLED: ("Cancelled", "ended"),
    DealState.EXPIRED: ("Expired", "ended"),
}

ESCROW: dict[str, Word] = {
    EscrowState.PLANNED: ("Not open yet", "waiting"),
    EscrowState.AWAITING_DEPOSIT: ("Awaiting deposit", "waiting"),
    EscrowState.CONFIRMING: ("Confirming", "moving"),
    EscrowState.FUNDED: ("Funded", "held"),
    EscrowState.DELIVERED: ("Delivered", "held"),
    EscrowState.RELEASING: ("Releasing", "moving"),
    EscrowState.REFUNDING: ("Refunding", "moving"),
    EscrowState.DISPUTING: ("Opening a dispute", "risk"),
    EscrowState.DISPUTED: ("Disputed", "risk"),
    EscrowState.SETTLING: ("Settling", "moving"),
    EscrowState.RELEASED: ("Released", "done"),
    EscrowState.REFUNDED: ("Refunded", "back"),
    EscrowState.SETTLED: ("Settled", "split"),
    EscrowState.EXPIRED: ("Expired", "ended"),
    EscrowState.CANCELLED: ("Cancelled", "ended"),
}
