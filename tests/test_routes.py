"""Who may reach which address: every route of the resolver, for every kind of viewer, against one table.

A route without an entry in `tests/routes.py` fails here, and so does an entry without a route.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import settings
from django.contrib import admin
from django.core.cache import caches
from django.db import transaction
from django.test import Client
from django.urls import URLResolver, get_resolver

from accounts.models import User
from core import files, netguard
from core.actors import SYSTEM
from escrow_platform.api import document
from partners.models import ApiKey, Scope
from partners.services.accounts import create_partner
from partners.services.keys import create_key
from payments.models import Deal, DealFile, Escrow
from payments.services import deals, delivery
from tests import routes
from tests.disputes import cast as stage
from tests.disputes.conftest import people, token  # noqa: F401  (fixtures are shared by import)
from tests.routes import ADMIN_DOOR, ADMIN_SEEN_BY_ARBITRATORS, OBJECT_FOR, TABLE, VIEWERS

METHODS = ("GET", "POST")


def all_routes() -> list[str]:
    """Every route of the resolver, as its patterns spell it."""

    def walk(resolver: Any, prefix: str = "") -> Iterator[str]:
        for pattern in resolver.url_patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from walk(pattern, route)
            else:
                yield route

    return list(dict.fromkeys(walk(get_resolver())))


ROUTES = all_routes()
PRODUCT = [route for route in ROUTES if not route.startswith("admin/")]


@dataclass
class World:
    """One deal at each stage that an address needs, and everybody who may ask for it."""

    people: stage.Cast
    values: dict[str, dict[str, str]]
    keys: dict[str, str]
    sessions: dict[str, str]

    def ask(self, viewer: str, method: str, route: str) -> int:
        """The status; whatever the request did is undone."""
        headers: dict[str, Any] = {"REMOTE_ADDR": "192.0.2.1"}
        if viewer in self.keys:
            headers["HTTP_AUTHORIZATION"] = f"Bearer {self.keys[viewer]}"
        if route.startswith("api/") and method == "POST":
            headers |= {"HTTP_IDEMPOTENCY_KEY": "k", "content_type": "application/json", "data": "{}"}
        with transaction.atomic():
            client = self.client(viewer)
            answer = getattr(client, method.lower())(self.address(route), **headers)
            transaction.set_rollback(True)
        # Whatever it is about: no cache keeps an answer of ours, refusals and downloads included.
        assert "no-store" in answer.get("Cache-Control", ""), (viewer, method, route)
        return int(answer.status_code)

    def client(self, viewer: str) -> Client:
        """A fresh one, signed in if the viewer is a person: signing out is a request like any other."""
        client = Client()
        if viewer in self.sessions:
            client.cookies[settings.SESSION_COOKIE_NAME] = self.sessions[viewer]
        return client

    def address(self, route: str) -> str:
        if route in routes.REGULAR:
            return "/" + routes.REGULAR[route]
        values = self.values[OBJECT_FOR.get(route, "funded")]

        def fill(match: re.Match[str]) -> str:
            return values[match.group(1)]

        return "/" + re.sub(r"<\w+:(\w+)>", fill, route)


@pytest.fixture
def world(people: stage.Cast, token: Any, monkeypatch: pytest.MonkeyPatch) -> World:  # noqa: F811
    monkeypatch.setattr(netguard, "ALLOWED_DEPTH", netguard.ALLOWED_DEPTH + 1)
    caches["throttle"].clear()
    owner = User.objects.create_user("owner@example.org", stage.PASSWORD)
    markets = {name: create_partner(name=name, owner=owner, actor=SYSTEM) for name in ("partner", "rival")}
    keys = {
        name: create_key(market, livemode=False, scopes=Scope.values, actor=SYSTEM).secret
        for name, market in markets.items()
    }
    funded = _funded(people, token)
    disputed = stage.funded(people, token)
    dispute = stage.open_dispute(disputed, people.buyer, files=[_file()])
    stage.chain_freezes(disputed, evidence_hash=dispute.evidence_hash)
    Deal.objects.update(partner=markets["partner"], livemode=False)
    evidence = dispute.evidence.get()
    values = {
        "funded": _ids(funded.deal, funded)
        | {"file_id": DealFile.objects.get(deal=funded.deal).pk, "dispute_id": dispute.pk},
        "delivered": _delivered(people, token),
        "disputed": _ids(disputed.deal, disputed) | {"file_id": evidence.files.get().pk},
        "draft": _ids(_draft(people, token)),
        "proposed": _ids(_proposed(people, token, join=True)),
        "invited": _ids(_proposed(people, token, join=False)),
    }
    return World(people, values, keys, _sessions(people))


def test_every_route_has_an_entry_for_each_method_and_no_entry_is_without_a_route() -> None:
    assert set(TABLE) == {(method, route) for route in PRODUCT for method in METHODS}
    assert all(len(row.split()) == len(VIEWERS) for row in TABLE.values())


@pytest.mark.timeout(900)
@pytest.mark.django_db
def test_every_viewer_gets_exactly_the_status_of_the_table(world: World) -> None:
    wrong = []
    for (method, route), row in TABLE.items():
        found = " ".join(str(world.ask(viewer, method, route)) for viewer in VIEWERS)
        if found != row:
            wrong.append(f"{method} {route}: {found} instead of {row}")
    assert not wrong, "\n".join(wrong)


def test_the_schema_documents_every_resource_of_the_api_and_nothing_else() -> None:
    served = {
        "/" + re.sub(r"<\w+:(\w+)>", r"{\1}", route)
        for route in PRODUCT
        if route.startswith("api/v1/") and route not in routes.UNDOCUMENTED
    }
    assert served == set(document()["paths"])


@pytest.mark.timeout(900)
@pytest.mark.django_db
def test_the_admin_sends_everybody_without_a_staff_account_to_its_sign_in(world: World) -> None:
    for route in ROUTES:
        if route.startswith("admin/"):
            for viewer in (name for name in VIEWERS if name != "arbitrator"):
                expected = ADMIN_DOOR.get(route, {}).get(viewer, 302)
                assert world.ask(viewer, "GET", _any_admin(route)) == expected, (viewer, route)


@pytest.mark.django_db
def test_an_arbitrator_sees_only_disputes_in_the_admin(world: World) -> None:
    for model in admin.site._registry:
        route = f"admin/{model._meta.app_label}/{model._meta.model_name}/"
        assert route in ROUTES
        expected = 200 if route in ADMIN_SEEN_BY_ARBITRATORS else 403
        assert world.ask("arbitrator", "GET", route) == expected, route
        assert world.ask("arbitrator", "GET", f"{route}add/") == 403, route
        assert world.ask("arbitrator", "POST", f"{route}add/") == 403, route


@pytest.mark.django_db
def test_no_page_takes_a_post_from_another_site(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.people.buyer)
    for route in PRODUCT:
        if not route.startswith("api/"):
            with transaction.atomic():
                assert client.post(world.address(route)).status_code == 403, route
                transaction.set_rollback(True)


@pytest.mark.django_db
def test_a_signed_in_person_is_nobody_in_the_api_and_a_key_is_nobody_on_pages(world: World) -> None:
    assert ApiKey.objects.exists()
    assert world.ask("buyer", "GET", "api/v1/deals") == 401
    assert world.ask("partner", "GET", "deals/") == 302


def _any_admin(route: str) -> str:
    return re.sub(r"<\w+:\w+>|\(\?P<.*", "1", route).replace("^", "").replace("$", "")


def _sessions(people: stage.Cast) -> dict[str, str]:  # noqa: F811
    found = {}
    for viewer in VIEWERS:
        if user := getattr(people, viewer, None):
            client = Client()
            client.force_login(user)
            found[viewer] = client.cookies[settings.SESSION_COOKIE_NAME].value
    return found


def _ids(deal: Deal, escrow: Escrow | None = None) -> dict[str, str]:
    party = deal.parties.get(role="buyer")
    escrow_id = escrow.pk if escrow else "esc_" + "0" * 26
    return {"deal_id": deal.pk, "escrow_id": escrow_id, "token": party.invite_token, "file_id": "none"} | {
        "leg_id": "leg_" + "0" * 26
    }


def _file() -> files.Saved:
    return files.Saved(files.save_bytes(b"what was agreed", "text/plain"), "agreed.txt")


def _funded(people: stage.Cast, token: Any) -> Escrow:  # noqa: F811
    escrow = stage.funded(people, token)
    saved = _file()
    DealFile.objects.create(deal=escrow.deal, file=saved.file, name=saved.name, created=escrow.created)
    return escrow


def _delivered(people: stage.Cast, token: Any) -> dict[str, str]:  # noqa: F811
    escrow = stage.funded(people, token)
    acting = deals.person(people.seller)
    handed = delivery.deliver(escrow_id=escrow.pk, role="seller", acting=acting, files=[_file()])
    return _ids(escrow.deal, escrow) | {"file_id": handed.files.get().pk}


def _draft(people: stage.Cast, token: Any) -> Deal:  # noqa: F811
    source = Deal.objects.filter(agreed_version__isnull=False).first()
    assert source is not None and source.agreed_version is not None
    return deals.create_draft(
        user=people.seller,
        role="seller",
        agreement=deals.from_json(source.agreed_version.terms),
        own_address=stage.ADDRESSES["seller"],
        counterparty_email=people.buyer.email,
    )


def _proposed(people: stage.Cast, token: Any, *, join: bool) -> Deal:  # noqa: F811
    deal = _draft(people, token)
    deals.propose(deal_id=deal.pk, party=deal.parties.get(role="seller"))
    if join:
        deals.join(invite_token=deal.parties.get(role="buyer").invite_token, user=people.buyer)
    return deal
