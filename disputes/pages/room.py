"""What a party reads in the dispute room: what now, who said what, and what was ruled."""

from dataclasses import dataclass, field
from datetime import datetime

from django.urls import reverse

from core import deadlines
from core.models import Deadline
from core.presentation import Action, Banner
from disputes import timing, words
from disputes.models import Dispute, Evidence, Ruling
from disputes.states import BEFORE_REVIEW, LIVE, TAKES_EVIDENCE, DisputeState, RulingState, public_state
from payments.models import Incident, Party, Role, TimeGiven
from payments.pages.access import Visit
from payments.services import incidents, pausing

_OVER = (RulingState.APPROVED, RulingState.FINAL)


@dataclass(frozen=True, slots=True)
class Side:
    """One party's column."""

    party: Party
    is_me: bool
    opened: bool
    done: bool
    items: list[Evidence] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Room:
    """Everything the page shows of one dispute to one party."""

    dispute: Dispute
    word: words.Word
    banner: Banner
    sides: list[Side]
    ruling: Ruling | None
    checklist: tuple[str, ...]
    may_add: bool
    may_finish: bool
    may_withdraw: bool
    late: bool
    live: bool
    incident: Incident | None
    given: list[TimeGiven]


def of(dispute: Dispute, visit: Visit) -> Room:
    """Read one dispute for the visiting party; six queries, whatever the number of items."""
    from disputes.reasons import REASONS

    items = list(dispute.evidence.select_related("author").prefetch_related("files__file"))
    waiting = {row.kind: row for row in deadlines.waiting(dispute.pk)}
    rulings = dispute.rulings.filter(state__in=_OVER)
    ruling = rulings.first()
    mine = dispute.done_at(visit.role)
    before_review = dispute.state in (DisputeState.OPENING, *BEFORE_REVIEW)
    return Room(
        dispute=dispute,
        word=words.for_parties(dispute.state),
        banner=_Banners(dispute, visit, waiting, ruling).now(),
        sides=[_side(dispute, visit, party, items) for party in (visit.buyer, visit.seller)],
        ruling=ruling,
        checklist=REASONS[dispute.reason].checklist,
        may_add=dispute.state in TAKES_EVIDENCE,
        may_finish=before_review and not mine,
        may_withdraw=_may_withdraw(dispute, visit.role),
        late=not before_review,
        live=dispute.state in LIVE,
        incident=incidents.covering(incidents.open_now(), dispute.escrow.network_id)
        if dispute.state in LIVE
        else None,
        given=pausing.given_to(dispute.pk),
    )


def _may_withdraw(dispute: Dispute, role: Role) -> bool:
    own = dispute.opened_by == role and dispute.state in BEFORE_REVIEW
    return own and dispute.withdrawal_ordered_at is None


def _side(dispute: Dispute, visit: Visit, party: Party, items: list[Evidence]) -> Side:
    return Side(
        party=party,
        is_me=party.pk == visit.me.pk,
        opened=party.role == dispute.opened_by,
        done=dispute.done_at(party.role),
        items=[item for item in items if item.role == party.role],
    )


class _Banners:
    """The one sentence that says where the case stands, for each state."""

    def __init__(
        self, dispute: Dispute, visit: Visit, waiting: dict[str, Deadline], ruling: Ruling | None
    ) -> None:
        self.dispute, self.visit, self.waiting, self.ruling = dispute, visit, waiting, ruling
        self.escrow = dispute.escrow
        self.opener = visit.buyer if dispute.opened_by == Role.BUYER else visit.seller
        self.i_opened = self.opener.pk == visit.me.pk

    def now(self) -> Banner:
        if self.dispute.state in BEFORE_REVIEW and self.dispute.withdrawal_ordered_at:
            return Banner(
                f"{self._name(self.opener)} took the dispute back",
                "The chain is about to confirm. Then the deal goes on with the time that was left.",
            )
        return getattr(self, f"_{public_state(self.dispute.state)}")()  # type: ignore[no-any-return]

    def _opening(self) -> Banner:
        return Banner(
            "The dispute is on its way to the chain",
            "Every timer of Holdfast has stopped. The money counts as frozen once the chain has confirmed.",
            tone="risk",
        )

    def _opened(self) -> Banner:
        due = self._due(timing.ANSWER)
        if self.i_opened:
            return Banner(
                f"{self.visit.other.name} has to answer",
                "The money is frozen until this dispute ends.",
                due,
                "If no answer comes, the silence is marked, and the case goes on to evidence.",
            )
        return Banner(
            f"Answer {self.opener.name}’s dispute",
            "The money is frozen. Say what happened from your side; your answer opens the evidence.",
            due,
            "If you say nothing, that is marked, and the case goes on to evidence.",
            tone="act",
            actions=[self._add("Write your answer")],
        )

    def _evidence(self) -> Banner:
        due = self._due(timing.EVIDENCE)
        then = "Then the evidence closes, and an arbitrator reads both sides. Later items are marked late."
        if self.dispute.done_at(self.visit.role):
            title = f"{self.visit.other.name} may still add evidence"
            return Banner(title, "You said that you have nothing more to add.", due, then)
        text = "When both sides have nothing more to add, the review begins at once."
        add = [self._add("Add evidence")]
        return Banner("Send what proves your side", text, due, then, tone="act", actions=add)

    _negotiating = _evidence

    def _under_review(self) -> Banner:
        due = self._due(timing.RULING)
        return Banner(
            "An arbitrator decides",
            "You need not do anything. The ruling comes with written reasons, to both sides at once.",
            due,
            "If it takes longer, a lead arbitrator is alerted. Nothing is ever ruled by a clock.",
        )

    def _ruled(self) -> Banner:
        due = self._due(timing.APPEAL)
        return Banner(
            f"The ruling: {self._split()}",
            "The reasons stand below.",
            due,
            "Then the ruling is final, and the contract pays both parts.",
        )

    def _final(self) -> Banner:
        return Banner(f"Final: {self._split()}", "The seats are signing; the contract pays both parts next.")

    def _executing(self) -> Banner:
        return Banner(f"Being paid out: {self._split()}", "Nothing stands between the ruling and the money.")

    def _executed(self) -> Banner:
        return Banner(f"Paid out: {self._split()}", "This dispute is over.")

    def _withdrawn(self) -> Banner:
        title = f"{self._name(self.opener)} took the dispute back"
        return Banner(title, "The deal goes on with the time that was left.")

    def _closed(self) -> Banner:
        return Banner("This dispute is over", f"It ended because {self.dispute.closed_why}.")

    def _settled(self) -> Banner:
        return Banner("Both sides agreed on a split", "This dispute is over.")

    def _conceded(self) -> Banner:
        return Banner("One side gave in", "This dispute is over.")

    def _split(self) -> str:
        if self.ruling is None:
            return "as ruled"
        seller, buyer = self.ruling.to_seller_money, self.ruling.to_buyer_money
        return f"{seller} to {self.visit.seller.name}, {buyer} to {self.visit.buyer.name}"

    def _due(self, kind: str) -> datetime | None:
        row = self.waiting.get(kind)
        return row.due_at if row else None

    def _name(self, party: Party) -> str:
        return "You" if party.pk == self.visit.me.pk else party.name

    def _add(self, label: str) -> Action:
        url = reverse("disputes:room", args=[self.escrow.deal_id, self.escrow.pk])
        return Action(label, f"{url}#add", go=True)
