"""The cast and a deal at any point of its life, on a real chain."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import factory
import pytest

from accounts.models import User
from chain.services.sweep import sweep
from contracts.artifacts import ESCROW_ADDRESS
from contracts.terms import Terms
from core import clock, deadlines, outbox
from core.actors import Actor
from payments.agreement import Agreement, Milestone
from payments.books import reconcile
from payments.models import Deal, Escrow, Order, Party
from payments.services import chain_terms, deals, incidents, projection, setup
from tests.chain.fixtures import USDT, Engine

__all__ = ["Cast", "Desk", "UserFactory", "cast", "desk"]

BUYER_ADDRESS = "0x10000000000000000000000000000000B0B00001"
SELLER_ADDRESS = "0x10000000000000000000000000000000A11CE002"
FEE_ADDRESS = "0x10000000000000000000000000000000FEE00003"


class UserFactory(factory.django.DjangoModelFactory[User]):
    """A person with a name, an address and the password `correct horse`."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda number: f"person{number}@example.org")
    password = factory.django.Password("correct horse")


@dataclass
class Cast:
    """Everybody who appears in a test."""

    buyer: User
    seller: User
    stranger: User


def actor(user: User) -> Actor:
    return deals.person(user)


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    return Cast(*(UserFactory(email=f"{name}@example.org", display_name=name.title()) for name in
                  ("buyer", "seller", "stranger")))  # fmt: skip


@dataclass
class Desk:
    """Deals on the test chain, driven by hand; the engine's sweep and payments' duties in one `settle`."""

    engine: Engine
    token: Any
    cast: Cast
    _time: ExitStack = field(default_factory=ExitStack)

    def duties(self) -> int:
        """One round of everything payments does without a click."""
        work = (
            projection.project(self.engine.network),
            deadlines.run_due(),
            incidents.carry_on(),
            outbox.drain(),
        )
        return sum(work)

    def settle(self) -> None:
        """Until nothing is under way on the chain or in the tables."""
        self.engine.settle(also=self.duties)

    def agreement(self, *amounts: int, **changes: Any) -> Agreement:
        milestones = tuple(
            Milestone(title=f"Part {place}", amount=units, deliver_at=clock.now() + timedelta(days=14))
            for place, units in enumerate(amounts or (250 * USDT,), start=1)
        )
        facts: dict[str, Any] = {
            "title": "A website",
            "description": "A website with three pages, as agreed in our call.",
            "network": self.engine.network.slug,
            "token": self.token.address,
            "milestones": milestones,
            "fee_bps": 100,
            **deals.default_clocks(),
        }
        return Agreement(**(facts | changes))

    def proposed(self, *amounts: int, **changes: Any) -> Deal:
        deal = deals.create_draft(
            user=self.cast.seller,
            role="seller",
            agreement=self.agreement(*amounts, **changes),
            own_address=SELLER_ADDRESS,
            counterparty_email=self.cast.buyer.email,
        )
        return deals.propose(deal_id=deal.pk, party=deal.parties.get(role="seller"))

    def agreed(self, *amounts: int, **changes: Any) -> Deal:
        deal = self.proposed(*amounts, **changes)
        party = deals.join(invite_token=self.party(deal, "buyer").invite_token, user=self.cast.buyer)
        deals.set_address(deal_id=deal.pk, party=party, address=BUYER_ADDRESS)
        return deals.accept(deal_id=deal.pk, party=party, version_hash=deals.current_version(deal).hash)

    def party(self, deal: Deal, role: str) -> Party:
        return deal.parties.get(role=role)

    def pay(self, escrow: Escrow, units: int | None = None) -> str:
        return self.engine.chain.pay(escrow.vault_address, escrow.amount if units is None else units)

    def funded(self, *amounts: int, **changes: Any) -> Escrow:
        escrow = self.agreed(*amounts, **changes).escrows.first()
        assert escrow is not None
        self.pay(escrow)
        self.settle()
        escrow.refresh_from_db()
        assert escrow.state == "funded", escrow.state
        return escrow

    def travel(self, by: timedelta) -> None:
        """Everything comes to rest, then time passes for the platform and for the chain."""
        self.settle()
        self._time.enter_context(clock.travelled(by))
        self.engine.chain.travel(int(by.total_seconds()))
        self.settle()

    def platform_travels(self, by: timedelta) -> None:
        """Time passes for the platform alone."""
        self._time.enter_context(clock.travelled(by))

    def until(self, holds: Callable[[], bool], rounds: int = 80) -> None:
        """Two minutes for the platform and a block for the chain at a time, until something holds."""
        for _ in range(rounds):
            if holds():
                return
            self.platform_travels(timedelta(minutes=2))
            self.engine.chain.mine()
            sweep(self.engine.network)
            self.duties()
        raise AssertionError("it never came to that")

    def back_to_now(self) -> None:
        """The end of the test's own time."""
        self._time.close()

    def as_party(self, address: str, data: bytes, to: str = ESCROW_ADDRESS) -> str:
        """A transaction that somebody sends with a wallet of their own; stays in the pool until mined."""
        chain = self.engine.chain
        chain.rpc("anvil_impersonateAccount", address)
        chain.rpc("anvil_setBalance", address, hex(10**20))
        return chain.send(to, data, sender=address)

    def terms(self, escrow: Escrow) -> Terms:
        """The escrow's terms as the chain wants them."""
        return chain_terms.of(escrow)

    def fresh(self, escrow: Escrow) -> Escrow:
        """The escrow as it is stored now."""
        return Escrow.objects.select_related("deal", "network", "token__network").get(pk=escrow.pk)

    def state(self, row: Escrow | Deal | Order) -> str:
        """Where something stands now."""
        return str(type(row).objects.values_list("state", flat=True).get(pk=row.pk))

    def legs(self, escrow: Escrow) -> list[tuple[str, int, str]]:
        """(kind, base units, state) of the legs that were not superseded, in order."""
        rows = escrow.legs.exclude(state="superseded").order_by("created", "id")
        return sorted((leg.kind, leg.amount, leg.state) for leg in rows)

    def events(self, row: Escrow | Deal) -> list[str]:
        """Types of what was told to the outside about this escrow or deal, in order."""
        from core.models import OutboxEvent

        rows = OutboxEvent.objects.filter(subject_id=row.pk)
        return list(rows.order_by("sequence").values_list("type", flat=True))

    def balance(self, holder: str, token: str = "") -> int:
        """Base units of a token (the test USDT unless told) that an address holds at the head."""
        from contracts import views

        request = {"to": token or self.token.address, "data": "0x" + views.balance_of(holder).hex()}
        return int(self.engine.chain.rpc("eth_call", request, "latest"), 16)

    def check_books(self) -> None:
        """Every vault's balance at one final block equals its books; the books balance to zero per token."""
        from django.db.models import Sum

        from payments.models import Entry

        assert reconcile.compare(self.engine.network) == []
        for row in Entry.objects.values("account__token").annotate(total=Sum("amount")):
            assert row["total"] == 0


@pytest.fixture
def desk(engine: Engine, usdt: Any, cast: Cast) -> Iterator[Desk]:
    """The desk; at the end of the test the books are compared with the chain."""
    from wallets.services import gates, seats

    gate_cold, seat_cold = engine.chain.accounts[-1], engine.chain.accounts[-2]
    gates.ensure_gate(engine.network, cold=gate_cold)
    named = [seat.address for seat in seats.ensure_seats(engine.network, cold=seat_cold)]
    setup.ensure_policy(engine.network, seats=named, fee_recipient=FEE_ADDRESS)
    found = Desk(engine, usdt, cast)
    yield found
    try:
        found.settle()
        found.check_books()
    finally:
        found.back_to_now()
