"""Whatever is typed, sent or asked: an answer below 500, and nothing changed by what was refused."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import caches
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from core import clock, netguard
from core.actors import SYSTEM
from core.ids import new_id
from partners.models import Scope
from partners.services.accounts import create_partner
from partners.services.keys import create_key
from payments.models import Deal, Escrow
from tests.disputes import cast as stage
from tests.disputes.conftest import escrow, people, token  # noqa: F401  (fixtures are shared by import)

pytestmark = pytest.mark.django_db

TEXTS = [
    "",
    "\x00",
    "a\x00b",
    "😀\u202e\u0000",
    "9" * 5000,
    "-1",
    "1e400",
    "NaN",
    "0.0000000000000000001",
    "٣٫٥",
    "[]",
    "0001-01-01T00:00",
    "9999-12-31T23:59",
    f"{'a' * 64}@{'.'.join(['b' * 60] * 4)}.example",
    "x" * 30_000,
]
EDITOR = {
    "role": "buyer",
    "title": "A bookcase",
    "description": "Oak, two metres high, delivered and put up.",
    "fee_payer": "seller",
    "pay_seconds": "86400",
    "inspect_seconds": "604800",
    "opening": "all",
    "own_address": "0x" + "b1" * 20,
    "counterparty_email": "seller@example.org",
    "m-TOTAL_FORMS": "1",
    "m-INITIAL_FORMS": "0",
    "m-0-title": "",
    "m-0-amount": "10",
    "m-0-deliver_at": "",
    "action": "preview",
}
ACTIONS = {
    "changes/": {"note": "x"},
    "release/": {"how_much": "part", "amount": "1", "password": stage.PASSWORD},
    "refund-request/": {"reason": "x"},
    "dispute/open/": {"reason": "not_as_described", "text": "x", "nothing_more": ""},
}


@pytest.fixture(autouse=True)
def _no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netguard, "ALLOWED_DEPTH", netguard.ALLOWED_DEPTH + 1)
    caches["throttle"].clear()


def _client(user: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def _ask(client: Any, method: str, *arguments: Any, **options: Any) -> Any:
    """One request whose effects are undone."""
    with transaction.atomic():
        answer = getattr(client, method)(*arguments, **options)
        transaction.set_rollback(True)
    return answer


@pytest.mark.parametrize("text", ["%00", "deal_%00", "..", "%F0%9F%98%80", "x" * 300, "deal_" + "0" * 27])
def test_what_cannot_be_an_id_is_not_found(people: stage.Cast, escrow: Escrow, text: str) -> None:  # noqa: F811
    client, deal, pk = _client(people.buyer), escrow.deal_id, escrow.pk
    for address in (
        f"/deals/{text}/",
        f"/deals/{deal}/files/{text}/",
        f"/deals/{deal}/escrows/{text}/",
        f"/deals/{deal}/escrows/{pk}/files/{text}/",
        f"/deals/{deal}/escrows/{pk}/dispute/files/{text}/",
        f"/deals/invitations/{text}/",
    ):
        assert _ask(client, "get", address).status_code == 404, address
    staff = _client(people.arbitrator)
    assert _ask(staff, "get", f"/admin/disputes/dispute/{text}/change/").status_code in (302, 404)
    assert _ask(staff, "get", f"/admin/disputes/dispute/{text}/files/{text}/").status_code in (302, 404)
    assert _ask(staff, "post", f"/admin/disputes/dispute/{text}/do/claim/").status_code in (302, 403, 404)


@pytest.mark.parametrize("name", sorted(EDITOR))
def test_the_editor_survives_anything_in_any_field(people: stage.Cast, token: Any, name: str) -> None:  # noqa: F811
    client = _client(people.buyer)
    whole = EDITOR | {"token": str(token.pk)}
    for action in ("preview", "add_row"):
        for text in TEXTS:
            answer = _ask(client, "post", "/deals/new/", whole | {"action": action, name: text})
            assert answer.status_code in (200, 302, 400), (name, text[:40], answer.status_code)


def test_the_editor_keeps_what_was_typed_beside_what_is_refused(people: stage.Cast, token: Any) -> None:  # noqa: F811
    whole = EDITOR | {"token": str(token.pk), "m-0-amount": "12,50"}
    page = _ask(_client(people.buyer), "post", "/deals/new/", whole).content.decode()
    assert "is not an amount" in page
    assert 'value="12,50"' in page and "Oak, two metres high" in page and 'value="A bookcase"' in page


@pytest.mark.parametrize("address", sorted(ACTIONS))
def test_the_forms_of_an_escrow_survive_anything(
    people: stage.Cast,  # noqa: F811
    escrow: Escrow,  # noqa: F811
    address: str,
) -> None:
    client = _client(people.buyer)
    for name in ACTIONS[address]:
        for text in TEXTS:
            where = f"/deals/{escrow.deal_id}/escrows/{escrow.pk}/{address}"
            answer = _ask(client, "post", where, ACTIONS[address] | {name: text})
            assert answer.status_code in (200, 302, 422), (name, text[:40], answer.status_code)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"MZ\x90\x00" + b"\x00" * 60, "not accepted"),
        (b"<script>alert(1)</script>", "not accepted"),
        (b"\xff\xfe" * 20, "not accepted"),
        (b"%PDF-1.4" + b"0" * 10_000_000, "larger than 10 MB"),
    ],
    ids=["empty", "program", "html", "noise", "too large"],
)
def test_a_file_that_cannot_be_taken_is_named_and_the_note_stays(
    people: stage.Cast,  # noqa: F811
    escrow: Escrow,  # noqa: F811
    content: bytes,
    said: str,
) -> None:
    upload = SimpleUploadedFile("report\u202e\x00.pdf", content)
    where = f"/deals/{escrow.deal_id}/escrows/{escrow.pk}/deliver/"
    answer = _ask(_client(people.seller), "post", where, {"note": "All of it.", "files": upload})
    page = answer.content.decode()
    assert answer.status_code == 200 and said in page and "All of it." in page
    assert Escrow.objects.get(pk=escrow.pk).state == "funded"


@pytest.mark.parametrize(
    "query", ["page=%00", "page=-1", "page=" + "9" * 400, "role=%00", "v=%00", "next=%00"]
)
def test_queries_are_never_trusted(people: stage.Cast, escrow: Escrow, query: str) -> None:  # noqa: F811
    client = _client(people.buyer)
    for path in ("/deals/", "/deals/new/", f"/deals/{escrow.deal_id}/escrows/{escrow.pk}/live/"):
        assert _ask(client, "get", f"{path}?{query}").status_code in (200, 204), path


def test_account_forms_survive_anything(people: stage.Cast) -> None:  # noqa: F811
    for text in TEXTS:
        signup = {"display_name": text, "email": "new@example.org", "password1": "correct horse battery"}
        for form in (signup, signup | {"email": text, "display_name": "A"}, signup | {"password1": text}):
            anonymous = Client(raise_request_exception=False)
            assert _ask(anonymous, "post", "/accounts/signup/", form).status_code in (200, 302), text[:40]
        login = {"login": text, "password": text}
        assert _ask(anonymous, "post", "/accounts/login/", login).status_code in (200, 302)
        answer = _ask(_client(people.buyer), "post", "/accounts/profile/", {"display_name": text})
        assert answer.status_code in (200, 302), text[:40]


@pytest.fixture
def api(people: stage.Cast) -> APIClient:  # noqa: F811
    partner = create_partner(name="Market", owner=people.stranger, actor=SYSTEM)
    secret = create_key(partner, livemode=False, scopes=Scope.values, actor=SYSTEM).secret
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def _wish(token: Any) -> dict[str, Any]:  # noqa: F811
    when = (clock.now() + timedelta(days=14)).isoformat()
    return {
        "title": "A website",
        "description": "A website with three pages, as agreed.",
        "network": token.network.slug,
        "token": "USDT",
        "milestones": [{"title": "All of it", "amount": "250.00", "deliver_at": when}],
        "buyer": {"email": "b@example.org", "address": "0x" + "b1" * 20},
        "seller": {"email": "s@example.org", "address": "0x" + "5e" * 20},
        "fee_payer": "seller",
        "opening": "all",
        "pay_seconds": 86_400,
        "inspect_seconds": 604_800,
        "external_reference": "r",
        "metadata": {"a": "b"},
    }


VALUES = [*TEXTS, "\ud800", None, True, 0, -1, 10**400, 1.5, [], {}, [None], {"\ud800": 1}, {"~/": 1}, [[{}]]]


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in inner for found in _paths(item, (*path, key)))]


def _replaced(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = dict(body) if isinstance(body, dict) else list(body)
    copy[path[0]] = _replaced(body[path[0]], path[1:], value)
    return copy


def _send(api: APIClient, body: Any) -> Any:
    """As plain ASCII: half a surrogate pair has no other form."""
    kind = {"content_type": "application/json", "HTTP_IDEMPOTENCY_KEY": "k"}
    return _ask(api, "post", "/api/v1/deals", json.dumps(body), **kind)


def test_no_member_of_a_body_breaks_the_api(api: APIClient, token: Any) -> None:  # noqa: F811
    body = _wish(token)
    for path in _paths(body):
        for value in VALUES:
            caches["throttle"].clear()
            sent = _replaced(body, path, value)
            answer = _send(api, sent)
            assert answer.status_code in (201, 400, 409, 413, 422), (path, repr(value)[:40], answer.content)
            assert answer.json() is not None
    assert not Deal.objects.exists()


def test_a_member_that_nobody_knows_is_pointed_at_whatever_its_name(api: APIClient, token: Any) -> None:  # noqa: F811
    sent = _wish(token) | {"a/b~c": 1, "title ": 2}
    answer = _send(api, sent)
    assert answer.status_code == 422
    assert {item["pointer"] for item in answer.json()["errors"]} == {"/a~1b~0c", "/title "}


@pytest.mark.parametrize(
    "name", ["limit", "cursor", "status", "created[gte]", "created[lt]", "external_reference", "x"]
)
def test_no_query_breaks_the_api(api: APIClient, name: str) -> None:
    extra = ["MDAwMS0wMS0wMVQwMDowMDowMCsyMzo1OXxh", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"]
    for path in ("deals", "escrows", "events", "disputes"):
        for text in [*TEXTS, *extra]:
            caches["throttle"].clear()
            answer = _ask(api, "get", f"/api/v1/{path}", {name: text})
            assert answer.status_code in (200, 400), (path, name, text[:40], answer.content)


@pytest.mark.parametrize("header", ["HTTP_IDEMPOTENCY_KEY", "HTTP_IF_MATCH", "HTTP_AUTHORIZATION"])
def test_no_header_breaks_the_api(api: APIClient, header: str) -> None:
    for text in ("", " ", "x" * 5000, "é", "\x7f", "Bearer \x00", '"', "W/", ",,,"):
        where = f"/api/v1/escrows/{new_id('esc')}/release"
        answer = _ask(api, "post", where, {}, **{"HTTP_IDEMPOTENCY_KEY": "k", header: text})
        assert answer.status_code in (400, 401, 404), (header, text[:20], answer.content)
