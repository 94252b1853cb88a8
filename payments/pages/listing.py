"""The list of my deals, and the difference between two versions of one."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import BooleanField, Case, Exists, F, OuterRef, Q, QuerySet, Value, When

from accounts.models import User
from chain.models import Token
from core.models import Deadline
from core.money import Amount
from core.presentation import Shape
from payments.agreement import Agreement
from payments.models import Deal, Escrow, Party, RefundRequest, Role
from payments.pages import situation, whatnow, words
from payments.pages.rules import length
from payments.services.deals import ACCEPT
from payments.states import TERMINAL, DealState, EscrowState

_BUYERS_MOVE = [EscrowState.AWAITING_DEPOSIT, EscrowState.DELIVERED, EscrowState.DISPUTED]
_SELLERS_MOVE = [EscrowState.FUNDED, EscrowState.DISPUTED]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the list: whose move it is, in a sentence, and by when."""

    deal: Deal
    role: Role
    other: str
    word: str
    shape: Shape
    total: Amount | None
    sentence: str
    needs_me: bool
    due: datetime | None


def of(user: User) -> QuerySet[Deal]:
    """Every deal of a person: what waits for them first, then the newest."""
    mine = Party.objects.filter(deal=OuterRef("pk"), user=user)
    escrows = Escrow.objects.filter(deal=OuterRef("pk"))
    asked = RefundRequest.objects.filter(escrow__deal=OuterRef("pk"), state=RefundRequest.State.ASKED)
    buying, selling = Exists(mine.filter(role=Role.BUYER)), Exists(mine.filter(role=Role.SELLER))
    late = Exists(escrows.filter(state=EscrowState.FUNDED, take_back_open=True))
    needs_me = (
        Q(state=DealState.DRAFT)
        | (Q(state=DealState.PROPOSED) & Exists(mine.filter(Q(role=OuterRef("turn")), accepted_hash="")))
        | (Q(buying) & (Q(Exists(escrows.filter(state__in=_BUYERS_MOVE))) | Q(late)))
        | (Q(selling) & (Q(Exists(escrows.filter(state__in=_SELLERS_MOVE))) | Q(Exists(asked))))
    )
    hidden = Q(state=DealState.DRAFT) & ~Exists(mine.filter(role=OuterRef("proposer")))
    return (
        Deal.objects.filter(Exists(mine))
        .exclude(hidden)
        .annotate(
            needs_me=Case(When(needs_me, then=Value(True)), default=Value(False), output_field=BooleanField())
        )
        .select_related("token__network")
        .order_by(F("needs_me").desc(), "-created", "-pk")
    )


def entries(user: User, deals: Iterable[Any]) -> list[Entry]:
    """The lines of one page of the list, with a constant number of queries."""
    shown = list(deals)
    ids = [deal.pk for deal in shown]
    role_of, other_of = {}, {}
    for party in Party.objects.filter(deal__in=ids).select_related("user"):
        if party.user_id == user.pk:
            role_of[party.deal_id] = Role(party.role)
        else:
            other_of[party.deal_id] = party.name
    escrows = Escrow.objects.filter(deal__in=ids).select_related("token__network")
    by_deal: dict[str, list[situation.Situation]] = defaultdict(list)
    for now in situation.read(escrows, role_of, other_of):
        by_deal[now.escrow.deal_id].append(now)
    answers = Deadline.objects.filter(subject_id__in=ids, kind=ACCEPT, state=Deadline.State.WAITING)
    due = dict(answers.values_list("subject_id", "due_at"))
    return [
        _entry(deal, role_of[deal.pk], other_of.get(deal.pk, ""), by_deal[deal.pk], due.get(deal.pk))
        for deal in shown
    ]


def _entry(
    deal: Any, role: Role, other: str, standing: list[situation.Situation], due: datetime | None
) -> Entry:
    word, shape = words.DEAL[deal.state]
    sentence, by = _before_agreement(deal, role, other), due
    open_ones = [now for now in standing if now.escrow.state not in TERMINAL]
    if standing:
        now = (open_ones or standing)[0]
        banners = [(item, whatnow.for_escrow(item)) for item in open_ones] or [(now, whatnow.for_escrow(now))]
        now, banner = next((pair for pair in banners if pair[1].tone != "wait"), banners[0])
        sentence, by = banner.title, banner.deadline
        word, shape = words.ESCROW[now.escrow.state] if len(standing) == 1 else (word, shape)
    total = deal.total_money or None
    return Entry(deal, role, other, word, shape, total, sentence, deal.needs_me, by)


def _before_agreement(deal: Deal, role: Role, other: str) -> str:
    if deal.state == DealState.DRAFT:
        return "Only you see this draft. Go on writing, then send it."
    if deal.state == DealState.PROPOSED:
        return f"{other} waits for your answer." if deal.turn == role else f"{other} has to answer."
    return {DealState.CANCELLED: "Cancelled.", DealState.EXPIRED: "Nobody answered in time."}.get(
        deal.state, ""
    )


def differences(before: Agreement, after: Agreement, token: Token) -> list[dict[str, Any]]:
    """What changed from one version to the next, each with the old and the new text."""
    old, new = _lines(before, token), _lines(after, token)
    return [
        {"what": name, "old": old.get(name, ""), "new": new.get(name, "")}
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    ]


def _lines(agreement: Agreement, token: Token) -> dict[str, str]:
    lines = {
        "Title": agreement.title,
        "What is delivered": agreement.description,
        "The fee is paid by": f"the {agreement.fee_payer}",
        "Time to pay": length(agreement.pay_seconds),
        "Time to inspect": length(agreement.inspect_seconds),
        "Files": ", ".join(file.name for file in agreement.files),
    }
    for place, milestone in enumerate(agreement.milestones, start=1):
        amount = agreement.price(milestone, token)
        when = f"{milestone.deliver_at:%d %B %Y %H:%M} UTC"
        lines[f"Milestone {place}"] = f"{milestone.title}: {amount} by {when}"
    return lines
