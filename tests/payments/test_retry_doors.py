"""A payment that the token refused: a button for both sides, one for operators, a command, the API."""

import re
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Q

from accounts.models import User
from core import clock
from core.actors import SYSTEM
from core.models import AuditEntry
from partners.models import Scope
from partners.services.accounts import create_partner
from partners.services.keys import create_key
from payments.models import Deal, PayoutLeg
from tests.browser import Browser
from tests.payments.fixtures import Desk
from tests.payments.pages.conftest import Clients, clients, url  # noqa: F401  (a fixture)
from tests.payments.test_blocked_and_foreign import with_refused_seller


def _text(browser: Browser, address: str) -> str:
    return re.sub(r"\s+", " ", browser.get(address).content.decode())


def _tries(leg: PayoutLeg) -> int:
    return leg.escrow.orders.filter(kind="pay_leg").count()


def test_everybody_concerned_has_a_refused_payment_tried_again_and_nobody_all_the_time(
    desk: Desk,
    clients: Clients,  # noqa: F811
) -> None:
    escrow = with_refused_seller(desk)
    leg = escrow.legs.get(~Q(state="paid"), kind="release")
    page, path = url(escrow), url(escrow, f"payouts/{leg.pk}/retry/")
    for browser in (clients.buyer, clients.seller):
        text = _text(browser, page)
        assert "could not be paid." in text
        assert "Try this payment again" in text
    shown = clients.buyer.opened(path)
    assert clients.stranger.post(path, shown).status_code == 404
    assert (
        "Nothing was moved by this click"
        in clients.buyer.post(path, {"seen": ""}, follow=True).content.decode()
    )
    assert _tries(leg) == 0
    clients.buyer.post(path, shown)
    clients.seller.post(path, shown)  # the same button, seen before
    assert _tries(leg) == 1
    assert "It is being tried again now." in _text(clients.seller, page)
    order = escrow.orders.get(kind="pay_leg")
    desk.until(lambda: desk.state(order) == "failed")
    assert leg.state == "blocked"

    # Nobody spends the operator's gas all the time; an operator need not wait.
    with clock.travelled(order.created + timedelta(minutes=30) - clock.now()):
        assert "You can have it tried again from" in _text(clients.seller, page)
        assert _api(escrow, leg, desk).status_code == 409
        _by_the_console(leg)
    assert _tries(leg) == 2
    assert AuditEntry.objects.filter(action="payout.retried", subject_id=leg.pk).count() == 1
    with pytest.raises(CommandError, match="tried already"):
        call_command("retry_payout", leg.pk)
    newest = escrow.orders.filter(kind="pay_leg").latest("created")
    desk.until(lambda: desk.state(newest) == "failed")
    desk.platform_travels(timedelta(hours=1))
    answer = _api(escrow, leg, desk)
    assert answer.status_code == 202, answer.content
    assert _tries(leg) == 3
    actions = {(item["action"], item["by_partner"]) for item in answer.json()["available_actions"]}
    assert ("retry_payout", True) in actions


def _by_the_console(leg: PayoutLeg) -> None:
    operator = Browser()
    operator.force_login(User.objects.create_superuser(email="op@example.com", password="a long password"))
    path = f"/admin/payments/payoutleg/{leg.pk.replace('_', '_5F')}/retry/"
    proof = {"_form_submitted": "on", "own_password": "a long password"}
    assert "Nothing was moved" in operator.post(path, proof | {"seen": "0" * 32}).content.decode()
    answer = operator.post(path, operator.opened(path) | proof)
    assert "It is being tried again." in answer.content.decode()


def _api(escrow, leg: PayoutLeg, desk: Desk):
    owner = desk.cast.stranger
    partner = Deal.objects.get(pk=escrow.deal_id).partner or create_partner(
        name="market", owner=owner, actor=SYSTEM
    )
    Deal.objects.filter(pk=escrow.deal_id).update(partner=partner, livemode=False)
    key = create_key(partner, livemode=False, scopes=Scope.values, actor=SYSTEM).secret
    return Browser().generic(
        "POST",
        f"/api/v1/escrows/{escrow.pk}/payouts/{leg.pk}/retry",
        "{}",
        content_type="application/json",
        headers={"Authorization": f"Bearer {key}", "Idempotency-Key": "once" + key[-6:]},
    )
