"""States and allowed edges of disputes and rulings: read by the FSM methods and the database guards."""

from core.states import StateTable


class DisputeState:
    OPENING = "opening"
    OPENED = "opened"
    NEGOTIATING = "negotiating"
    EVIDENCE = "evidence"
    UNDER_REVIEW = "under_review"
    RULING_PROPOSED = "ruling_proposed"
    APPROVED = "approved"
    RULED = "ruled"
    FINAL = "final"
    EXECUTING = "executing"
    EXECUTED = "executed"
    SETTLED = "settled"
    CONCEDED = "conceded"
    WITHDRAWN = "withdrawn"
    CLOSED = "closed"


_D = DisputeState
# The final event of the chain wins over whatever people were about to do.
_CHAIN_WINS = [_D.WITHDRAWN, _D.CLOSED]
_EARLY_ENDS = [_D.SETTLED, _D.CONCEDED, *_CHAIN_WINS]

DISPUTE = StateTable.of(
    initial=[_D.OPENING],
    edges={
        _D.OPENING: [_D.OPENED, _D.CLOSED],
        _D.OPENED: [_D.NEGOTIATING, _D.EVIDENCE, *_EARLY_ENDS],
        _D.NEGOTIATING: [_D.EVIDENCE, *_EARLY_ENDS],
        _D.EVIDENCE: [_D.UNDER_REVIEW, *_EARLY_ENDS],
        _D.UNDER_REVIEW: [_D.RULING_PROPOSED, *_EARLY_ENDS],
        _D.RULING_PROPOSED: [_D.APPROVED, _D.UNDER_REVIEW, *_EARLY_ENDS],
        _D.APPROVED: [_D.RULED, *_EARLY_ENDS],
        _D.RULED: [_D.FINAL, _D.UNDER_REVIEW, *_EARLY_ENDS],
        # A side can still appeal on the chain: what the seats signed is void then.
        _D.FINAL: [_D.EXECUTING, _D.UNDER_REVIEW, *_CHAIN_WINS],
        _D.EXECUTING: [_D.EXECUTED, _D.UNDER_REVIEW, _D.FINAL, *_CHAIN_WINS],
        _D.EXECUTED: [],
        _D.SETTLED: [],
        _D.CONCEDED: [],
        _D.WITHDRAWN: [],
        _D.CLOSED: [],
    },
)

LIVE = tuple(sorted(DISPUTE.states - DISPUTE.terminal))
# The opener may still take the dispute back.
BEFORE_REVIEW = (_D.OPENED, _D.NEGOTIATING, _D.EVIDENCE)
# Parties may add evidence; after `BEFORE_REVIEW` it is marked late.
TAKES_EVIDENCE = (_D.OPENING, *BEFORE_REVIEW, _D.UNDER_REVIEW, _D.RULING_PROPOSED)
# The work waits for an arbitrator.
WITH_ARBITRATOR = (_D.UNDER_REVIEW, _D.RULING_PROPOSED)

# A ruling that still needs approval may be refused: the parties hear of it when it stands.
_IN_CONFIDENCE = (_D.RULING_PROPOSED, _D.APPROVED)


def public_state(state: str) -> str:
    """The state as the parties and their partner may know it."""
    return _D.UNDER_REVIEW if state in _IN_CONFIDENCE else state


class RulingState:
    PROPOSED = "proposed"
    APPROVED = "approved"
    REFUSED = "refused"
    FINAL = "final"
    SUPERSEDED = "superseded"


_R = RulingState

RULING = StateTable.of(
    initial=[_R.PROPOSED],
    edges={
        _R.PROPOSED: [_R.APPROVED, _R.REFUSED, _R.SUPERSEDED],
        _R.APPROVED: [_R.FINAL, _R.SUPERSEDED],
        _R.FINAL: [_R.SUPERSEDED],
        _R.REFUSED: [],
        _R.SUPERSEDED: [],
    },
)

# A ruling that stands or may come to stand; at most one for a dispute.
STANDING = (_R.PROPOSED, _R.APPROVED, _R.FINAL)
