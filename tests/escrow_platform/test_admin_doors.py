"""The admin has one door, shows no secret by any way round, and nothing in it happens by a mere link."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.admin.utils import quote as in_address
from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import User
from core import audit, clock, console, deadlines
from core.console import ReadOnlyAdmin
from core.models import AuditEntry, Deadline, OutboxEvent
from payments.models import Escrow, Order, Party, PayoutLeg
from tests.browser import Browser
from tests.disputes import cast as stage
from tests.disputes.conftest import escrow, people, token  # noqa: F401  (fixtures are shared by import)

pytestmark = pytest.mark.django_db
PASSWORD = "a long password"
PAID = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


@pytest.fixture
def operator() -> Client:
    client = Browser()
    client.force_login(User.objects.create_superuser(email="op@example.com", password=PASSWORD))
    return client


def test_the_admin_has_no_sign_in_of_its_own_that_would_pass_by_limits_and_second_factors() -> None:
    User.objects.create_superuser(email="op@example.com", password=PASSWORD)
    client = Browser()
    posted = client.post("/admin/login/?next=/admin/", {"username": "op@example.com", "password": PASSWORD})
    assert posted.status_code == 302
    assert posted["Location"] == "/accounts/login/?next=/admin/"
    assert "_auth_user_id" not in client.session


def test_the_door_leads_nowhere_but_to_this_site(operator: Client) -> None:
    assert operator.get("/admin/login/?next=https://evil.example/")["Location"] == "/admin/"
    assert operator.get("/admin/login/?next=/admin/core/")["Location"] == "/admin/core/"


def test_who_is_no_staff_is_told_so_instead_of_asked_again(people: stage.Cast) -> None:  # noqa: F811
    client = Browser()
    client.force_login(people.buyer)
    assert client.get("/admin/login/").status_code == 403


def test_staff_without_a_second_factor_is_sent_to_set_one_up(operator: Client, settings: Any) -> None:
    settings.STAFF_NEED_SECOND_FACTOR = True
    inside = operator.get("/admin/disputes/dispute/", follow=True)
    assert inside.redirect_chain[-1][0] == "/accounts/2fa/"
    assert "second factor" in inside.content.decode()
    user = User.objects.get(email="op@example.com")
    Authenticator.objects.create(user=user, type=Authenticator.Type.RECOVERY_CODES, data={})
    assert operator.get("/admin/disputes/dispute/").status_code == 302
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={})
    assert operator.get("/admin/disputes/dispute/").status_code == 200


def deadline(number: int, minutes: int, state: str = "waiting", **more: Any) -> Deadline:
    due = clock.now() + timedelta(minutes=minutes)
    facts = {"kind": "pay", "subject_id": f"esc_{number}", "due_at": due, "next_try_at": due} | more
    return Deadline.objects.create(state=state, created=clock.now(), **facts)


def shown(operator: Client, page: str) -> list[Any]:
    """The rows of a list, in its order."""
    response = operator.get(f"/admin/{page}")
    assert response.status_code == 200, page
    return list(response.context["cl"].result_list)


def test_a_console_finds_whole_values_and_counts_only_so_far(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts of words and full counts would read whole tables."""
    for number in range(7):
        deadline(number, 5)
    monkeypatch.setattr(console, "MOST_COUNTED", 5)
    response = operator.get("/admin/core/deadline/")
    assert response.context["cl"].paginator.count == 5
    assert len(shown(operator, "core/deadline/?q=esc_3")) == 1
    assert shown(operator, "core/deadline/?q=esc_") == []


def test_deadlines_stand_by_when_they_are_tried_and_those_that_did_not_happen_are_found(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "_ASK_AGAIN", timedelta(minutes=5))
    late = deadline(1, -60, next_try_at=clock.now() + timedelta(minutes=2))
    later, soon = deadline(2, 90), deadline(3, 3)
    passed, cancelled = deadline(4, -90, "passed"), deadline(5, 1, "cancelled")
    assert shown(operator, "core/deadline/") == [late, soon, later]
    assert shown(operator, "core/deadline/?standing=overdue") == [late]
    assert shown(operator, "core/deadline/?standing=passed") == [passed]
    assert shown(operator, "core/deadline/?standing=cancelled") == [cancelled]
    assert shown(operator, "core/deadline/?standing=overdue&kind=deliver") == []
    assert shown(operator, "core/deadline/?q=esc_4") == [passed], "a search looks at what is over as well"


@pytest.mark.parametrize("asked", ["usr_1", "Olga <olga@example.org>", "hold.lifted", "esc_1"])
def test_the_audit_log_is_found_by_who_and_by_what(operator: Client, asked: str) -> None:
    entry = audit.write(
        "hold.lifted", subject_id="esc_1", actor_id="usr_1", actor_label="Olga <olga@example.org>"
    )
    audit.write("hold.placed", subject_id="esc_2", actor_id="usr_2", actor_label="Ada <ada@example.org>")
    assert shown(operator, f"core/auditentry/?q={quote(asked)}") == [entry]


def test_what_was_done_to_a_person_does_not_hide_what_the_person_did(operator: Client) -> None:
    did = audit.write("hold.lifted", subject_id="esc_1", actor_id="usr_1", actor_label="Olga")
    suffered = audit.write("user.changed", subject_id="usr_1", actor_id="usr_2", actor_label="Ada")
    assert shown(operator, "core/auditentry/?q=usr_1") == [suffered, did]
    assert shown(operator, "core/auditentry/?q=usr_2") == [suffered]


def test_people_are_found_by_their_address_however_it_is_written(operator: Client) -> None:
    someone = User.objects.create_user(email="Some.One@example.org", password=PASSWORD)
    assert someone.email == "some.one@example.org"
    assert shown(operator, "accounts/user/?q=Some.One@Example.org") == [someone]
    assert shown(operator, "accounts/user/?q=no.one@example.org") == []


def test_deals_are_found_by_a_party_and_legs_by_who_is_paid(operator: Client, escrow: Escrow) -> None:  # noqa: F811
    """By the address of the invitation, and by the one that the person has now."""
    sides = list(escrow.deal.parties.order_by("role"))
    assert {side.user is None for side in sides} == {False}
    for side in sides:
        for email in (side.user.email, side.user.email.upper()):
            assert shown(operator, f"payments/deal/?q={quote(email)}") == [escrow.deal]
    Party.objects.filter(pk=sides[1].pk).update(email="before.she.changed.it@example.org")
    assert shown(operator, f"payments/deal/?q={sides[1].user.email}") == [escrow.deal]
    Party.objects.filter(pk=sides[0].pk).update(user=None, email="invited@example.org")
    assert shown(operator, "payments/deal/?q=Invited@example.org") == [escrow.deal]
    assert shown(operator, "payments/deal/?q=nobody@example.org") == []
    assert shown(operator, f"payments/deal/?q={escrow.deal_id}") == [escrow.deal]
    order = Order.objects.create(escrow=escrow, kind="release", created=clock.now())
    leg = PayoutLeg.objects.create(
        escrow=escrow, order=order, kind="release", n=1, recipient=PAID, token=escrow.token, amount=5,
        created=clock.now(),
    )  # fmt: skip
    assert shown(operator, f"payments/payoutleg/?q={PAID}") == [leg]
    assert shown(operator, f"payments/payoutleg/?q={PAID.lower()}") == [leg]
    assert shown(operator, "payments/payoutleg/?q=" + "0x" + "12" * 20) == []


def test_no_packages_own_console_edits_people_or_duties_behind_the_services() -> None:
    found = {model._meta.label: type(shown) for model, shown in admin.site._registry.items()}
    assert not {"account.EmailAddress", "mfa.Authenticator"} & set(found)
    for label, shown in found.items():
        if label.startswith("django_celery_beat."):
            assert issubclass(shown, ReadOnlyAdmin), label


@pytest.mark.parametrize(
    "address",
    [
        "/admin/accounts/user/?password__startswith=argon2",
        "/admin/payments/order/?payload__icontains=signatures",
        "/admin/chain/call/?idempotency_key__startswith=a",
        "/admin/chain/transaction/?data__contains=a",
        "/admin/wallets/key/?keystore__contains=a",
    ],
)
def test_a_list_cannot_be_asked_about_what_it_does_not_show(operator: Client, address: str) -> None:
    assert operator.get(address).status_code in (302, 400)


@pytest.mark.parametrize(
    "address",
    [
        "/admin/payments/escrow/?state__exact=funded&frozen__exact=0",
        "/admin/chain/call/?outcome__exact=done",
        "/admin/accounts/user/?is_staff__exact=1",
    ],
)
def test_the_filters_of_a_list_still_work(operator: Client, address: str) -> None:
    assert operator.get(address).status_code == 200


def test_bytes_for_the_chain_are_on_no_page() -> None:
    for model, shown in admin.site._registry.items():
        fields = set(shown.get_readonly_fields(None, None)) if isinstance(shown, ReadOnlyAdmin) else set()  # type: ignore[arg-type]
        hidden = {"chain.Call": {"data"}, "chain.Transaction": {"data"}, "payments.Order": {"payload"}}
        assert not fields & hidden.get(model._meta.label, set()), model


def _hold(escrow: Escrow, verb: str) -> str:  # noqa: F811
    return f"/admin/payments/escrow/{in_address(escrow.pk)}/{verb}/"


def test_a_hold_is_placed_with_a_reason_and_lifted_but_never_by_a_link(
    operator: Client,
    escrow: Escrow,  # noqa: F811
) -> None:
    assert operator.get(_hold(escrow, "hold"), follow=True).status_code == 200
    assert not Escrow.objects.get().held_reason
    blank = operator.post(_hold(escrow, "hold"), {"_form_submitted": "on", "reason": " "})
    assert blank.status_code == 200 and not Escrow.objects.get().held_reason
    operator.post(_hold(escrow, "hold"), {"_form_submitted": "on", "reason": "a hit on a list"})
    assert Escrow.objects.get().held_reason == "a hit on a list"
    operator.get(_hold(escrow, "lift"))
    assert Escrow.objects.get().held_reason == "a hit on a list"
    operator.post(_hold(escrow, "lift"), {"_form_submitted": "on", "own_password": "a guess"})
    assert Escrow.objects.get().held_reason == "a hit on a list"
    operator.post(_hold(escrow, "lift"), {"_form_submitted": "on", "own_password": PASSWORD})
    assert Escrow.objects.get().held_reason == ""
    assert [entry.action for entry in AuditEntry.objects.order_by("id")] == ["hold.placed", "hold.lifted"]
    gone = operator.post(
        "/admin/payments/escrow/esc_none/lift/", {"_form_submitted": "on", "own_password": PASSWORD}
    )
    assert gone.status_code == 404


def test_a_hold_needs_the_right_to_place_it(people: stage.Cast, escrow: Escrow) -> None:  # noqa: F811
    client = Browser()
    client.force_login(people.lead)
    assert client.post(_hold(escrow, "hold"), {"_form_submitted": "on", "reason": "x"}).status_code == 403


def test_a_change_of_a_persons_rights_is_in_the_audit_log(operator: Client, people: stage.Cast) -> None:  # noqa: F811
    form = {"is_active": "on", "is_staff": "on", "groups": []}
    assert operator.post(f"/admin/accounts/user/{people.stranger.pk}/change/", form).status_code == 200
    form |= {"own_password": PASSWORD}
    answer = operator.post(f"/admin/accounts/user/{people.stranger.pk}/change/", form)
    assert answer.status_code == 302
    entry = AuditEntry.objects.get(action="user.rights_changed")
    assert (entry.subject_id, entry.data["is_staff"], entry.data["groups"]) == (people.stranger.pk, True, [])


def test_no_right_is_given_without_the_password_to_who_is_switched_off_by_the_same_click(
    operator: Client,
    people: stage.Cast,  # noqa: F811
) -> None:
    address = f"/admin/accounts/user/{people.stranger.pk}/change/"
    group = Group.objects.create(name="a right").pk
    for given in ({"is_staff": "on"}, {"groups": [group]}):
        assert "the password was not accepted" in operator.post(address, given).content.decode()
    people.stranger.refresh_from_db()
    assert people.stranger.is_active and not people.stranger.is_staff and not people.stranger.groups.exists()
    people.stranger.groups.add(group)
    assert operator.post(address, {"groups": [group]}).status_code == 302, "what they had is no gift"
    people.stranger.refresh_from_db()
    assert not people.stranger.is_active


def test_switching_somebody_off_and_on_is_told_to_others_and_closes_running_sessions(
    operator: Client,
    people: stage.Cast,  # noqa: F811
) -> None:
    inside = Client()
    inside.force_login(people.stranger)
    address = f"/admin/accounts/user/{people.stranger.pk}/change/"
    for form, event, door in (
        ({}, "user.disabled", 302),
        ({"is_active": "on", "own_password": PASSWORD}, "user.enabled", 200),
    ):
        assert operator.post(address, form).status_code == 302
        assert operator.post(address, form).status_code == 302, "told once"
        assert OutboxEvent.objects.get(type=event).subject_id == people.stranger.pk
        entry = AuditEntry.objects.get(action=event)
        assert (entry.subject_id, entry.actor_label) == (people.stranger.pk, "op <op@example.com>")
        assert inside.get("/accounts/profile/").status_code == door
