"""States of a dispute as people read them: a word and a shape (see `core.presentation`)."""

from core.presentation import Shape
from disputes.states import DisputeState, RulingState, public_state

Word = tuple[str, Shape]

DISPUTE: dict[str, Word] = {
    DisputeState.OPENING: ("Opening", "moving"),
    DisputeState.OPENED: ("Waiting for an answer", "waiting"),
    DisputeState.NEGOTIATING: ("Negotiating", "waiting"),
    DisputeState.EVIDENCE: ("Evidence", "waiting"),
    DisputeState.UNDER_REVIEW: ("Under review", "waiting"),
    DisputeState.RULING_PROPOSED: ("Waiting for approval", "waiting"),
    DisputeState.APPROVED: ("Approved", "moving"),
    DisputeState.RULED: ("Ruled", "split"),
    DisputeState.FINAL: ("Final", "split"),
    DisputeState.EXECUTING: ("Being paid out", "moving"),
    DisputeState.EXECUTED: ("Executed", "split"),
    DisputeState.SETTLED: ("Settled", "split"),
    DisputeState.CONCEDED: ("Conceded", "done"),
    DisputeState.WITHDRAWN: ("Withdrawn", "ended"),
    DisputeState.CLOSED: ("Closed by the chain", "ended"),
}

RULING: dict[str, str] = {
    RulingState.PROPOSED: "waits for a second person",
    RulingState.APPROVED: "stands",
    RulingState.REFUSED: "refused",
    RulingState.FINAL: "final",
    RulingState.SUPERSEDED: "overtaken by the chain",
}


def for_parties(state: str) -> Word:
    """The word that buyer and seller read."""
    return DISPUTE[public_state(state)]
