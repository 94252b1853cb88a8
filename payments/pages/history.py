"""The timeline of an escrow: what happened, who did it, how much, in which transaction, and what waits."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from core.models import OutboxEvent, StateTransition
from core.money import Unit, total
from core.presentation import Shape, TimelineItem
from core.transitions import history
from payments import movements
from payments.models import Delivery, LegKind, Order, OrderKind, PayoutLeg, RefundRequest
from payments.movements import Movement, Small
from payments.pages.access import Visit
from payments.pages.situation import Situation
from payments.services import clocks
from payments.states import EscrowState, LegState, OrderState

_FLAGS = {
    "under": "less than agreed",
    "over": "more than agreed; what is over goes back",
    "late": "after the pay-by date",
    "extra": "not needed any more; it goes back",
    "wrong_token": "another token; it goes back",
}
_WAITS: dict[str, tuple[str, Shape]] = {
    clocks.PAY: ("{buyer} pays", "waiting"),
    clocks.DELIVER: ("{seller} delivers", "waiting"),
    clocks.UNDELIVERED: ("Everything goes back to {buyer} unless delivered", "back"),
    clocks.INSPECT: ("Released to {seller} unless {buyer} objects", "waiting"),
    clocks.ANSWER_REFUND: ("{seller} answers the refund request", "waiting"),
    clocks.FALLBACK: ("The split that the terms name is paid unless a ruling comes", "waiting"),
    clocks.LATE_MONEY: ("Late money goes back to {buyer}", "back"),
}


# So many payments are told one by one.
_SHOWN = 20

# Beside its state: a clock that was moved, a round that was appealed.
_TOLD_FIELDS = ("state", "clock", "round")


class Teller:
    """Tells the story of one escrow to one of its sides: that side is “you”."""

    def __init__(self, visit: Visit, now: Situation) -> None:
        self.visit, self.now, self.escrow = visit, now, now.escrow
        self.explorer = now.escrow.network.explorer_url.rstrip("/")

    def tell(self) -> list[TimelineItem]:
        """What happened, oldest first, then what waits."""
        return [*movements.in_order(self.escrow.network, self._past()), *self._future()]

    def _past(self) -> Iterator[TimelineItem]:
        deal = self.visit.deal
        if deal.agreed_at:
            yield TimelineItem("Both agreed on the terms", at=deal.agreed_at)
        moved = movements.of(self.escrow)
        yield from self._deposits([item for item in moved.movements if item.kind == movements.DEPOSIT])
        yield from self._small(moved.small)
        yield from self._deliveries(self.escrow.deliveries.prefetch_related("files"))
        yield from self._changes()
        yield from self._requests(self.escrow.refund_requests.all())
        yield from self._orders(self.escrow.orders.select_related("call"))
        yield from self._paid(item for item in moved.movements if item.kind != movements.DEPOSIT)
        yield from self._blocked(
            self.escrow.legs.filter(state=LegState.BLOCKED).select_related("token__network")
        )
        yield from self._states(history(self.escrow))

    def _deposits(self, deposits: Sequence[Movement]) -> Iterator[TimelineItem]:
        """The newest one by one; a flood of earlier ones in one line for each token."""
        earlier: dict[Unit, list[Movement]] = defaultdict(list)
        for deposit in deposits[:-_SHOWN]:
            earlier[deposit.amount.unit].append(deposit)
        for unit, folded in earlier.items():
            amount = total((item.amount for item in folded), unit)
            title = f"{len(folded):,} earlier payments"
            yield TimelineItem(title, at=folded[-1].place.at, text="Each is on the receipt", amount=amount)
        for deposit in deposits[-_SHOWN:]:
            flags = [_FLAGS[flag] for flag in deposit.flags if flag in _FLAGS]
            if deposit.transfers > 1:
                flags.insert(0, f"{deposit.transfers:,} transfers in one transaction")
            yield TimelineItem(
                "A payment arrived",
                shape="risk" if "wrong_token" in deposit.flags else "done",
                at=deposit.place.at,
                text="; ".join(flags).capitalize(),
                amount=deposit.amount,
                tx_hash=deposit.tx_hash,
                tx_url=self._url(deposit.tx_hash),
            )

    def _small(self, found: Iterable[Small]) -> Iterator[TimelineItem]:
        """Anybody can send next to nothing, as often as they like: one line for all of it."""
        for small in found:
            text = "Too little to do anything with by itself; it counts once it adds up"
            yield TimelineItem(str(small), at=small.last, text=text, amount=small.amount)

    def _deliveries(self, deliveries: Iterable[Delivery]) -> Iterator[TimelineItem]:
        for delivery in deliveries:
            count = len(delivery.files.all())
            files = f"{count} file{'' if count == 1 else 's'}" if count else ""
            text = "; ".join(part for part in (_short(delivery.note), files) if part)
            yield TimelineItem(f"{self._you(self.now.seller)} delivered", at=delivery.created, text=text)

    def _changes(self) -> Iterator[TimelineItem]:
        events = OutboxEvent.objects.filter(subject_id=self.escrow.pk, type="escrow.changes_requested")
        for event in events:
            text = _short(str(event.payload.get("note", "")))
            yield TimelineItem(f"{self._you(self.now.buyer)} asked for changes", at=event.created, text=text)

    def _requests(self, requests: Iterable[RefundRequest]) -> Iterator[TimelineItem]:
        for request in requests:
            title = f"{self._you(self.now.buyer)} asked for everything back"
            yield TimelineItem(title, at=request.created, text=_short(request.reason))
            if request.answered_at and request.state != RefundRequest.State.CLOSED:
                verdict = {"accepted": "agreed", "declined": "declined", "silent": "did not answer"}
                title = f"{self._you(self.now.seller)} {verdict[request.state]}"
                yield TimelineItem(title, at=request.answered_at, text=_short(request.answer))

    def _orders(self, orders: Iterable[Order]) -> Iterator[TimelineItem]:
        names = {OrderKind.PAY: "ordered", OrderKind.RULE: "The ruling is final and ordered"}
        for order in orders:
            if order.kind not in names or order.state == OrderState.SUPERSEDED:
                continue
            live = order.state in (OrderState.LIVE, OrderState.NEEDS_HUMAN)
            title = "Release ordered" if order.to_seller and not order.to_buyer else "Refund ordered"
            if order.kind == OrderKind.RULE:
                title = names[OrderKind.RULE]
            text = order.reason.capitalize() if order.kind == OrderKind.PAY else ""
            waits = self.now.approval is not None and self.now.approval.subject_id == order.pk
            if waits:
                text += ". A second person at Holdfast has to approve it"
            yield TimelineItem(
                title,
                shape="waiting" if waits else "moving" if live else "done",
                at=order.created,
                text=text,
                amount=order.to_seller_money + order.to_buyer_money,
            )

    def _blocked(self, legs: Iterable[PayoutLeg]) -> Iterator[TimelineItem]:
        for leg in legs:
            yield TimelineItem(
                "The token refused a payment; it waits and can be tried again",
                shape="risk",
                at=leg.created,
                amount=leg.money,
            )

    def _paid(self, payouts: Iterable[Movement]) -> Iterator[TimelineItem]:
        titles = {
            LegKind.RELEASE: f"{self._was(self.now.seller)} paid",
            LegKind.REFUND: f"{self._was(self.now.buyer)} refunded",
            LegKind.FEE: "The fee was paid",
            LegKind.SURPLUS: f"The surplus went back to {self.now.buyer}",
        }
        for payout in payouts:
            yield TimelineItem(
                titles[LegKind(payout.kind)],
                shape="back" if payout.kind in (LegKind.REFUND, LegKind.SURPLUS) else "done",
                at=payout.place.at,
                amount=payout.amount,
                tx_hash=payout.tx_hash,
                tx_url=self._url(payout.tx_hash),
            )

    def _states(self, transitions: Iterable[StateTransition]) -> Iterator[TimelineItem]:
        told: dict[str, tuple[str, Shape]] = {
            EscrowState.AWAITING_DEPOSIT: ("The escrow opened", "done"),
            EscrowState.FUNDED: ("Funded: the money is in escrow", "held"),
            EscrowState.DISPUTING: ("Disputed; every timer stopped", "risk"),
            EscrowState.DISPUTED: ("The contract froze the money", "risk"),
            EscrowState.EXPIRED: ("Expired: not paid in time", "ended"),
            EscrowState.CANCELLED: ("Cancelled", "ended"),
            "extended": ("More time: the contract’s clock was moved", "done"),
            "appealed": ("Appealed: seats have to sign anew", "risk"),
        }
        reversed_from = (EscrowState.CONFIRMING, EscrowState.AWAITING_DEPOSIT)
        for step in transitions:
            if step.field not in _TOLD_FIELDS or step.target not in told:
                continue
            title, shape = told[step.target]
            if (step.source, step.target) == reversed_from:
                title, shape = "The network reversed a payment", "risk"
            elif step.target == EscrowState.FUNDED and step.source == EscrowState.DELIVERED:
                continue
            elif step.target == EscrowState.DISPUTED and step.source == EscrowState.SETTLING:
                title = told["appealed"][0]
            elif step.target == EscrowState.FUNDED and step.source == EscrowState.EXPIRED:
                title = "Revived by both sides: the money is in escrow"
            elif step.target == EscrowState.FUNDED and step.source in ("disputing", "disputed"):
                title = "The dispute ended; the timers run again"
            yield TimelineItem(
                title,
                shape=shape,
                at=step.created,
                who=self._who(step),
                tx_hash=step.tx_hash,
                tx_url=self._url(step.tx_hash),
            )

    def _future(self) -> Iterator[TimelineItem]:
        words = {"buyer": self.now.buyer, "seller": self.now.seller}
        for kind, wait in sorted(self.now.waits.items(), key=lambda pair: pair[1].due_at):
            if kind in _WAITS:
                title, shape = _WAITS[kind]
                sentence = (
                    title.format(**words)
                    .replace("you pays", "you pay")
                    .replace("you delivers", "you deliver")
                )
                sentence = sentence.replace("you answers", "you answer").replace("you objects", "you object")
                shown: Shape = "back" if shape == "back" else "waiting"
                yield TimelineItem(_capital(sentence), shape=shown, deadline=wait.due_at)

    def _who(self, step: StateTransition) -> str:
        for party in (self.visit.me, self.visit.other):
            if step.actor_id in (party.user_id, party.pk):
                return "by you" if party is self.visit.me else f"by {party.name}"
        return "by the deadline" if step.actor_kind == "clock" else ""

    def _url(self, tx_hash: str) -> str:
        return f"{self.explorer}/tx/{tx_hash}" if self.explorer and tx_hash else ""

    @staticmethod
    def _you(name: str) -> str:
        return _capital(name)

    @staticmethod
    def _was(name: str) -> str:
        return "You were" if name == "you" else f"{name} was"


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _short(text: str) -> str:
    """One line of a longer text, without its markdown."""
    plain = " ".join(re.sub(r"[*_`#>]", "", text).split())
    return plain if len(plain) <= 160 else plain[:159].rstrip() + "…"
