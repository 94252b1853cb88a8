"""Every form that moves money or state carries what it showed, and is refused once that is not so."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test.utils import CaptureQueriesContext

from core import seen
from core.models import OutboxEvent, StateTransition
from payments.models import Deal, DealFile, Escrow, Order
from tests.browser import Browser, hidden_fields
from tests.disputes import cast as stage
from tests.disputes.conftest import people, token  # noqa: F401  (fixtures are shared by import)
from tests.routes import OBJECT_FOR, ROUTES
from tests.test_routes import World, world  # noqa: F401  (a fixture)

ROOT = Path(__file__).resolve().parent.parent
_ESCROW = "deals/<opaque:deal_id>/escrows/<opaque:escrow_id>/"
_PASSWORD = {"password": stage.PASSWORD}
_TEXT = "A long enough sentence about it."
_TERMS = {
    "title": "A website",
    "fee_payer": "seller",
    "pay_seconds": "86400",
    "inspect_seconds": "604800",
    "opening": "all",
    "m-TOTAL_FORMS": "1",
    "m-INITIAL_FORMS": "1",
    "m-0-amount": "2500.00",
}
# Every address below /deals/ that takes a post: who sends it, and what they fill in.
FORMS: dict[str, tuple[str, dict[str, str]]] = {
    f"{_ESCROW}open/": ("buyer", {}),
    f"{_ESCROW}deliver/": ("seller", {"note": _TEXT}),
    f"{_ESCROW}changes/": ("buyer", {"note": _TEXT}),
    f"{_ESCROW}release/": ("buyer", {"how_much": "part", "amount": "50", **_PASSWORD}),
    f"{_ESCROW}refund/": ("seller", {"how_much": "all", **_PASSWORD}),
    f"{_ESCROW}take-back/": ("buyer", _PASSWORD),
    f"{_ESCROW}return-late/": ("buyer", _PASSWORD),
    f"{_ESCROW}refund-request/": ("buyer", {"reason": _TEXT}),
    f"{_ESCROW}refund-answer/": ("seller", {"verdict": "yes", **_PASSWORD}),
    f"{_ESCROW}dispute/open/": ("buyer", {"reason": "other", "text": _TEXT}),
    f"{_ESCROW}dispute/evidence/": ("seller", {"text": _TEXT}),
    f"{_ESCROW}dispute/nothing-more/": ("seller", {}),
    f"{_ESCROW}dispute/withdraw/": ("buyer", {}),
    "deals/<opaque:deal_id>/edit/": ("seller", {**_TERMS, "role": "seller", "action": "draft"}),
    "deals/<opaque:deal_id>/preview/": ("seller", {}),
    "deals/<opaque:deal_id>/answer/": ("buyer", {"address": stage.ADDRESSES["buyer"], "read": "on"}),
    "deals/<opaque:deal_id>/counter/": ("buyer", _TERMS | {"address": "0x" + "c0" * 20}),
    "deals/<opaque:deal_id>/cancel/": ("buyer", {}),
    "deals/invitations/<slug:token>/join/": ("buyer", {}),
}
# Stands on the page only where a payment is blocked, which takes a chain: see test_blocked_and_foreign.
ELSEWHERE = {f"{_ESCROW}payouts/<opaque:leg_id>/retry/"}
# Nothing that could have changed: a new draft; a demo wallet that pays what is due when it is asked.
MAKES_SOMETHING_NEW = {"deals/new/", f"{_ESCROW}demo-pay/"}
# The form stands on a page of another stage than the one that the table of routes needs.
_STAGES = {f"{_ESCROW}dispute/open/": "funded", f"{_ESCROW}open/": "planned"}
_NOT_OFFERED = re.compile(r"\b405\b")


def test_every_address_of_a_deal_that_takes_a_post_is_known_here() -> None:
    taking = {
        route
        for route, (_, post) in ROUTES.items()
        if route.startswith("deals/") and not _NOT_OFFERED.search(post)
    }
    assert taking == set(FORMS) | MAKES_SOMETHING_NEW | ELSEWHERE


def test_every_form_of_the_templates_carries_what_the_page_showed() -> None:
    posting = re.compile(r"<form[^>]*method=\"post\".*?</form>", re.DOTALL)
    for folder in ("deals", "disputes", "admin/disputes", "components"):
        for path in (ROOT / "templates" / folder).rglob("*.html"):
            for form in posting.findall(path.read_text()):
                free = "account_logout" in form or "demo_url" in form
                assert free or f'name="{seen.FIELD}"' in form, f"{path.name}: {form[:120]}"


def _browser(world: World, viewer: str) -> Browser:  # noqa: F811
    browser = Browser()
    browser.force_login(getattr(world.people, viewer))
    return browser


def _planned(world: World, token: Any) -> dict[str, str]:  # noqa: F811
    """A deal of two milestones, of which the second is not open yet."""
    deal = Deal.objects.get(pk=world.values["funded"]["deal_id"])
    first = deal.escrows.get()
    names = ("network", "token", "amount", "fee_bps", "deliver_at", "inspect_seconds", "created")
    same = {name: getattr(first, name) for name in names}
    second = Escrow.objects.create(deal=deal, position=2, title="Part 2", **same)
    return {"deal_id": deal.pk, "escrow_id": second.pk}


def _counts() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (Order, StateTransition, OutboxEvent, DealFile))


@pytest.mark.timeout(300)
@pytest.mark.django_db
def test_a_form_that_shows_what_is_not_so_any_more_does_nothing_and_says_so(world: World, token: Any) -> None:  # noqa: F811
    world.values["planned"] = _planned(world, token)
    for route, (viewer, fields) in FORMS.items():
        browser = _browser(world, viewer)
        typed = fields | {"token": str(token.pk)}
        path = _path(world, route)
        shown = browser.opened(path)
        assert re.fullmatch(r"[0-9a-f]{32}", shown.get(seen.FIELD, "")), route
        before = _counts()
        for stale in ("0" * 32, ""):
            with transaction.atomic():
                answer = browser.post(path, shown | typed | {seen.FIELD: stale}, follow=True)
                text = re.sub(r"\s+", " ", answer.content.decode())
                transaction.set_rollback(True)
            assert "Nothing was moved by this click" in text, route
            assert _counts() == before, route
        with transaction.atomic():
            answer = browser.post(path, shown | typed, follow=True)
            transaction.set_rollback(True)
        assert "Nothing was moved by this click" not in answer.content.decode(), route


def _path(world: World, route: str) -> str:  # noqa: F811
    values = world.values[_STAGES.get(route) or OBJECT_FOR.get(route, "funded")]
    return "/" + re.sub(r"<\w+:(\w+)>", lambda match: values[match.group(1)], route)


@pytest.mark.django_db
def test_a_refused_form_shows_what_is_so_now_and_is_taken_then(world: World) -> None:  # noqa: F811
    browser = _browser(world, "seller")
    path = _path(world, f"{_ESCROW}deliver/")
    refused = browser.post(path, {"note": _TEXT, seen.FIELD: "0" * 32})
    assert _TEXT in refused.content.decode()
    again = hidden_fields(refused.content.decode(), path, path)
    assert browser.post(path, {"note": _TEXT} | again).status_code == 302


@pytest.mark.django_db
def test_what_a_form_shows_costs_the_same_few_queries(world: World) -> None:  # noqa: F811
    from django.db import connection

    from payments.services.seen import of_escrow

    escrow = Escrow.objects.get(pk=world.values["funded"]["escrow_id"])
    with CaptureQueriesContext(connection) as taken:
        of_escrow(escrow)
    assert len(taken) <= 3
