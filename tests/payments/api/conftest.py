"""A partner beside the cast, and deals that it opened."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import caches
from rest_framework.test import APIClient

from core import clock
from core.actors import SYSTEM
from partners.models import Partner, Scope
from partners.services.accounts import create_partner
from partners.services.keys import create_key
from payments.models import Deal, Escrow
from payments.services import deals
from tests.payments.fixtures import BUYER_ADDRESS, SELLER_ADDRESS, Desk, UserFactory

_numbers = itertools.count(1)


@dataclass
class Market:
    """A partner with its client; `post` sends a fresh idempotency key."""

    partner: Partner
    desk: Desk
    client: APIClient
    mail: dict[str, str] = field(default_factory=dict)

    def get(self, address: str, **query: Any) -> Any:
        return self.client.get(f"/api/v1/{address}", query)

    def post(self, address: str, body: dict[str, Any] | None = None, **headers: Any) -> Any:
        headers = {"HTTP_IDEMPOTENCY_KEY": f"key-{next(_numbers)}"} | headers
        return self.client.post(f"/api/v1/{address}", body or {}, **headers)

    def wish(self, **changes: Any) -> dict[str, Any]:
        body = {
            "title": "A website",
            "description": "A website with three pages, as agreed.",
            "network": self.desk.engine.network.slug,
            "milestones": [
                {
                    "title": "All of it",
                    "amount": "250.00",
                    "deliver_at": (clock.now() + timedelta(days=14)).isoformat(),
                }
            ],
            "buyer": {"email": self.desk.cast.buyer.email, "address": BUYER_ADDRESS},
            "seller": {"email": self.desk.cast.seller.email, "address": SELLER_ADDRESS},
        }
        return body | changes

    def opened(self, **changes: Any) -> Deal:
        response = self.post("deals", self.wish(**changes))
        assert response.status_code == 201, response.content
        return Deal.objects.get(pk=response.json()["id"])

    def agreed(self, *, delegate: tuple[str, ...] = (), **changes: Any) -> Deal:
        deal = self.opened(**changes)
        for role in ("buyer", "seller"):
            token = deal.parties.get(role=role).invite_token
            party = deals.join(invite_token=token, user=getattr(self.desk.cast, role))
            version = deals.current_version(deal).hash
            deals.accept(deal_id=deal.pk, party=party, version_hash=version, delegate=role in delegate)
        deal.refresh_from_db()
        return deal

    def funded(self, *, delegate: tuple[str, ...] = (), **changes: Any) -> Escrow:
        escrow = self.agreed(delegate=delegate, **changes).escrows.get()
        self.desk.pay(escrow)
        self.desk.settle()
        escrow.refresh_from_db()
        assert escrow.state == "funded"
        return escrow


@pytest.fixture(autouse=True)
def fresh_limits() -> Iterator[None]:
    caches["throttle"].clear()
    yield


@pytest.fixture
def open_market(desk: Desk) -> Callable[..., Market]:
    def make(*, livemode: bool = False, scopes: list[str] | None = None, partner: Any = None) -> Market:
        partner = partner or create_partner(name="Market", owner=UserFactory(), actor=SYSTEM)
        issued = create_key(partner, livemode=livemode, scopes=scopes or Scope.values, actor=SYSTEM)
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {issued.secret}")
        return Market(partner, desk, client)

    return make


@pytest.fixture
def market(open_market: Callable[..., Market]) -> Market:
    return open_market()


@pytest.fixture
def rival(open_market: Callable[..., Market]) -> Market:
    """Another partner with every right."""
    return open_market()
