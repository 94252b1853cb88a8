"""A form that is sent twice, at once or after the first payout is final, moves money once."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections, transaction

from accounts.models import User
from core.actors import SYSTEM
from partners.models import Scope
from partners.services.accounts import create_partner
from partners.services.keys import create_key
from payments.locks import lock_escrow
from payments.models import DECIDING, Deal, Escrow, Order, PayoutLeg
from tests.browser import Browser
from tests.chain.fixtures import USDT
from tests.payments.acts import refund
from tests.payments.fixtures import Desk
from tests.payments.pages.conftest import PASSWORD, Clients, url

PART = {"how_much": "part", "amount": "50", "password": PASSWORD}


def _browser(user: object) -> Browser:
    browser = Browser()
    browser.force_login(user)  # type: ignore[arg-type]
    return browser


def test_the_same_release_at_once_and_again_when_the_first_is_final_pays_once(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    tabs = [_browser(desk.cast.buyer) for _ in range(3)]
    page = url(escrow, "release/")
    sent = tabs[0].opened(page) | PART
    line, answers = threading.Barrier(3), []

    def click(tab: Browser) -> None:
        try:
            line.wait(30)
            answers.append(tab.post(page, sent).status_code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=click, args=(tab,)) for tab in tabs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answers) == [200, 200, 302]
    desk.settle()
    assert desk.fresh(escrow).remainder == 200 * USDT
    again = tabs[0].post(page, sent)
    assert "Nothing was moved by this click" in again.content.decode()
    assert "Everything: 200.00 USDT" in again.content.decode()
    desk.settle()
    assert PayoutLeg.objects.filter(kind="release").count() == 1
    assert Order.objects.filter(kind__in=DECIDING).count() == 1
    assert desk.fresh(escrow).remainder == 200 * USDT


def test_a_release_that_was_opened_before_the_seller_refunded_a_part_is_refused(
    desk: Desk, clients: Clients
) -> None:
    escrow = desk.funded(250 * USDT)
    page = url(escrow, "release/")
    sent = clients.buyer.opened(page) | {"how_much": "all", "password": PASSWORD}
    refund(desk, escrow, 100 * USDT)
    desk.settle()
    answer = clients.buyer.post(page, sent)
    assert "Nothing was moved by this click" in answer.content.decode()
    assert desk.state(escrow) == "funded"


@pytest.mark.parametrize("page", ["release/", "refund/"])
def test_everything_and_a_part_contradict_each_other_and_a_part_of_two_readings_is_asked_back(
    desk: Desk, clients: Clients, page: str
) -> None:
    escrow = desk.funded(5_000 * USDT)
    client = clients.buyer if page == "release/" else clients.seller
    both = {"how_much": "all", "amount": "50", "password": PASSWORD}
    text = client.post(url(escrow, page), both).content.decode()
    assert "You chose everything (5,000.00 USDT) and also typed a part (“50”)" in text
    for typed in ("2,500", "2.500"):
        text = client.post(url(escrow, page), PART | {"amount": typed}).content.decode()
        assert "Did you mean 2500 or 2.5?" in text
    assert not Order.objects.filter(kind__in=DECIDING).exists()
    assert client.post(url(escrow, page), PART | {"amount": "2,500.00"}).status_code == 302
    assert Order.objects.get(kind__in=DECIDING).left == 5_000 * USDT


def test_a_row_that_somebody_holds_costs_a_person_seconds_and_a_calm_answer(
    desk: Desk, clients: Clients, settings: Any
) -> None:
    escrow = desk.funded(250 * USDT)
    page = url(escrow, "deliver/")
    sent = clients.seller.opened(page) | {"note": "All of it, with every date."}
    settings.REQUEST_LOCK_TIMEOUT_MS = 300  # of connections that are opened from now on
    key = _key_of(escrow, desk.cast.stranger)
    answers: dict[str, Any] = {}

    def ask(name: str, do: Callable[[], Any]) -> None:
        try:
            answers[name] = do()
        finally:
            connections.close_all()

    def refunded() -> Any:
        path = f"/api/v1/escrows/{escrow.pk}/refund"
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "once"}
        return Browser().generic("POST", path, "{}", content_type="application/json", headers=headers)

    asked = {"page": lambda: clients.seller.post(page, sent), "api": refunded}
    threads = [threading.Thread(target=ask, args=item) for item in asked.items()]
    with transaction.atomic():
        lock_escrow(escrow.pk)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    shown, told = answers["page"], answers["api"]
    assert (shown.status_code, shown["Retry-After"]) == (503, "3")
    assert "Nothing was moved. Try again in a few seconds" in shown.content.decode()
    assert (told.status_code, told["Retry-After"], told.json()["code"]) == (503, "3", "unavailable")
    assert told["Content-Type"] == "application/problem+json"
    assert "All of it, with every date." in clients.seller.get(page).content.decode()
    assert clients.seller.post(page, sent).status_code == 302


def _key_of(escrow: Escrow, owner: User) -> str:
    partner = create_partner(name="market", owner=owner, actor=SYSTEM)
    Deal.objects.filter(pk=escrow.deal_id).update(partner=partner, livemode=False)
    return create_key(partner, livemode=False, scopes=Scope.values, actor=SYSTEM).secret
