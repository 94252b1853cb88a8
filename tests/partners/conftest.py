"""One partner with one key, and how it calls."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import caches
from rest_framework.test import APIClient

from accounts.models import User
from core.actors import SYSTEM
from partners.models import Partner, Scope
from partners.services.accounts import create_partner
from partners.services.keys import IssuedKey, create_key


@pytest.fixture(autouse=True)
def fresh_limits() -> Iterator[None]:
    caches["throttle"].clear()
    yield


@pytest.fixture
def partner(db: None) -> Partner:
    owner = User.objects.create_user(email="market@example.com", password="a long password")
    return create_partner(name="Market", owner=owner, actor=SYSTEM)


@pytest.fixture
def issue(partner: Partner) -> Callable[..., IssuedKey]:
    def make(**options: Any) -> IssuedKey:
        return create_key(
            partner, **({"livemode": False, "scopes": list(Scope.values), "actor": SYSTEM} | options)
        )

    return make


@pytest.fixture
def issued(issue: Callable[..., IssuedKey]) -> IssuedKey:
    return issue()


def client_of(secret: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


@pytest.fixture
def api(issued: IssuedKey) -> APIClient:
    return client_of(issued.secret)
