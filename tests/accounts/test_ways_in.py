"""Links in mails work, changes of the way in need proof and are told, and the money rests after them."""

import re
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.core import context
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.contrib.sessions.backends.db import SessionStore
from django.core.mail import EmailMessage
from django.test import Client, RequestFactory

from accounts.models import User
from accounts.services import security
from core import clock
from core.models import AuditEntry, OutboxEvent

pytestmark = pytest.mark.django_db
PASSWORD, NEW = "correct horse battery", "another long sentence"
BROKEN = ("contact us", "Hello from", "testserver", "{{", "None")


@pytest.fixture(autouse=True)
def _for_real(settings: Any) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    settings.SITE_URL = "https://escrow.example"
    settings.SUPPORT_EMAIL = "help@escrow.example"


@pytest.fixture
def bob() -> User:
    user = User.objects.create_user("bob@example.com", PASSWORD, display_name="Bob")
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
    return user


@pytest.fixture
def inside(bob: User) -> Client:
    client = Client()
    client.force_login(bob)
    return client


def links(mail: EmailMessage) -> list[str]:
    """The paths of all links of a mail, whose look is checked on the way."""
    text = f"{mail.subject}\n{mail.body}"
    assert mail.subject.startswith("Holdfast: ") and "help@escrow.example" in text
    assert not [word for word in BROKEN if word in text], text
    found = re.findall(r"https?://\S+", text)
    assert found and all(link.startswith("https://escrow.example") for link in found), text
    return [link.removeprefix("https://escrow.example") or "/" for link in found]


def follow_all(mails: list[EmailMessage]) -> None:
    for mail in mails:
        for path in links(mail):
            page = Client().get(path, follow=True)
            assert page.status_code == 200, (mail.subject, path)
            assert "does not work" not in page.content.decode() or "confirm-email" in path, (
                mail.subject,
                path,
            )


def link_with(mail: EmailMessage, part: str) -> str:
    (path,) = [path for path in links(mail) if part in path]
    return path


def signed_in(email: str, password: str) -> bool:
    client = Client()
    client.post("/accounts/login/", {"login": email, "password": password})
    return "_auth_user_id" in client.session


def prove(client: Client, password: str = PASSWORD) -> None:
    client.post("/accounts/reauthenticate/", {"password": password})


def code_of(secret: str, step: int = 0) -> str:
    return totp.format_hotp_value(
        totp.hotp_value(secret, list(totp.yield_hotp_counters_from_time())[1] + step)
    )


def test_the_link_of_a_sign_up_opens_the_account(mailoutbox: list[EmailMessage]) -> None:
    client = Client()
    form = {"display_name": "Sally", "email": "sally@example.com", "password1": PASSWORD}
    assert client.post("/accounts/signup/", form).status_code == 302
    assert not signed_in("sally@example.com", PASSWORD)
    path = link_with(mailoutbox[0], "confirm-email")
    assert Client().get(path).status_code == 200
    Client().post(path)
    assert signed_in("sally@example.com", PASSWORD)
    assert User.objects.get().sign_in_changed_at is None
    follow_all(mailoutbox)


def test_the_link_of_a_reset_leads_to_a_sign_in_with_the_new_password(
    bob: User, mailoutbox: list[EmailMessage]
) -> None:
    client = Client()
    client.post("/accounts/password/reset/", {"email": "bob@example.com"})
    follow_all(mailoutbox)
    form = client.get(link_with(mailoutbox[0], "/key/"), follow=True)
    assert form.status_code == 200 and "Set a new password" in form.content.decode()
    done = client.post(form.redirect_chain[-1][0], {"password1": NEW, "password2": NEW}, follow=True)
    assert "Your password is set" in done.content.decode()
    assert signed_in("bob@example.com", NEW) and not signed_in("bob@example.com", PASSWORD)
    assert "anew" in mailoutbox[1].subject and mailoutbox[1].to == ["bob@example.com"]
    used = Client().get(link_with(mailoutbox[0], "/key/"), follow=True)
    assert "This link does not work" in used.content.decode()
    bob.refresh_from_db()
    assert security.waits_until(bob)


def test_a_reset_link_of_a_person_who_was_switched_off_opens_nothing(
    bob: User, mailoutbox: list[EmailMessage]
) -> None:
    Client().post("/accounts/password/reset/", {"email": "bob@example.com"})
    User.objects.update(is_active=False)
    page = Client().get(link_with(mailoutbox[0], "/key/"), follow=True)
    assert "This link does not work" in page.content.decode()


def test_mails_to_the_unknown_and_to_the_known_have_links_that_work(
    bob: User, mailoutbox: list[EmailMessage]
) -> None:
    Client().post("/accounts/password/reset/", {"email": "nobody@example.com"})
    form = {"display_name": "Bob", "email": "bob@example.com", "password1": PASSWORD}
    Client().post("/accounts/signup/", form)
    assert [mail.to for mail in mailoutbox] == [["nobody@example.com"], ["bob@example.com"]]
    follow_all(mailoutbox)


def test_a_session_alone_does_not_change_the_address(
    bob: User, inside: Client, mailoutbox: list[EmailMessage]
) -> None:
    asked = inside.post("/accounts/email/", {"action_add": "", "email": "thief@example.com"})
    assert asked["Location"].startswith("/accounts/reauthenticate/")
    assert not mailoutbox and not EmailAddress.objects.filter(email="thief@example.com").exists()
    for act in ("action_primary", "action_remove"):
        inside.post("/accounts/email/", {act: "", "email": "bob@example.com"})
    assert EmailAddress.objects.get().primary


def test_a_change_of_address_is_told_to_the_old_one_before_and_after(
    bob: User, inside: Client, mailoutbox: list[EmailMessage]
) -> None:
    prove(inside)
    inside.post("/accounts/email/", {"action_add": "", "email": "bob@new.example"})
    assert {tuple(mail.to) for mail in mailoutbox} == {("bob@example.com",), ("bob@new.example",)}
    bob.refresh_from_db()
    assert bob.email == "bob@example.com" and bob.sign_in_changed_at is None
    (asked,) = [mail for mail in mailoutbox if mail.to == ["bob@new.example"]]
    Client().post(link_with(asked, "confirm-email"))
    bob.refresh_from_db()
    assert bob.email == "bob@new.example" and security.waits_until(bob)
    assert mailoutbox[-1].to == ["bob@example.com"] and "bob@new.example" in mailoutbox[-1].body
    assert list(EmailAddress.objects.values_list("email", "verified")) == [("bob@new.example", True)]
    assert not signed_in("bob@example.com", PASSWORD) and signed_in("bob@new.example", PASSWORD)
    follow_all(mailoutbox)


def test_an_address_asked_for_under_the_old_password_can_no_longer_be_confirmed(
    bob: User, inside: Client, mailoutbox: list[EmailMessage]
) -> None:
    prove(inside)
    inside.post("/accounts/email/", {"action_add": "", "email": "thief@example.com"})
    (asked,) = [mail for mail in mailoutbox if mail.to == ["thief@example.com"]]
    bob.set_password(NEW)
    bob.save()
    Client().post(link_with(asked, "confirm-email"))
    bob.refresh_from_db()
    assert bob.email == "bob@example.com"


def test_an_address_that_was_never_confirmed_resets_no_password(
    bob: User, inside: Client, mailoutbox: list[EmailMessage]
) -> None:
    prove(inside)
    inside.post("/accounts/email/", {"action_add": "", "email": "mistyped@example.com"})
    mailoutbox.clear()
    Client().post("/accounts/password/reset/", {"email": "mistyped@example.com"})
    (sent,) = mailoutbox
    assert sent.to == ["mistyped@example.com"] and not [path for path in links(sent) if "/key/" in path]


def test_with_a_second_factor_the_password_alone_proves_nothing(bob: User, inside: Client) -> None:
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(bob, secret)
    sent = inside.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert sent["Location"] == "/accounts/2fa/reauthenticate/"
    asked = inside.post("/accounts/email/", {"action_add": "", "email": "bob@new.example"})
    assert asked["Location"].startswith("/accounts/2fa/reauthenticate/")
    inside.post("/accounts/2fa/reauthenticate/", {"code": code_of(secret)})
    inside.post("/accounts/email/", {"action_add": "", "email": "bob@new.example"})
    assert EmailAddress.objects.filter(email="bob@new.example").exists()


@pytest.mark.django_db(transaction=True)
def test_factors_added_and_removed_are_told_and_start_the_wait(
    bob: User, inside: Client, mailoutbox: list[EmailMessage]
) -> None:
    prove(inside)
    assert inside.get("/accounts/2fa/totp/activate/").status_code == 200
    code = code_of(inside.session[totp.SECRET_SESSION_KEY])
    assert inside.post("/accounts/2fa/totp/activate/", {"code": code}).status_code == 302
    inside.post("/accounts/2fa/recovery-codes/generate/")
    inside.post("/accounts/2fa/totp/deactivate/")
    words = [mail.subject.removeprefix("Holdfast: ") for mail in mailoutbox]
    assert words == [
        "An authenticator app was added", "New recovery codes were made", "The authenticator app was removed",
    ]  # fmt: skip
    assert not Authenticator.objects.exists()
    bob.refresh_from_db()
    assert security.waits_until(bob)
    assert "You changed how you sign in" in inside.get("/accounts/profile/").content.decode()
    follow_all(mailoutbox)


def test_every_change_of_the_way_in_starts_the_wait_and_nothing_else_does(bob: User) -> None:
    def change_password() -> None:
        bob.set_password(NEW)
        bob.save()

    def change_address() -> None:
        bob.email = "bob@new.example"
        bob.save(update_fields=["email"])

    def codes() -> Authenticator:
        return Authenticator.objects.create(user=bob, type=Authenticator.Type.RECOVERY_CODES, data={})

    def one_code_used() -> None:
        Authenticator.objects.get().save()

    def renamed() -> None:
        bob.display_name = "Robert"
        bob.save()

    def waits(change: Any) -> bool:
        User.objects.update(sign_in_changed_at=None)
        bob.refresh_from_db()
        change()
        return security.waits_until(User.objects.get()) is not None

    assert all(waits(change) for change in (change_password, change_address, codes))
    assert not any(waits(change) for change in (one_code_used, renamed, lambda: bob.check_password(NEW)))
    assert waits(Authenticator.objects.all().delete)
    told = OutboxEvent.objects.filter(type="user.sign_in_changed", subject_id=bob.pk)
    assert [event.payload["what"] for event in told.order_by("id")] == [
        "password",
        "email",
        "factor",
        "factor",
    ]
    assert AuditEntry.objects.filter(action="user.sign_in_changed", subject_id=bob.pk).count() == 4
    with clock.travelled(timedelta(hours=48, seconds=1)):
        assert security.waits_until(User.objects.get()) is None


@pytest.mark.parametrize(
    "prefix",
    [
        "account/email/password_changed", "account/email/password_set", "account/email/email_deleted",
        "account/email/email_confirm", "mfa/email/webauthn_added", "mfa/email/webauthn_removed",
    ],
)  # fmt: skip
def test_the_remaining_notices_read_like_the_others(
    bob: User, mailoutbox: list[EmailMessage], prefix: str
) -> None:
    request = RequestFactory().get("/")
    request.session, request.user = SessionStore(), bob
    with context.request_context(request):
        get_adapter(request).send_notification_mail(prefix, bob, {"deleted_email": "x@example.com"})
    follow_all(mailoutbox)
