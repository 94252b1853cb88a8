"""The deadlines of an escrow: started, stopped by a dispute, given back with the time that was left."""

from datetime import datetime, timedelta

from django.conf import settings

from core import clock, deadlines
from core.models import Deadline
from payments.locks import live_orders
from payments.models import Escrow, EscrowPolicy, OrderKind
from payments.services import pausing
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
FALLBACK = "fallback"
HOLD = "hold"

# A mark must be final 48 h before the chain's deliver-by; a day more covers a slow network.
_MARK_LEAD = timedelta(hours=72)
# The chain's inspection of a held escrow must have stopped 24 h before its end; a day more for the network.
_HOLD_LEAD = timedelta(hours=48)
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
    due = due or delivery_due(escrow)
    deadlines.start(DELIVER, escrow.pk, due, backstop_at=last)
    if last:
        deadlines.start(UNDELIVERED, escrow.pk, last)


def delivery_due(escrow: Escrow) -> datetime:
    """The agreed date, or when the money came if that was later, and the grace; a day before the chain's end
    for money that came so late that the chain's end is nearer."""
    since = max(escrow.deliver_at, escrow.funded_at or escrow.deliver_at)
    due = since + grace()
    paid_late = escrow.funded_at and escrow.fund_by and escrow.funded_at > escrow.fund_by
    if escrow.deliver_by and (escrow.revived_at or paid_late):
        due = min(due, max(clock.now(), escrow.deliver_by - BEFORE_CHAIN_END))
    return due


def grace() -> timedelta:
    """What the seller has after the agreed date."""
    return timedelta(seconds=settings.CLOCKS["grace"])


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
    # A mark of a held escrow starts a clock that has to be stopped again: no earlier than it must be.
    if escrow.deliver_by is None or (policy and policy.mark_at_once and not escrow.held_reason):
        return clock.now()
    return max(clock.now(), escrow.deliver_by - _MARK_LEAD)


def backstop(escrow: Escrow) -> datetime | None:
    """When the seller can claim on chain without the platform, as far as it is known."""
    if escrow.marked_until or escrow.deliver_by is None:
        return escrow.marked_until
    inspection = timedelta(seconds=escrow.inspect_seconds + settings.CLOCKS["backstop"])
    return mark_due(escrow) + inspection


def watch_hold(escrow: Escrow) -> None:
    """A hold was placed or lifted, or the chain's inspection clock changed: who guards it starts or stops."""
    if escrow.held_reason and escrow.marked_until:
        due = max(clock.now(), escrow.marked_until - _HOLD_LEAD)
        deadlines.start(HOLD, escrow.pk, due, backstop_at=escrow.marked_until)
        return
    deadlines.cancel(HOLD, escrow.pk)
    if deadlines.waiting(escrow.pk).filter(kind=MARK).exists():
        start_marking(escrow)


def follow_extension(escrow: Escrow, gained: timedelta, *, moves: bool = True) -> None:
    """The chain's running clock ends later by `gained`: what the platform waits for moves with it, so that
    its instant and the chain's stay as far apart; not where the chain only made room (`moves`)."""
    kind = INSPECT if escrow.marked_until else DELIVER
    if moves and kind in escrow.paused_clocks:
        escrow.paused_clocks[kind] += int(gained.total_seconds())
        escrow.save(update_fields=["paused_clocks"])
    wait = deadlines.waiting(escrow.pk).filter(kind=kind).first()
    if wait is not None:
        if moves:
            deadlines.move_waiting(kind, escrow.pk, wait.due_at + gained)
        deadlines.set_backstop(kind, escrow.pk, escrow.marked_until or escrow.deliver_by)
    if escrow.marked_until:
        watch_hold(escrow)
    elif escrow.deliver_by:
        _follow_later_delivery(escrow, escrow.deliver_by, overdue=wait is None)


def _follow_later_delivery(escrow: Escrow, last: datetime, *, overdue: bool) -> None:
    deadlines.move_waiting(UNDELIVERED, escrow.pk, last)
    if escrow.state == EscrowState.DELIVERED:
        deadlines.set_backstop(INSPECT, escrow.pk, backstop(escrow))
        if deadlines.waiting(escrow.pk).filter(kind=MARK).exists():
            start_marking(escrow)
    due = last - timedelta(seconds=settings.CLOCKS["backstop"])
    if escrow.state == EscrowState.FUNDED and overdue and due > clock.now():
        escrow.take_back_open = False
        escrow.save(update_fields=["take_back_open"])
        start_delivering(escrow, due=due)


def start_fallback(escrow: Escrow) -> None:
    """Disputed on the chain: when the arbitration is over, the split that the terms named is paid."""
    if escrow.fallback_after:
        due = escrow.fallback_after
        deadlines.start(FALLBACK, escrow.pk, due, backstop_at=due)


def pause(escrow: Escrow) -> None:
    """A dispute stops every off-chain timer at once; what was left is kept on the escrow (saved)."""
    running = {
        deadline.kind: _left(deadline)
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


def _left(wait: Deadline) -> int:
    """Seconds that a wait still had, with what an incident took from it and nobody has given back."""
    return max(0, int((wait.due_at - clock.now() + pausing.lost_until_now(wait)).total_seconds()))


def resume(escrow: Escrow) -> None:
    """The dispute ended without a decision: give back the time that was left."""
    left = escrow.paused_clocks
    if escrow.state == EscrowState.DELIVERED:
        start_inspecting(escrow, seconds=left.get(INSPECT, escrow.inspect_seconds))
    elif escrow.state == EscrowState.FUNDED:
        seconds = left.get(DELIVER)
        due = clock.now() + timedelta(seconds=seconds) if seconds is not None else None
        if due and escrow.deliver_by:
            due = min(due, max(clock.now(), escrow.deliver_by - BEFORE_CHAIN_END))
        start_delivering(escrow, due=due)
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
        escrow.paused_clocks = {**escrow.paused_clocks, INSPECT: _left(running)}
        escrow.save(update_fields=["paused_clocks"])
        deadlines.cancel(INSPECT, escrow.pk)


def resume_inspection(escrow: Escrow) -> None:
    """Give the inspection back the time it had, at least a day, if one was paused."""
    left = escrow.paused_clocks.pop(INSPECT, None)
    if left is not None and escrow.state == EscrowState.DELIVERED:
        escrow.save(update_fields=["paused_clocks"])
        start_inspecting(escrow, seconds=max(left, 86_400))
