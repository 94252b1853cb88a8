"""One life as the people live it: they agree, pay, deliver, release, refund, wait, dispute, rule."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from accounts.models import User
from chain.models import Network, Token
from core import clock
from disputes.models import Dispute, Ruling
from disputes.services import evidence, opening, review, rulings
from payments.agreement import Agreement, Milestone
from payments.models import Deal, Escrow, Order, Party, PayoutLeg, RefundRequest
from payments.services import deals, delivery, payouts
from payments.states import TERMINAL, LegState
from tests.soak.clicks import Partner, Tally, Wait, click, look
from tests.soak.people import People
from tests.soak.plan import FOUR_EYES, Life
from tests.soak.wallets import Wallets

# Seconds: how long who never pays, or never looks, is waited for.
PAY_SECONDS, INSPECT_SECONDS = 15, 6
_STORY = "The pages are fine, but the shop is missing altogether."
_REASONS = "The pages are worth this part of the price; the shop was never delivered."


@dataclass
class View:
    """Where everything stands, read in three queries for all lives at once."""

    escrows: dict[str, str] = field(default_factory=dict)
    disputes: dict[str, str] = field(default_factory=dict)
    busy: set[str] = field(default_factory=set)

    def read(self, escrows: list[str]) -> None:
        """Look at these escrows, their disputes, and whether anything of them is under way."""
        rows = Escrow.objects.filter(pk__in=escrows).values_list("pk", "state")
        cases = Dispute.objects.filter(escrow__in=escrows).values_list("pk", "state")
        legs = PayoutLeg.objects.filter(escrow__in=escrows, state__in=["planned", "ordered", "blocked"])
        orders = Order.objects.filter(escrow__in=escrows, state__in=["live", "needs_human"])
        self.escrows, self.disputes = dict(rows), dict(cases)
        self.busy = {*legs.values_list("escrow", flat=True), *orders.values_list("escrow", flat=True)}


@dataclass
class World:
    """What every life shares."""

    network: Network
    token: Token
    people: People
    partner: Partner
    wallets: Wallets
    tally: Tally
    view: View = field(default_factory=View)


class Living:
    """A life that goes on; `story` yields what must come true before the next step."""

    def __init__(self, world: World, life: Life) -> None:
        self.world, self.life = world, life
        self.buyer: User = world.people.buyers[life.buyer]
        self.seller: User = world.people.sellers[life.seller]
        self.escrow: Escrow | None = None

    @property
    def key(self) -> str:
        """What its deal is called, and its requests begin with."""
        return f"life {self.life.number} of {self.world.wallets.plan.seed}"

    def story(self) -> Iterator[Wait]:
        """From the first click to the terminal state with nothing under way."""
        yield from self._opened_by_api() if self.life.by_api else self._agreed_on_pages()
        escrows = Escrow.objects.select_related("deal")
        self.escrow = yield from look(lambda: escrows.get(deal__title=self.key))
        if self.life.payments:
            self.world.wallets.pay(self.life, self.escrow.vault_address)
        if self.life.kind not in ("unpaid", "short"):
            yield self._is("funded")
            yield from self._decided()
        yield self._ended

    def _decided(self) -> Iterator[Wait]:
        how: dict[str, Callable[[], Iterator[Wait]]] = {
            "refunded": partial(self._pay, "refund"),
            "asked": self._asked,
            "parts": self._parts,
            "silent": self._delivered,
            "ruled": self._ruled,
        }
        if self.life.kind in how:
            yield from how[self.life.kind]()
        else:
            yield from self._delivered()
            yield from self._pay("release")

    # ---- agreeing ----

    def _agreed_on_pages(self) -> Iterator[Wait]:
        mine = Deal.objects.filter(title=self.key)
        draft = partial(
            deals.create_draft,
            user=self.seller,
            role="seller",
            agreement=self._agreement(),
            own_address=self._address("seller"),
            counterparty_email=self.buyer.email,
        )
        yield from self._click(draft, mine.exists)
        found = yield from look(mine.get)
        party = yield from look(lambda: found.parties.get(role="seller"))
        propose = partial(deals.propose, deal_id=found.pk, party=party)
        yield from self._click(propose, mine.exclude(state="draft").exists)
        yield from self._click(partial(self._fix_address, found), lambda: False)
        yield from self._accept(found, "buyer", self.buyer)

    def _fix_address(self, deal: Deal) -> None:
        """Safe to repeat until the buyer accepts."""
        party = deals.join(invite_token=deal.parties.get(role="buyer").invite_token, user=self.buyer)
        deals.set_address(deal_id=deal.pk, party=party, address=self._address("buyer"))

    def _opened_by_api(self) -> Iterator[Wait]:
        agreement = self._agreement()
        (milestone,) = agreement.milestones
        body = {
            "title": self.key,
            "description": agreement.description,
            "network": self.world.network.slug,
            "milestones": [
                {
                    "title": milestone.title,
                    "amount": self._decimal(milestone.amount),
                    "deliver_at": milestone.deliver_at.isoformat(),
                }
            ],
            "buyer": {"email": self.buyer.email, "address": self._address("buyer")},
            "seller": {"email": self.seller.email, "address": self._address("seller")},
            "pay_seconds": agreement.pay_seconds,
            "inspect_seconds": agreement.inspect_seconds,
            "external_reference": self.key,
        }
        yield from self._post("deals", body)
        deal = yield from look(lambda: Deal.objects.get(title=self.key))
        for role, user in (("buyer", self.buyer), ("seller", self.seller)):
            yield from self._accept(deal, role, user)

    def _accept(self, deal: Deal, role: str, user: User) -> Iterator[Wait]:
        party = yield from look(lambda: deal.parties.get(role=role))

        def accept() -> None:
            joined = deals.join(invite_token=party.invite_token, user=user)
            version = deals.current_version(deal).hash
            deals.accept(deal_id=deal.pk, party=joined, version_hash=version, delegate=self.life.by_api)

        yield from self._click(accept, lambda: bool(deal.parties.get(role=role).accepted_hash))

    def _agreement(self) -> Agreement:
        clocks = deals.default_clocks()
        if self.life.kind in ("unpaid", "short"):
            clocks["pay_seconds"] = PAY_SECONDS
        if self.life.kind == "silent":
            clocks["inspect_seconds"] = INSPECT_SECONDS
        due = clock.now() + timedelta(days=14)
        return Agreement(
            title=self.key,
            description="Ten pages and a shop with card payments.",
            network=self.world.network.slug,
            token=self.world.token.address,
            milestones=(Milestone(title="All of it", amount=self.life.amount, deliver_at=due),),
            fee_bps=100,
            **clocks,
        )

    # ---- deciding ----

    def _delivered(self) -> Iterator[Wait]:
        act = partial(
            delivery.deliver,
            escrow_id=self._id,
            role="seller",
            acting=deals.person(self.seller),
            note="It is online.",
        )
        yield from self._click(act, lambda: self._state() not in ("funded", "confirming"))

    def _pay(self, verb: str, units: int | None = None) -> Iterator[Wait]:
        """`release` by the buyer or `refund` by the seller, all or `units`, on the page or by the partner."""
        if self.life.by_api:
            body = {} if units is None else {"amount": self._decimal(units)}
            yield from self._post(f"escrows/{self._id}/{verb}", body)
            return
        role, user = ("buyer", self.buyer) if verb == "release" else ("seller", self.seller)
        act: Any = {"release": payouts.release, "refund": payouts.refund}[verb]
        before = yield from look(self._orders)
        order = partial(act, escrow_id=self._id, role=role, acting=deals.person(user), units=units)
        yield from self._click(order, lambda: self._orders() > before)

    def _parts(self) -> Iterator[Wait]:
        """Two releases; the second when the first is final."""
        yield from self._pay("release", self.life.part)
        rest = self.life.amount - self.life.part
        yield lambda: self._id not in self.world.view.busy and self._remainder() == rest
        yield from self._pay("release")

    def _asked(self) -> Iterator[Wait]:
        """The buyer asks for everything back, and the seller agrees."""
        yield from self._delivered()
        requests = RefundRequest.objects.filter(escrow=self._id)
        party = yield from look(lambda: Party.objects.get(deal__title=self.key, role="buyer"))
        ask = partial(
            payouts.ask_refund,
            escrow_id=self._id,
            role="buyer",
            party_id=party.pk,
            reason="It is not what we agreed.",
            acting=deals.person(self.buyer),
        )
        yield from self._click(ask, requests.exists)
        agree = partial(
            payouts.answer_refund,
            escrow_id=self._id,
            role="seller",
            accept=True,
            answer="",
            acting=deals.person(self.seller),
        )
        yield from self._click(agree, requests.filter(state="accepted").exists)

    # ---- disputing ----

    def _ruled(self) -> Iterator[Wait]:
        """The buyer disputes; an arbitrator splits, and above the four-eyes amount a lead approves."""
        yield from self._delivered()
        yield from self._disputed()
        case = yield from look(lambda: Dispute.objects.get(escrow=self._id))
        yield lambda: self.world.view.disputes.get(case.pk, "opening") != "opening"
        for role, user in (("seller", self.seller), ("buyer", self.buyer)):
            close = partial(evidence.nothing_more, dispute_id=case.pk, role=role, acting=deals.person(user))
            yield from self._click(close, lambda role=role: self._case(case).done_at(role) is not None)
        yield lambda: self.world.view.disputes.get(case.pk) == "under_review"
        yield from self._rule(case)

    def _disputed(self) -> Iterator[Wait]:
        if self.life.by_api:
            body = {"role": "buyer", "reason": "incomplete", "text": _STORY}
            yield from self._post(f"escrows/{self._id}/dispute", body)
            return
        act = partial(
            opening.open_dispute,
            escrow_id=self._id,
            role="buyer",
            reason="incomplete",
            text=_STORY,
            acting=deals.person(self.buyer),
            user=self.buyer,
        )
        yield from self._click(act, Dispute.objects.filter(escrow=self._id).exists)

    def _rule(self, case: Dispute) -> Iterator[Wait]:
        people = self.world.people
        person = people.arbitrators[self.life.number % len(people.arbitrators)]
        claim = partial(review.claim, dispute_id=case.pk, person=person)
        yield from self._click(claim, lambda: self._case(case).arbitrator_id == person.pk)
        propose = partial(
            rulings.propose,
            dispute_id=case.pk,
            to_seller=self.life.part,
            to_buyer=self.life.amount - self.life.part,
            reasons=_REASONS,
            person=person,
        )
        written = Ruling.objects.filter(dispute=case.pk)
        yield from self._click(propose, written.exists)
        if self.life.amount >= FOUR_EYES:
            ruling = yield from look(written.get)
            approve = partial(
                rulings.approve,
                ruling_id=ruling.pk,
                typed_amount=self._decimal(self.life.amount),
                person=people.lead,
            )
            yield from self._click(approve, written.exclude(state="proposed").exists)

    # ---- small things ----

    @property
    def _id(self) -> str:
        assert self.escrow is not None
        return self.escrow.pk

    def _is(self, state: str) -> Wait:
        return lambda: self.world.view.escrows.get(self._id) == state

    def _ended(self) -> bool:
        view = self.world.view
        ended = view.escrows.get(self._id) in TERMINAL and self._id not in view.busy
        return ended and (self.life.kind != "short" or self._returned())

    def _returned(self) -> bool:
        """An escrow that was not paid in full expires first, and gives back what came some time after."""
        return PayoutLeg.objects.filter(escrow=self._id, state=LegState.PAID).exists()

    def _state(self) -> str:
        return str(Escrow.objects.values_list("state", flat=True).get(pk=self._id))

    def _remainder(self) -> int:
        return int(Escrow.objects.values_list("remainder", flat=True).get(pk=self._id))

    def _orders(self) -> int:
        return Order.objects.filter(escrow=self._id, kind="pay").count()

    def _case(self, case: Dispute) -> Dispute:
        return Dispute.objects.get(pk=case.pk)

    def _address(self, role: str) -> str:
        return self.world.wallets.address(self.life, role)

    def _decimal(self, units: int) -> str:
        return f"{units // 10**6}.{units % 10**6:06d}"

    def _click(self, do: Callable[[], Any], done: Callable[[], bool]) -> Iterator[Wait]:
        return click(self.world.tally, do, done)

    def _post(self, path: str, body: dict[str, Any]) -> Iterator[Wait]:
        # One key for one wish: the two releases of one escrow differ by their amount.
        key = f"{self.key}: {path} {body.get('amount', '')}".strip()
        return self.world.partner.post(path, body, key)
