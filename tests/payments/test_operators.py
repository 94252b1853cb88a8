"""What only a person can end: an order that calls for one, and an escrow that was frozen."""

import pytest
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.test import Client

from accounts.models import User
from accounts.staffstepup import StepUpDialog
from core.models import AuditEntry
from payments.models import Escrow, KillSwitch, Order, OrderKind
from payments.services import orders
from payments.states import OrderState
from tests.browser import Browser
from tests.disputes import cast as stage
from tests.disputes.conftest import escrow, people, token  # noqa: F401  (fixtures are shared by import)

pytestmark = pytest.mark.django_db
PASSWORD = "a long password"
UNPROVEN = {"_form_submitted": "on"}
FORM = UNPROVEN | {"own_password": PASSWORD}


@pytest.fixture
def operator() -> Client:
    client = Browser()
    client.force_login(User.objects.create_superuser(email="op@example.com", password=PASSWORD))
    return client


@pytest.fixture
def waiting(people: stage.Cast, escrow: Escrow) -> Order:  # noqa: F811
    """An order that was refused three times."""
    acting = stage.actor(people.buyer)
    order = orders.place(Escrow.objects.get(pk=escrow.pk), OrderKind.MARK, reason="delivered", acting=acting)
    assert order.call is not None
    order.call.mark_failed("refused")
    order.call.save()
    order.to_needs_human()
    order.save()
    return order


def _address(row: Escrow | Order, verb: str) -> str:
    return f"/admin/payments/{row._meta.model_name}/{quote(row.pk)}/{verb}/"


def test_an_order_is_tried_again_by_a_post_and_written_down(operator: Client, waiting: Order) -> None:
    assert operator.get(_address(waiting, "try-again"), follow=True).status_code == 200
    assert Order.objects.get(pk=waiting.pk).state == OrderState.NEEDS_HUMAN
    operator.post(_address(waiting, "try-again"), UNPROVEN)
    operator.post(_address(waiting, "try-again"), UNPROVEN | {"own_password": "a guess"})
    assert Order.objects.get(pk=waiting.pk).state == OrderState.NEEDS_HUMAN
    operator.post(_address(waiting, "try-again"), FORM)
    found = Order.objects.get(pk=waiting.pk)
    assert (found.state, found.attempts) == (OrderState.LIVE, 2)
    assert AuditEntry.objects.get().action == "order.resumed"
    again = operator.post(_address(waiting, "try-again"), FORM)
    assert "does not wait for a person" in again.content.decode()


def test_an_order_is_given_up_only_with_a_reason(operator: Client, waiting: Order) -> None:
    operator.post(_address(waiting, "give-up"), FORM | {"reason": " "})
    assert Order.objects.get(pk=waiting.pk).state == OrderState.NEEDS_HUMAN
    operator.post(_address(waiting, "give-up"), FORM | {"reason": "marked by hand"})
    assert Order.objects.get(pk=waiting.pk).state == OrderState.SUPERSEDED
    entry = AuditEntry.objects.get(action="order.given_up")
    assert (entry.subject_id, entry.data["reason"]) == (waiting.pk, "marked by hand")


def test_a_frozen_escrow_is_set_free_with_a_reason(operator: Client, escrow: Escrow) -> None:  # noqa: F811
    Escrow.objects.filter(pk=escrow.pk).update(frozen=True)
    operator.post(_address(escrow, "unfreeze"), UNPROVEN | {"reason": "explained"})
    assert Escrow.objects.get(pk=escrow.pk).frozen
    operator.post(_address(escrow, "unfreeze"), FORM | {"reason": "explained"})
    assert not Escrow.objects.get(pk=escrow.pk).frozen
    again = operator.post(_address(escrow, "unfreeze"), FORM | {"reason": "explained"})
    assert "not frozen" in again.content.decode()


def test_staff_without_the_right_does_neither(people: stage.Cast, waiting: Order) -> None:  # noqa: F811
    client = Browser()
    client.force_login(people.lead)
    for verb in ("try-again", "give-up"):
        form = {"_form_submitted": "on", "reason": "why not"}
        assert client.post(_address(waiting, verb), form).status_code == 403


def test_every_dialog_that_does_more_than_stop_asks_for_the_password() -> None:
    stops = {"place_hold", "open_incident", "give_time", "revoke"}
    found = {}
    for shown in admin.site._registry.values():
        for name in (*shown.actions_detail, *shown.actions_list):  # type: ignore[attr-defined]
            dialog = getattr(shown, name).dialog
            found[name] = issubclass(dialog["form_class"], StepUpDialog)
    assert {name for name, asks in found.items() if not asks} == stops
    assert {"lift_hold", "unfreeze", "approve", "try_again", "end_incident", "roll"} <= set(found)


DIALOGS = {
    "escrow": {"hold", "lift", "unfreeze", "time"},
    "order": {"try-again", "give-up"},
    "approval": {"approve"},
    "payoutleg": {"retry"},
    "killswitch": {"start"},
    "incident": {"open", "end"},
    "escrowpolicy": {"budgets"},
}


def test_every_dialog_about_money_carries_what_it_showed() -> None:
    found: dict[str, set[str]] = {}
    for model, registered in admin.site._registry.items():
        if model._meta.app_label != "payments":
            continue
        names = (*registered.actions_detail, *registered.actions_list)
        for handler in (getattr(registered, name) for name in names):
            found.setdefault(model._meta.model_name or "", set()).add(handler.url_path)
            assert "seen" in handler.dialog["form_class"].base_fields, handler.url_path
    assert found == DIALOGS


@pytest.mark.parametrize("verb", ["hold", "lift", "unfreeze", "time", "try-again", "give-up"])
def test_a_dialog_that_was_opened_before_the_row_changed_does_nothing(
    operator: Client, waiting: Order, verb: str
) -> None:
    row: Escrow | Order = waiting if verb in ("try-again", "give-up") else waiting.escrow
    form = {
        "_form_submitted": "on",
        "reason": "seen before",
        "days": "2",
        "seen": "0" * 32,
        "own_password": PASSWORD,
    }
    before = AuditEntry.objects.count()
    answer = operator.post(_address(row, verb), form)
    assert "Nothing was moved by this click" in answer.content.decode()
    assert AuditEntry.objects.count() == before


def test_a_switch_is_thrown_only_from_where_it_was_seen_to_stand(operator: Client, escrow: Escrow) -> None:  # noqa: F811
    switch = KillSwitch.objects.create(network=escrow.network, kind="release", stopped=False)
    path = f"/admin/payments/killswitch/{switch.pk}/change/"
    seen_before = operator.opened(path)  # type: ignore[attr-defined]
    KillSwitch.objects.filter(pk=switch.pk).update(stopped=True, reason="an attack")
    answer = operator.post(path, seen_before | {"reason": "", "own_password": PASSWORD}, follow=True)
    assert "Nothing was moved by this click" in answer.content.decode()
    assert KillSwitch.objects.get(pk=switch.pk).stopped
    operator.post(path, {"reason": "it is over", "own_password": PASSWORD})
    assert not KillSwitch.objects.get(pk=switch.pk).stopped


@pytest.mark.parametrize("posted", ["false", "False"])
def test_a_switch_is_lifted_with_the_password_however_no_is_posted(
    operator: Client,
    escrow: Escrow,  # noqa: F811
    posted: str,
) -> None:
    switch = KillSwitch.objects.create(
        network=escrow.network, kind="release", stopped=True, reason="an attack"
    )
    path = f"/admin/payments/killswitch/{switch.pk}/change/"
    refused = operator.post(path, {"stopped": posted, "reason": "it is over"})
    assert "the password was not accepted" in refused.content.decode()
    assert KillSwitch.objects.get(pk=switch.pk).stopped
