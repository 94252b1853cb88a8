"""What only a person can end: an order that calls for one, and an escrow that was frozen."""

import pytest
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.test import Client

from accounts.models import User
from accounts.staffstepup import StepUpDialog
from core.models import AuditEntry
from payments.models import Escrow, Order, OrderKind
from payments.services import orders
from payments.states import OrderState
from tests.disputes import cast as stage
from tests.disputes.conftest import escrow, people, token  # noqa: F401  (fixtures are shared by import)

pytestmark = pytest.mark.django_db
PASSWORD = "a long password"
UNPROVEN = {"_form_submitted": "on"}
FORM = UNPROVEN | {"own_password": PASSWORD}


@pytest.fixture
def operator() -> Client:
    client = Client()
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
    client = Client()
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
