"""States and allowed edges of deals, escrows, payout legs and orders: one table each.

The FSM methods, the database guards and the documentation all read these.
"""

from core.states import StateTable


class DealState:
    DRAFT = "draft"
    PROPOSED = "proposed"
    AGREED = "agreed"
    ACTIVE = "active"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


DEAL = StateTable.of(
    initial=[DealState.DRAFT],
    edges={
        DealState.DRAFT: [DealState.PROPOSED, DealState.CANCELLED],
        DealState.PROPOSED: [DealState.AGREED, DealState.CANCELLED, DealState.EXPIRED],
        DealState.AGREED: [DealState.ACTIVE, DealState.CANCELLED, DealState.EXPIRED],
        DealState.ACTIVE: [DealState.COMPLETED],
        DealState.EXPIRED: [DealState.ACTIVE],
        DealState.COMPLETED: [],
        DealState.CANCELLED: [],
    },
)


class EscrowState:
    PLANNED = "planned"
    AWAITING_DEPOSIT = "awaiting_deposit"
    CONFIRMING = "confirming"
    FUNDED = "funded"
    DELIVERED = "delivered"
    RELEASING = "releasing"
    REFUNDING = "refunding"
    DISPUTING = "disputing"
    DISPUTED = "disputed"
    SETTLING = "settling"
    RELEASED = "released"
    REFUNDED = "refunded"
    SETTLED = "settled"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


_E = EscrowState
# What the chain may say at any time, whoever sent the transaction.
_DECIDED = [_E.RELEASED, _E.REFUNDED, _E.SETTLED]
_CHAIN_WINS = [*_DECIDED, _E.DISPUTED]
# A withdrawn dispute goes back to where it came from; a wallet can also raise one over late money.
_BEFORE_DISPUTE = [_E.FUNDED, _E.DELIVERED, _E.EXPIRED, _E.CANCELLED]

ESCROW = StateTable.of(
    initial=[_E.PLANNED],
    edges={
        _E.PLANNED: [_E.AWAITING_DEPOSIT, _E.CANCELLED],
        _E.AWAITING_DEPOSIT: [_E.CONFIRMING, _E.FUNDED, _E.EXPIRED, _E.CANCELLED, *_CHAIN_WINS],
        _E.CONFIRMING: [_E.AWAITING_DEPOSIT, _E.FUNDED, _E.EXPIRED, _E.CANCELLED, *_CHAIN_WINS],
        _E.FUNDED: [_E.DELIVERED, _E.RELEASING, _E.REFUNDING, _E.DISPUTING, _E.SETTLING, *_CHAIN_WINS],
        _E.DELIVERED: [_E.FUNDED, _E.RELEASING, _E.REFUNDING, _E.DISPUTING, _E.SETTLING, *_CHAIN_WINS],
        _E.RELEASING: _CHAIN_WINS,
        _E.REFUNDING: _CHAIN_WINS,
        _E.DISPUTING: [_E.FUNDED, _E.DELIVERED, *_CHAIN_WINS],
        _E.DISPUTED: [*_BEFORE_DISPUTE, _E.SETTLING, *_DECIDED],
        # The opener can withdraw on chain, and either side appeal, until the ruling is final there.
        _E.SETTLING: [_E.DISPUTED, *_BEFORE_DISPUTE, *_DECIDED],
        _E.EXPIRED: [_E.FUNDED, *_CHAIN_WINS],
        _E.RELEASED: [],
        _E.REFUNDED: [],
        _E.SETTLED: [],
        # Late money there is funded for the chain: a party's wallet may release or dispute it.
        _E.CANCELLED: _CHAIN_WINS,
    },
)

# Paid in full and not yet decided: the parties may still act on the money.
HOLDING = (_E.FUNDED, _E.DELIVERED)
# Over before any money counted; what comes late goes back to the buyer.
ENDED_UNPAID = (_E.EXPIRED, _E.CANCELLED)
# Waiting for the first money.
UNPAID = (_E.PLANNED, _E.AWAITING_DEPOSIT, _E.CONFIRMING)
# The money is fully decided on chain.
CLOSED = (_E.RELEASED, _E.REFUNDED, _E.SETTLED)
# No party waits for the other any more (money that still comes goes back to the buyer).
TERMINAL = (*CLOSED, *ENDED_UNPAID)
LIVE = tuple(sorted(ESCROW.states - set(TERMINAL)))


class LegState:
    PLANNED = "planned"
    ORDERED = "ordered"
    BLOCKED = "blocked"
    PAID = "paid"
    SUPERSEDED = "superseded"


LEG = StateTable.of(
    initial=[LegState.PLANNED],
    edges={
        LegState.PLANNED: [LegState.ORDERED, LegState.SUPERSEDED],
        LegState.ORDERED: [LegState.PAID, LegState.BLOCKED, LegState.SUPERSEDED],
        LegState.BLOCKED: [LegState.PAID],
        LegState.PAID: [],
        LegState.SUPERSEDED: [],
    },
)


class OrderState:
    LIVE = "live"
    DONE = "done"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    NEEDS_HUMAN = "needs_human"


ORDER = StateTable.of(
    initial=[OrderState.LIVE, OrderState.DONE],
    edges={
        OrderState.LIVE: [
            OrderState.DONE,
            OrderState.FAILED,
            OrderState.SUPERSEDED,
            OrderState.NEEDS_HUMAN,
        ],
        OrderState.NEEDS_HUMAN: [OrderState.LIVE, OrderState.DONE, OrderState.SUPERSEDED],
        OrderState.DONE: [],
        OrderState.FAILED: [],
        OrderState.SUPERSEDED: [],
    },
)


class ApprovalState:
    WAITING = "waiting"
    GIVEN = "given"
    CLOSED = "closed"


APPROVAL = StateTable.of(
    initial=[ApprovalState.WAITING],
    edges={
        ApprovalState.WAITING: [ApprovalState.GIVEN, ApprovalState.CLOSED],
        ApprovalState.GIVEN: [ApprovalState.CLOSED],
        ApprovalState.CLOSED: [],
    },
)
