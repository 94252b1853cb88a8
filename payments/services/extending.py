"""More time, given by the operator: on the chain first, then here."""

from datetime import timedelta
from math import ceil

from django.db import transaction

from core import audit, clock, deadlines, seen
from core.actors import Actor
from core.errors import Conflict, Invalid
from payments.locks import live_orders, lock_escrow
from payments.models import Escrow, Order, OrderKind
from payments.services import clocks, events, orders
from payments.states import HOLDING, EscrowState

MAX_OPERATOR_DAYS = 14


@transaction.atomic
def give_time(
    *, escrow_id: str, days: int, reason: str, acting: Actor, expected: str | None = None
) -> Order | None:
    """The wait that runs ends `days` later; at most 14 days in all for one escrow.

    Where a clock of the chain runs it is extended, and the platform's instant moves when that is final.
    None: none runs yet, and the platform's instant moved at once. Raises `Invalid` without a reason or for
    no or too many days, `Conflict` where nothing can be extended, the 14 days are used up, or the row is not
    the one that the operator saw (`expected`, of `core.seen.row`).
    """
    if not reason.strip():
        raise Invalid("reason_missing", "Say why more time is given.")
    if not 0 < days <= MAX_OPERATOR_DAYS:
        raise Invalid("days", f"Give 1 to {MAX_OPERATOR_DAYS} days.")
    escrow = lock_escrow(escrow_id)
    seen.check(expected, seen.row, escrow)
    _check(escrow, days)
    if escrow.state == EscrowState.DELIVERED and not escrow.marked_until:
        order = None
        _move_inspection(escrow, timedelta(days=days))
    else:
        order = _extend(escrow, timedelta(days=days), reason.strip(), acting)
    facts = {"days": days, "reason": reason.strip()}
    audit.write(
        "clock.extended", subject_id=escrow.pk, actor_id=acting.id, actor_label=acting.label, data=facts
    )
    events.of_escrow(escrow, "escrow.time_given", days=days)
    return order


def extend_for_incident(escrow: Escrow, by: timedelta, *, acting: Actor) -> Order:
    """Have the chain's running clock of a locked escrow end later by `by`, or by what the contract still lets
    the operator give, so that paused time can be given back. The platform's own instants do not move with it.
    Raises `Conflict` as `give_time` does.
    """
    day = timedelta(days=1)
    gained = min(by, (MAX_OPERATOR_DAYS - escrow.operator_days) * day)
    _check(escrow, max(1, -(-gained // day)))
    return _extend(escrow, gained, "clocks stood still", acting, gives_back=True)


def _check(escrow: Escrow, days: int) -> None:
    if escrow.state not in HOLDING:
        raise Conflict("escrow_state", f"No clock runs while the escrow is {escrow.state.replace('_', ' ')}.")
    if escrow.operator_days + days > MAX_OPERATOR_DAYS:
        left = MAX_OPERATOR_DAYS - escrow.operator_days
        raise Conflict("days_used_up", f"The contract lets the operator give {left} more days in all.")
    if live_orders(escrow, OrderKind.EXTEND, OrderKind.MARK, OrderKind.REOPEN):
        raise Conflict("clock_changing", "The chain's clock is being changed. Wait until that is final.")


def _extend(
    escrow: Escrow, gained: timedelta, reason: str, acting: Actor, *, gives_back: bool = False
) -> Order:
    end = escrow.marked_until or escrow.deliver_by
    if end is None or clock.now() > end - clocks.SAFETY:
        raise Conflict("too_late", "The chain's clock is over.")
    return orders.place(
        escrow,
        OrderKind.EXTEND,
        reason=f"more time: {reason}"[:80],
        acting=acting,
        payload={"until": ceil((end + gained).timestamp()), "gives_back": gives_back},
        must_be_final_by=end,
    )


def _move_inspection(escrow: Escrow, gained: timedelta) -> None:
    """The chain's inspection starts with the mark: until then the platform's own instant may move, but not
    close to the instant at which anyone can claim."""
    wait = deadlines.waiting(escrow.pk).filter(kind=clocks.INSPECT).first()
    last = clocks.backstop(escrow)
    if wait is None or last is None:
        raise Conflict("no_inspection", "The inspection is paused; there is nothing to extend.")
    due = wait.due_at + gained
    if due > last - clocks.BEFORE_CHAIN_END:
        raise Conflict("too_long", "The chain could pay before that. Give more time once the mark is there.")
    deadlines.move_waiting(clocks.INSPECT, escrow.pk, due)
