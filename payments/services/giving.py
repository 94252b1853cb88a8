"""Time given back to the waits of deals and escrows after an incident, as far as the chain waits.

Where the chain's own instant is too near the operator extends there first; the time is given when that is
final.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import transaction

from chain.services.alarms import raise_alarm, resolve_alarm
from core import clock, deadlines, transitions
from core.actors import CLOCK, SYSTEM
from core.errors import Conflict
from core.models import Deadline
from payments.locks import live_orders, lock_deal, lock_escrow
from payments.models import Deal, Escrow, Order, OrderKind
from payments.services import clocks, deals, events, extending, pausing
from payments.states import HOLDING, EscrowState, OrderState

# Stand still, and move later by what they lost.
MOVING = (clocks.PAY, clocks.DELIVER, clocks.INSPECT, clocks.ANSWER_REFUND, clocks.LATE_MONEY)
# Stand still at the chain's own instant, which moves only on the chain.
STANDING = (clocks.UNDELIVERED, clocks.FALLBACK)
# Where the chain would decide past the pause.
_GUARDED = (clocks.DELIVER, clocks.INSPECT, clocks.ANSWER_REFUND)
UNPROTECTED = "incident_unprotected"
# Before the chain's end an open incident has it moved, by so much at a time.
_GUARD = timedelta(hours=48)
_STEP = timedelta(days=2)
_NOTHING = timedelta()


def register() -> None:
    """Which waits of deals and escrows stand still; all others protect people on the chain, or call staff."""
    pausing.register(MOVING, pausing.Clock(_networks_of_escrows, _give_escrow))
    pausing.register(STANDING, pausing.Clock(_networks_of_escrows, _give_escrow, moves=False))
    pausing.register([deals.ACCEPT], pausing.Clock(_networks_of_deals, _give_deal))
    deadlines.register_pause(deadlines.Pause(pausing.kinds, pausing.stands, pausing.settle))


def give_all(escrow: Escrow) -> None:
    """Give every wait of a locked escrow what it lost; the chain has just been extended for it."""
    for wait in deadlines.waiting(escrow.pk).filter(kind__in=MOVING):
        _give(escrow, wait)


def gives_back(order: Order) -> bool:
    """Whether this extension was ordered so that paused time can be given back, not as time for itself."""
    return order.kind == OrderKind.EXTEND and bool(order.payload.get("gives_back"))


def note_short(escrow: Escrow, wait: Deadline, missed: timedelta, given: timedelta) -> None:
    """The chain does not wait as long as was lost: it stands in the escrow's own history."""
    why = f"{wait.kind}: {_words(given)} of {_words(missed)} given back; the chain does not wait longer"
    transitions.record(escrow, source="", target="given_in_part", actor=SYSTEM, why=why, field="clock")


def _give_deal(wait: Deadline) -> None:
    """No money is there yet and no chain waits: all of it."""
    with transaction.atomic():
        deal = lock_deal(wait.subject_id)
        found = _reread(wait)
        if found is None or not deadlines.stands_still(found) or pausing.is_open(deal.network_id):
            return
        missed = pausing.lost(found, deal.network_id)
        if pausing.note(found, deal.network_id, missed, missed):
            events.of_deal(deal, "deal.time_given_back", **_facts(found, missed, missed))


def _give_escrow(wait: Deadline) -> None:
    with transaction.atomic():
        escrow = lock_escrow(wait.subject_id)
        found = _reread(wait)
        if found is not None:
            _give(escrow, found)


def _give(escrow: Escrow, wait: Deadline) -> None:
    if not deadlines.stands_still(wait):
        return
    if pausing.is_open(escrow.network_id):
        _guard(escrow, wait)
        return
    missed = pausing.lost(wait, escrow.network_id)
    end = _chain_end(escrow, wait)
    over = max(_NOTHING, wait.due_at + missed - (end - clocks.BEFORE_CHAIN_END)) if end else _NOTHING
    if over and (_clock_changes(escrow) or _extend(escrow, wait, over)):
        # When that is final the time is given; until then the wait stands still.
        return
    given = max(_NOTHING, missed - over)
    if not pausing.note(wait, escrow.network_id, missed, given):
        return
    resolve_alarm(escrow.network, UNPROTECTED, escrow.pk)
    if given < missed:
        note_short(escrow, wait, missed, given)
    events.of_escrow(escrow, "escrow.time_given_back", **_facts(wait, missed, given))


def _reread(wait: Deadline) -> Deadline | None:
    return Deadline.objects.filter(pk=wait.pk, state=Deadline.State.WAITING).first()


def _chain_end(escrow: Escrow, wait: Deadline) -> datetime | None:
    """When the chain acts without the platform; None where it waits for ever, or begins anew."""
    if wait.kind == clocks.LATE_MONEY:
        return None
    if wait.kind == clocks.PAY and escrow.deliver_by:
        # Who pays at the last instant still leaves the seller the grace to deliver in.
        return escrow.deliver_by - clocks.grace()
    if wait.kind == clocks.INSPECT:
        return wait.backstop_at
    if wait.kind == clocks.ANSWER_REFUND and escrow.state == EscrowState.DELIVERED:
        return None if live_orders(escrow, OrderKind.REOPEN) else clocks.backstop(escrow)
    return escrow.deliver_by


def _clock_changes(escrow: Escrow) -> bool:
    return bool(live_orders(escrow, OrderKind.EXTEND, OrderKind.MARK, OrderKind.REOPEN))


def _extend(escrow: Escrow, wait: Deadline, by: timedelta) -> bool:
    """Order the chain's running clock later; False where none runs, or where it failed before."""
    runs = escrow.state == EscrowState.FUNDED or (escrow.state in HOLDING and escrow.marked_until)
    earlier = escrow.orders.filter(
        kind=OrderKind.EXTEND, payload__gives_back=True, created__gte=wait.created
    ).exclude(state=OrderState.DONE)
    if not runs or earlier.exists():
        return False
    try:
        extending.extend_for_incident(escrow, by, acting=CLOCK)
    except Conflict:
        return False
    return True


def _guard(escrow: Escrow, wait: Deadline) -> None:
    """While clocks stand still the chain's goes on: it is moved before anyone could act past the pause."""
    end = _chain_end(escrow, wait) if wait.kind in _GUARDED else None
    if end is None or clock.now() < end - _GUARD or _clock_changes(escrow):
        return
    if not _extend(escrow, wait, _STEP):
        detail = f"{wait.kind}: clocks stand still, and the chain acts at {end:%Y-%m-%d %H:%M} UTC"
        raise_alarm(escrow.network, UNPROTECTED, escrow.pk, detail)


def _facts(wait: Deadline, missed: timedelta, given: timedelta) -> dict[str, object]:
    return {
        "kind": wait.kind,
        "due_at": (wait.due_at + given).isoformat(),
        "lost_seconds": int(missed.total_seconds()),
        "given_seconds": int(given.total_seconds()),
    }


def _words(length: timedelta) -> str:
    return str(timedelta(seconds=int(length.total_seconds())))


def _networks_of_escrows(subjects: Collection[str]) -> dict[str, int]:
    return dict(Escrow.objects.filter(pk__in=subjects).values_list("pk", "network"))


def _networks_of_deals(subjects: Collection[str]) -> dict[str, int]:
    return dict(Deal.objects.filter(pk__in=subjects).values_list("pk", "network"))
