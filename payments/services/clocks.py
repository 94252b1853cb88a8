"""The deadlines of an escrow: started, stopped by a dispute, given back with the time that was left."""

from datetime import datetime, timedelta

from django.conf import settings

from core import clock, deadlines
from payments.locks import live_orders
from payments.models import Escrow, EscrowPolicy, OrderKind
from payments.states import EscrowState

PAY = "pay"
DELIVER = "deliver"
UNDELIVERED = "undelivered"
INSPECT = "inspect"
MARK = "mark"
LATE_MONEY = "late_money"
SURPLUS = "surplus"
OPEN = "open"
ANSWER_REFUND = "answer_refund"

# A mark must be final 48 h before the chain's deliver-by; a day more covers a slow network.
_MARK_LEAD = timedelta(hours=72)
# A pause may move the platform's instant no closer to the chain's than this.
BEFORE_CHAIN_END = timedelta(hours=24)
# What is offered to a party ends this much before the chain's own instant.
SAFETY = timedelta(minutes=10)


def start_paying(escrow: Escrow) -> None:
    """Opened: the buyer pays until fund-by."""
    if escrow.fund_by:
        deadlines.start(PAY, escrow.pk, escrow.fund_by)


def start_delivering(escrow: Escrow, *, due: datetime | None = None, last: datetime | None = None) -> None:
    """Funded: the seller delivers by the agreed date and its grace; the chain's backstop follows.

    `last` is the chain's last instant where it is about to be another than the one known.
    """
    last = last or escrow.deliver_by
    deadlines.cancel(PAY, escrow.pk)
    if due is None:
        since = max(escrow.deliver_at, escrow.funded_at or escrow.deliver_at)
        due = since + timedelta(seconds=settings.CLOCKS["grace"])
    deadlines.start(DELIVER, escrow.pk, due, backstop_at=last)
    if last:
        deadlines.start(UNDELIVERED, escrow.pk, last)


def start_inspecting(escrow: Escrow, *, seconds: int | None = None) -> None:
    """Delivered: the buyer looks; silence releases. The mark is due before the chain's deliver-by."""
    for kind in (DELIVER, UNDELIVERED):
        deadlines.cancel(kind, escrow.pk)
    left = escrow.inspect_seconds if seconds is None else seconds
    due = clock.now() + timedelta(seconds=left)
    if escrow.marked_until and not live_orders(escrow, OrderKind.REOPEN):
        due = min(due, max(clock.now(), escrow.marked_until - BEFORE_CHAIN_END))
    deadlines.start(INSPECT, escrow.pk, due, backstop_at=backstop(escrow))
    start_marking(escrow)


def start_marking(escrow: Escrow) -> None:
    """Delivered and not marked on chain: the mark has its own last instant."""
    if escrow.marked_until is None:
        deadlines.start(MARK, escrow.pk, mark_due(escrow))


def mark_due(escrow: Escrow) -> datetime:
    """When the delivery must be marked on chain: at once where that is cheap, else with a margin."""
    policy = EscrowPolicy.objects.filter(network=escrow.network_id).first()
    if escrow.deliver_by is None or (policy and policy.mark_at_once):
        return clock.now()
    return max(clock.now(), escrow.deliver_by - _MARK_LEAD)


def backstop(escrow: Escrow) -> datetime | None:
    """When the seller can claim on chain without the platform, as far as it is known."""
    if escrow.marked_until or escrow.deliver_by is None:
        return escrow.marked_until
    inspection = timedelta(seconds=escrow.inspect_seconds + settings.CLOCKS["backstop"])
    return mark_due(escrow) + inspection


def pause(escrow: Escrow) -> None:
    """A dispute stops every off-chain timer at once; what was left is kept on the escrow (saved)."""
    now = clock.now()
    running = {
        deadline.kind: max(0, int((deadline.due_at - now).total_seconds()))
        for deadline in deadlines.waiting(escrow.pk)
        if deadline.kind in (DELIVER, INSPECT)
    }
    escrow.paused_clocks = {**escrow.paused_clocks, **running}
    escrow.save(update_fields=["paused_clocks"])
    stop_all(escrow)


def stop_all(escrow: Escrow) -> None:
    """Nothing that the parties wait for runs any more; surplus still goes back."""
    for deadline in deadlines.waiting(escrow.pk):
        if deadline.kind != SURPLUS:
            deadlines.cancel(deadline.kind, escrow.pk)


def resume(escrow: Escrow) -> None:
    """The dispute ended without a decision: give back the time that was left."""
    left = escrow.paused_clocks
    if escrow.state == EscrowState.DELIVERED:
        start_inspecting(escrow, seconds=left.get(INSPECT, escrow.inspect_seconds))
    elif escrow.state == EscrowState.FUNDED:
        seconds = left.get(DELIVER)
        start_delivering(
            escrow, due=clock.now() + timedelta(seconds=seconds) if seconds is not None else None
        )
    escrow.paused_clocks = {}
    escrow.save(update_fields=["paused_clocks"])


def refund_answer_due() -> datetime:
    """Until when the seller answers a refund request that is made now."""
    return clock.now() + timedelta(seconds=settings.CLOCKS["refund_request"])


def start_refund_answer(escrow: Escrow, due: datetime) -> None:
    """The seller answers; meanwhile a running inspection must not release the money.

    The mark is still made when it is due, or the chain would give the money back before the answer is due.
    """
    pause_inspection(escrow)
    deadlines.start(ANSWER_REFUND, escrow.pk, due)


def hold_inspection(escrow: Escrow) -> None:
    """Delivered while a refund request is open: the inspection starts, whole, when it is declined."""
    for kind in (DELIVER, UNDELIVERED):
        deadlines.cancel(kind, escrow.pk)
    escrow.paused_clocks = {**escrow.paused_clocks, INSPECT: escrow.inspect_seconds}
    escrow.save(update_fields=["paused_clocks"])
    start_marking(escrow)


def pause_inspection(escrow: Escrow) -> None:
    """Keep the time that the inspection still had."""
    running = deadlines.waiting(escrow.pk).filter(kind=INSPECT).first()
    if running is not None:
        left = max(0, int((running.due_at - clock.now()).total_seconds()))
        escrow.paused_clocks = {**escrow.paused_clocks, INSPECT: left}
        escrow.save(update_fields=["paused_clocks"])
        deadlines.cancel(INSPECT, escrow.pk)


def resume_inspection(escrow: Escrow) -> None:
    """Give the inspection back the time it had, at least a day, if one was paused."""
    left = escrow.paused_clocks.pop(INSPECT, None)
    if left is not None and escrow.state == EscrowState.DELIVERED:
        escrow.save(update_fields=["paused_clocks"])
        start_inspecting(escrow, seconds=max(left, 86_400))
