"""Browsers without scripts: a client for each of the cast."""

from dataclasses import dataclass

import pytest

from payments.models import Escrow
from tests.browser import Browser
from tests.payments.fixtures import Cast

PASSWORD = "correct horse"


@dataclass
class Clients:
    buyer: Browser
    seller: Browser
    stranger: Browser
    anonymous: Browser


@pytest.fixture
def clients(cast: Cast) -> Clients:
    signed_in = []
    for user in (cast.buyer, cast.seller, cast.stranger):
        client = Browser()
        client.force_login(user)
        signed_in.append(client)
    return Clients(*signed_in, Browser())


def url(escrow: Escrow, page: str = "") -> str:
    """`/deals/…/escrows/…/<page>`."""
    return f"/deals/{escrow.deal_id}/escrows/{escrow.pk}/{page}"
