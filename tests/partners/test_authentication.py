"""Only a living key of a living partner, from an allowed address, with the scope, gets in."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from rest_framework.test import APIClient

from core import clock
from core.actors import SYSTEM
from core.errors import Conflict, Invalid
from core.models import AuditEntry
from partners.models import ApiKey, Partner
from partners.services import accounts, keys
from partners.services.keys import IssuedKey
from tests.partners.conftest import client_of

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.partners.urls")]
ADDRESS = "/api/v1/counter"


def test_a_key_gets_in_and_its_secret_is_stored_nowhere(issued: IssuedKey, api: APIClient) -> None:
    assert api.get(ADDRESS).status_code == 200
    row = ApiKey.objects.values().get()
    assert issued.secret.startswith("sk_test_") and len(issued.secret) > 45
    assert all(issued.secret not in str(value) for value in row.values())
    assert all(issued.secret not in str(entry.data) for entry in AuditEntry.objects.all())


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer sk_test_unknown", "Basic abc", "Bearer a b", "Bearer é"]
)
def test_without_a_known_key_the_answer_is_401_and_says_how_to_come_in(header: str, db: None) -> None:
    response = APIClient().get(ADDRESS, **({"HTTP_AUTHORIZATION": header} if header else {}))
    assert response.status_code == 401
    assert response["Content-Type"] == "application/problem+json"
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert response.json()["code"] == "unauthenticated"


def test_a_revoked_key_is_refused_at_once(issued: IssuedKey, api: APIClient) -> None:
    keys.revoke(issued.key, actor=SYSTEM)
    assert api.get(ADDRESS).status_code == 401


def test_a_disabled_partner_is_refused_with_every_key(partner: Partner, api: APIClient) -> None:
    accounts.set_enabled(partner, enabled=False, actor=SYSTEM)
    assert api.get(ADDRESS).status_code == 401


def test_a_rolled_key_works_until_its_overlap_is_over(issued: IssuedKey, api: APIClient) -> None:
    successor = keys.roll(issued.key, overlap=timedelta(hours=1), actor=SYSTEM)
    assert successor.key.scopes == issued.key.scopes
    assert api.get(ADDRESS).status_code == 200
    assert client_of(successor.secret).get(ADDRESS).status_code == 200
    with clock.travelled(timedelta(hours=1, seconds=1)):
        assert api.get(ADDRESS).status_code == 401
        assert client_of(successor.secret).get(ADDRESS).status_code == 200


def test_a_key_is_rolled_once(issued: IssuedKey) -> None:
    keys.roll(issued.key, overlap=timedelta(), actor=SYSTEM)
    with pytest.raises(Conflict):
        keys.roll(issued.key, overlap=timedelta(), actor=SYSTEM)


@pytest.mark.parametrize("overlap", [timedelta(seconds=-1), timedelta(days=31)])
def test_an_overlap_out_of_bounds_is_refused(issued: IssuedKey, overlap: timedelta) -> None:
    with pytest.raises(Invalid):
        keys.roll(issued.key, overlap=overlap, actor=SYSTEM)


def test_a_key_without_the_scope_gets_403(issue: Callable[..., IssuedKey]) -> None:
    client = client_of(issue(scopes=["read"]).secret)
    assert client.get(ADDRESS).status_code == 200
    response = client.post(ADDRESS, {}, HTTP_IDEMPOTENCY_KEY="a")
    assert (response.status_code, response.json()["code"]) == (403, "scope_missing")


@pytest.mark.parametrize(
    ("allowed", "source", "status"),
    [
        (["192.0.2.0/24"], "192.0.2.7", 200),
        (["192.0.2.0/24"], "::ffff:192.0.2.7", 200),
        (["192.0.2.0/24"], "198.51.100.1", 403),
        (["2001:db8::/32"], "2001:db8::1", 200),
        (["2001:db8::/32"], "192.0.2.7", 403),
        (["192.0.2.7"], "not an address", 403),
    ],
)
def test_an_allow_list_decides_by_address(
    issue: Callable[..., IssuedKey], allowed: list[str], source: str, status: int
) -> None:
    client = client_of(issue(ip_allow_list=allowed).secret)
    assert client.get(ADDRESS, REMOTE_ADDR=source).status_code == status


def test_a_malformed_address_or_scope_is_refused_when_the_key_is_made(
    issue: Callable[..., IssuedKey],
) -> None:
    with pytest.raises(Invalid):
        issue(ip_allow_list=["10.0.0.300"])
    with pytest.raises(Invalid):
        issue(scopes=["everything"])
    with pytest.raises(Invalid):
        issue(scopes=[])


def test_last_used_is_written_at_most_once_a_minute(issued: IssuedKey, api: APIClient) -> None:
    api.get(ADDRESS)
    first = ApiKey.objects.get().last_used
    api.get(ADDRESS)
    assert first is not None and ApiKey.objects.get().last_used == first
    with clock.travelled(timedelta(seconds=61)):
        api.get(ADDRESS)
    assert ApiKey.objects.get().last_used > first
