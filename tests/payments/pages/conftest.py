"""Browsers without scripts: a client for each of the cast."""

from dataclasses import dataclass

import pytest
from django.test import Client

from payments.models import Escrow
from tests.payments.fixtures import Cast

PASSWORD = "correct horse"


@dataclass
class Clients:
    buyer: Client
    seller: Client
    stranger: Client
    anonymous: Client


@pytest.fixture
def clients(cast: Cast) -> Clients:
    signed_in = []
    for user in (cast.buyer, cast.seller, cast.stranger):
        client = Client()
        client.force_login(user)
        signed_in.append(client)
    return Clients(*signed_in, Client())


def url(escrow: Escrow, page: str = "") -> str:
    """`/deals/…/escrows/…/<page>`."""
    return f"/deals/{escrow.deal_id}/escrows/{escrow.pk}/{page}"
