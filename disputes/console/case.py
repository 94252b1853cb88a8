"""The case page: what is fixed, what both sides say, what this person may do now."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts.models import User
from core import deadlines
from core.errors import DomainError
from core.models import AuditEntry
from core.money import Amount
from core.presentation import Shape, TimelineItem
from core.transitions import history
from disputes import legs, reasons, timing, words
from disputes.console.forms import ApprovalForm, AssignForm, RefusalForm, RulingForm
from disputes.models import Dispute, Evidence, Ruling
from disputes.services import base, review, rulings
from disputes.services.seen import of_case
from disputes.states import DisputeState, RulingState
from payments import movements
from payments.models import Escrow, LegKind, Party

_WAITS = {
    timing.ANSWER: "The other side answers; silence is marked and the evidence opens",
    timing.EVIDENCE: "Evidence closes; later items are marked late",
    timing.FIRST_ACTION: "Somebody takes the case; else the lead is alerted",
    timing.RULING: "A ruling; else the lead is alerted",
    timing.APPEAL: "The ruling becomes final and is paid out",
}
_TRAIL = 60


@dataclass(frozen=True, slots=True)
class Side:
    """One party's column of evidence."""

    party: Party
    opened: bool
    done: bool
    items: list[Evidence]


@dataclass(frozen=True, slots=True)
class Wait:
    """A deadline, what happens then, and when anyone can act without the platform."""

    what: str
    at: datetime
    backstop: datetime | None


@dataclass(frozen=True, slots=True)
class Shown:
    """A ruling with its amounts."""

    ruling: Ruling
    split: legs.Split
    word: str


def context(
    dispute: Dispute, person: User, *, written: Mapping[str, dict[str, Any]], **forms: Any
) -> dict[str, Any]:
    """Everything the page shows. `forms` replace the empty ones after a refusal; `written` is what
    was kept of a form that could not be taken."""
    escrow = dispute.escrow
    allowed = permitted(dispute, person)
    parties = {party.role: party for party in escrow.deal.parties.select_related("user")}
    items = list(dispute.evidence.prefetch_related("files__file"))
    decided = dispute.rulings.select_related("author", "approver").exclude(state=RulingState.PROPOSED)
    proposal = dispute.rulings.select_related("author").filter(state=RulingState.PROPOSED).first()
    return {
        "dispute": dispute,
        "escrow": escrow,
        "deal": escrow.deal,
        "word": words.DISPUTE[dispute.state],
        "parties": parties,
        "sides": [_side(dispute, parties[role], items) for role in ("buyer", "seller")],
        "amounts": _amounts(dispute),
        "waits": _waits(dispute),
        "facts": movements.in_order(escrow.network, _facts(escrow, parties)),
        "deliveries": escrow.deliveries.prefetch_related("files__file"),
        "rulings": [_shown(escrow, ruling) for ruling in decided],
        "proposal": proposal and _shown(escrow, proposal),
        "second_person_barred": why_not_second(dispute, proposal, person),
        "checklist": reasons.REASONS[dispute.reason].checklist,
        "trail": AuditEntry.objects.filter(subject_id=dispute.pk).order_by("-id")[:_TRAIL],
        "steps": history(dispute),
        "may": allowed,
        "seen": of_case(dispute),
        "ruling_form": forms.get("ruling") or RulingForm(escrow=escrow, initial=written["rule"]),
        "approval_form": forms.get("approval") or ApprovalForm(user=person),
        "refusal_form": forms.get("refusal") or RefusalForm(initial=written["refuse"]),
        "assign_form": forms.get("assign") or AssignForm(),
    }


def permitted(dispute: Dispute, person: User) -> set[str]:
    """What this person may do with the case now: claim, release, conflict, assign, rule, decide."""
    mine = dispute.arbitrator_id == person.pk
    assignable = dispute.state in review.ASSIGNABLE
    proposed = dispute.state == DisputeState.RULING_PROPOSED
    found = set()
    if _has(dispute, person, "claim_dispute"):
        if assignable and dispute.arbitrator_id is None:
            found.add("claim")
        if mine and assignable and not proposed:
            found.add("release")
        if assignable and not (mine and proposed):
            found.add("conflict")
    if assignable and not proposed and _has(dispute, person, "assign_dispute"):
        found.add("assign")
    reviewing = dispute.state == DisputeState.UNDER_REVIEW and dispute.withdrawal_ordered_at is None
    if mine and reviewing and _has(dispute, person, "rule_dispute"):
        found.add("rule")
    return found


def why_not_second(dispute: Dispute, proposal: Ruling | None, person: User) -> str:
    """Empty when this person may approve or refuse the waiting ruling, else the reason why not."""
    if proposal is None:
        return "No ruling waits."
    try:
        rulings.check_second_person(dispute, proposal, person)
    except DomainError as refused:
        return refused.message
    return ""


def _has(dispute: Dispute, person: User, permission: str) -> bool:
    try:
        base.require(person, permission, dispute)
    except DomainError:
        return False
    return True


def _side(dispute: Dispute, party: Party, items: list[Evidence]) -> Side:
    own = [item for item in items if item.role == party.role]
    return Side(party, party.role == dispute.opened_by, dispute.done_at(party.role), own)


def _amounts(dispute: Dispute) -> dict[str, Amount]:
    escrow = dispute.escrow
    return {
        "escrow": escrow.money,
        "disputed": dispute.at_stake,
        "left": escrow.remainder_money,
        "seller": escrow.decided_seller_money,
        "buyer": escrow.decided_buyer_money,
    }


def _waits(dispute: Dispute) -> list[Wait]:
    return [
        Wait(_WAITS.get(row.kind, row.kind), row.due_at, row.backstop_at)
        for row in deadlines.waiting(dispute.pk)
    ]


def _shown(escrow: Escrow, ruling: Ruling) -> Shown:
    return Shown(
        ruling, legs.of(escrow, ruling.to_seller_money, ruling.to_buyer_money), words.RULING[ruling.state]
    )


def _facts(escrow: Escrow, parties: dict[str, Party]) -> Iterator[TimelineItem]:
    """What the platform knows by itself, so that nobody must prove it."""
    if escrow.deal.agreed_at:
        yield TimelineItem("Both agreed on the terms", at=escrow.deal.agreed_at)
    moved = movements.of(escrow)
    for item in moved.movements:
        title = "A payment arrived" if item.kind == movements.DEPOSIT else LegKind(item.kind).label
        yield TimelineItem(title, at=item.place.at, amount=item.amount, tx_hash=item.tx_hash)
    for small in moved.small:
        yield TimelineItem(str(small), at=small.last, amount=small.amount)
    for delivery in escrow.deliveries.all():
        yield TimelineItem(f"{parties['seller'].name} delivered", at=delivery.created)
    for step in history(escrow).exclude(target__in=["planned", "confirming"]):
        shape: Shape = "risk" if step.target in ("disputing", "disputed") else "done"
        title = f"Escrow: {step.target.replace('_', ' ')}"
        yield TimelineItem(title, shape, at=step.created, text=step.why, tx_hash=step.tx_hash)
