"""Reads for pages, API and admin. They decide what a viewer may see; they never write."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from accounts.models import User
from chain import selectors as chain_reads
from core import clock
from core.errors import NotFound
from core.models import Deadline
from payments import paid as payment
from payments.books import balances
from payments.models import DECIDING, Approval, Deal, Escrow, Order, Party, PayoutLeg
from payments.paid import Paid
from payments.services.delivery import MAX_CHANGES, MAX_REOPENS
from payments.services.disputing import MAX_DISPUTES_PER_SIDE
from payments.states import (
    ENDED_UNPAID,
    HOLDING,
    UNPAID,
    ApprovalState,
    DealState,
    EscrowState,
    LegState,
    OrderState,
)


@dataclass(frozen=True, slots=True)
class Action:
    """Something that may be done now: its name, by whom ("buyer" or "seller"), and until when if limited."""

    name: str
    actor: str
    deadline: datetime | None = None


def party_for(deal: Deal, user: User) -> Party | None:
    """The side of the deal on which this person stands, if any."""
    return next((party for party in deal.parties.all() if party.user_id == user.pk), None)


def deal_for(user: User, deal_id: str) -> tuple[Deal, Party]:
    """A deal and the viewer's side. `NotFound` for a stranger; a draft is its author's alone."""
    deal = _with_details(Deal.objects.filter(pk=deal_id)).first()
    party = party_for(deal, user) if deal else None
    if deal is None or party is None or (deal.state == DealState.DRAFT and party.role != deal.proposer):
        raise NotFound("deal_not_found", "There is no such deal, or it is not yours.")
    return deal, party


def escrow_for(user: User, escrow_id: str) -> tuple[Escrow, Party]:
    """An escrow and the viewer's side. `NotFound` for a stranger."""
    escrow = (
        Escrow.objects.select_related("deal__agreed_version", "network", "token__network")
        .prefetch_related("deal__parties__user")
        .filter(pk=escrow_id)
        .first()
    )
    party = party_for(escrow.deal, user) if escrow else None
    if escrow is None or party is None:
        raise NotFound("escrow_not_found", "There is no such escrow, or it is not yours.")
    return escrow, party


def deals_of(user: User) -> QuerySet[Deal]:
    """The person's deals, newest first, with parties and escrows read in a constant number of queries."""
    mine = Q(parties__user=user) & (~Q(state=DealState.DRAFT) | Q(parties__role="buyer", proposer="buyer"))
    seller_draft = Q(parties__user=user, parties__role="seller", proposer="seller")
    return _with_details(Deal.objects.filter(mine | seller_draft)).distinct().order_by("-created", "-id")


def _with_details(deals: QuerySet[Deal]) -> QuerySet[Deal]:
    escrows = Escrow.objects.select_related("network", "token__network").order_by("position")
    return deals.select_related("network", "token__network", "agreed_version", "partner").prefetch_related(
        Prefetch("parties", Party.objects.select_related("user").order_by("role")),
        Prefetch("escrows", escrows),
    )


def needs(deal: Deal, role: str) -> bool:
    """Whether the deal waits for this side; for lists, from what `deals_of` has read."""
    if deal.state == DealState.PROPOSED:
        return deal.turn in (role, "")
    waits = {
        EscrowState.AWAITING_DEPOSIT: "buyer",
        EscrowState.FUNDED: "seller",
        EscrowState.DELIVERED: "buyer",
    }
    return any(waits.get(escrow.state) == role for escrow in deal.escrows.all())


def confirmations_needed(escrow: Escrow) -> int:
    """How many blocks it usually takes until a payment is final, for display."""
    network = escrow.network
    if network.finality == network.Finality.DEPTH:
        return network.finality_depth
    head, final = chain_reads.head(network), chain_reads.final_head(network)
    return max(1, head[0] - final[0] + 1) if head and final else 1


def deadlines_of(escrow: Escrow) -> list[Deadline]:
    """The waits of an escrow, soonest first: each with the platform's instant and the chain's backstop."""
    return list(
        Deadline.objects.filter(subject_id=escrow.pk, state=Deadline.State.WAITING).order_by("due_at")
    )


def live_deciding_order(escrow: Escrow) -> Order | None:
    """The decision that is under way, if any; from what was prefetched, so that lists stay cheap."""
    live = (OrderState.LIVE, OrderState.NEEDS_HUMAN)
    orders = escrow.orders.all()
    return next((order for order in orders if order.kind in DECIDING and order.state in live), None)


def actions_for(
    escrow: Escrow, waits: Iterable[Deadline] | None = None, paid: Paid | None = None
) -> list[Action]:
    """What each side may do now. The services check again; this only says what to offer. `waits` and `paid`
    where they were read already."""
    due = {wait.kind: wait.due_at for wait in (deadlines_of(escrow) if waits is None else waits)}
    state = escrow.state
    found: list[Action] = []
    if state in UNPAID:
        # A deal that is running is not ended by cancelling one of its milestones.
        paid = paid or payment.of(escrow)
        if escrow.deal.state == DealState.AGREED and state != EscrowState.CONFIRMING and not paid.came:
            found.append(Action("cancel", "buyer", due.get("pay")))
        if state == EscrowState.PLANNED:
            found.append(Action("open", "buyer"))
        elif paid.missing:
            found.append(Action("pay", "buyer", due.get("pay")))
    elif state in HOLDING:
        found += _holding_actions(escrow, due)
    elif state in (EscrowState.RELEASING, EscrowState.REFUNDING):
        found += _dispute_actions(escrow)
    elif state == EscrowState.DISPUTED:
        found.append(Action("withdraw_dispute", escrow.disputed_by))
    elif state in ENDED_UNPAID and balances.money(escrow):
        found.append(Action("return_late_money", "buyer", due.get("late_money")))
    if any(leg.state == LegState.BLOCKED for leg in escrow.legs.all()):
        found += [Action("retry_payout", side) for side in ("buyer", "seller")]
    return found


def _holding_actions(escrow: Escrow, due: dict[str, datetime]) -> list[Action]:
    found = _dispute_actions(escrow)
    if escrow.state == EscrowState.FUNDED:
        last = escrow.deliver_by - timedelta(minutes=10) if escrow.deliver_by else None
        found.append(Action("deliver", "seller", due.get("deliver") or last))
        if escrow.take_back_open:
            found.append(Action("take_back", "buyer"))
    elif escrow.changes_requested < MAX_CHANGES and not (
        escrow.marked_until and escrow.reopens >= MAX_REOPENS
    ):
        found.append(Action("request_changes", "buyer", due.get("inspect")))
    if live_deciding_order(escrow) is None:
        found.append(Action("release", "buyer", due.get("inspect")))
        found.append(Action("refund", "seller"))
        if "answer_refund" in due:
            found.append(Action("answer_refund", "seller", due["answer_refund"]))
        else:
            found.append(Action("ask_refund", "buyer"))
    return found


def _dispute_actions(escrow: Escrow) -> list[Action]:
    sides = ("buyer", "seller")
    return [Action("dispute", side) for side in sides if escrow.disputes_of(side) < MAX_DISPUTES_PER_SIDE]


def with_approval(legs: QuerySet[PayoutLeg]) -> QuerySet[PayoutLeg]:
    """Each leg with `needs_approval`: it is above a cap and waits for a second person at the platform."""
    waiting = Approval.objects.filter(order=OuterRef("order"), state=ApprovalState.WAITING)
    ordered = Q(state__in=[LegState.PLANNED, LegState.ORDERED])
    return legs.annotate(needs_approval=Q(Exists(waiting)) & ordered)


def overdue_since(deadline: Deadline) -> timedelta:
    """How long a deadline has been due; negative while it lies ahead."""
    return clock.now() - deadline.due_at


def published_clocks() -> dict[str, int]:
    """The platform's defaults in seconds, as the rules page shows them."""
    return dict(settings.CLOCKS)
