"""What a caller may see: the deals of its partner in its mode, and what belongs to them."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.db.models import Prefetch, QuerySet

from core.errors import NotFound
from core.models import Deadline, OutboxEvent
from partners.authentication import Caller
from payments import paid as payment
from payments.models import SMALL, Deal, Deposit, Escrow, Party, PayoutLeg
from payments.paid import Paid
from payments.selectors import with_approval
from payments.services import incidents

# Deposits that an escrow carries with it; all of them are a list of their own.
SHOWN_DEPOSITS = 20


def deals_of(caller: Caller) -> QuerySet[Deal]:
    """The partner's deals in the key's mode, with everything that is shown of them."""
    return (
        Deal.objects.filter(partner=caller.partner, livemode=caller.livemode)
        .select_related("network", "token__network", "agreed_version")
        .prefetch_related(
            Prefetch("parties", Party.objects.order_by("role").select_related("user")),
            "versions",
            Prefetch("escrows", Escrow.objects.order_by("position")),
        )
    )


def escrows_of(caller: Caller) -> QuerySet[Escrow]:
    """The escrows of the partner's deals in the key's mode, with everything that is shown of them."""
    return (
        Escrow.objects.filter(deal__partner=caller.partner, deal__livemode=caller.livemode)
        .select_related("network", "token__network", "deal")
        .prefetch_related(
            Prefetch("deposits", _newest(Deposit.objects.all()), to_attr="newest_deposits"),
            Prefetch("legs", with_approval(PayoutLeg.objects.select_related("token__network"))),
            Prefetch("deal__parties", Party.objects.order_by("role")),
            "orders",
        )
    )


def events_of(caller: Caller) -> QuerySet[OutboxEvent]:
    """What happened to the partner's deals in the key's mode."""
    return OutboxEvent.objects.filter(owner_id=caller.partner.pk, livemode=caller.livemode)


def one_deal(caller: Caller, deal_id: str) -> Deal:
    """Raises `NotFound`, also for another partner's deal or one of the other mode."""
    found = deals_of(caller).filter(pk=deal_id).first()
    if found is None:
        raise NotFound("deal_not_found", "There is no such deal.")
    with_deadlines([found])
    return found


def one_escrow(caller: Caller, escrow_id: str) -> Escrow:
    """Raises `NotFound`, also for another partner's escrow or one of the other mode."""
    found = escrows_of(caller).filter(pk=escrow_id).first()
    if found is None:
        raise NotFound("escrow_not_found", "There is no such escrow.")
    with_clocks([found])
    return found


def _newest(deposits: QuerySet[Deposit]) -> QuerySet[Deposit]:
    """What an escrow shows of its deposits: the newest of those that count by themselves."""
    counting = deposits.exclude(flags__contains=[SMALL]).select_related("token__network")
    return counting.order_by("-block_number", "-created", "-ordinal")[:SHOWN_DEPOSITS]


def deposits_of(caller: Caller, escrow_id: str) -> QuerySet[Deposit]:
    """All deposits of one escrow of the partner. Raises `NotFound` as `one_escrow` does."""
    found = Escrow.objects.filter(deal__partner=caller.partner, deal__livemode=caller.livemode, pk=escrow_id)
    if not found.exists():
        raise NotFound("escrow_not_found", "There is no such escrow.")
    return Deposit.objects.filter(escrow=escrow_id, amount__gt=0).select_related("token__network")


def paid_of(row: Any) -> Paid:
    """What `with_clocks` has read for this escrow."""
    found: Paid = row.payment
    return found


def with_clocks(escrows: Sequence[Any]) -> None:
    """`with_deadlines`; how far each is paid; and `incident`: what stops the clocks of each that is not
    closed. Two more queries."""
    with_deadlines(escrows)
    paid = payment.read(escrows)
    standing = incidents.open_now() if escrows else []
    for escrow in escrows:
        escrow.payment = paid[escrow.pk]
        escrow.incident = None if escrow.closed_at else incidents.covering(standing, escrow.network_id)


def with_deadlines(rows: Sequence[Any]) -> None:
    """Give each row `waiting`: its deadlines that still run, soonest first, in one query."""
    by_subject: dict[str, list[Deadline]] = defaultdict(list)
    ids = [row.pk for row in rows]
    running = Deadline.objects.filter(subject_id__in=ids, state=Deadline.State.WAITING)
    for deadline in running.order_by("due_at", "kind"):
        by_subject[deadline.subject_id].append(deadline)
    for row in rows:
        row.waiting = by_subject[row.pk]


def waiting_of(row: Any) -> Sequence[Deadline]:
    """What `with_deadlines` has read for this row."""
    waiting: Sequence[Deadline] = row.waiting
    return waiting
