"""The cast and a deal at any point of its life, on a real chain."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import factory
import pytest

from accounts.models import User
from core import clock, deadlines, outbox
from core.actors import Actor
from payments.agreement import Agreement, Milestone
from payments.books import reconcile
from payments.models import Deal, Escrow, Party
from payments.services import deals, projection, setup
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

    def duties(self) -> int:
        """One round of everything payments does without a click."""
        return sum((projection.project(self.engine.network), deadlines.run_due(), outbox.drain()))

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

    def balance(self, holder: str) -> int:
        """Base units of the test token that an address holds at the head."""
        from contracts import views

        data = "0x" + views.balance_of(holder).hex()
        return int(self.engine.chain.rpc("eth_call", {"to": self.token.address, "data": data}, "latest"), 16)

    def check_books(self) -> None:
        """Every vault's balance at one final block equals its books; the books balance to zero per token."""
        from django.db.models import Sum

        from payments.models import Entry

        assert reconcile.compare(self.engine.network) == []
        for row in Entry.objects.values("account__token").annotate(total=Sum("amount")):
            assert row["total"] == 0


@pytest.fixture
def desk(engine: Engine, usdt: Any, cast: Cast) -> Any:
    """The desk; at the end of the test the books are compared with the chain."""
    from wallets.services.seats import create_seat

    seats = [create_seat(f"Seat {number}").address for number in range(1, 5)]
    setup.ensure_policy(engine.network, seats=seats, fee_recipient=FEE_ADDRESS)
    found = Desk(engine, usdt, cast)
    yield found
    found.settle()
    found.check_books()
