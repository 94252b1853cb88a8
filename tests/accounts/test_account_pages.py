"""Sign-up, sign-in and profile as people meet them."""

from pathlib import Path

import allauth
import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.conf import settings

from accounts.models import User

PASSWORD = "correct horse battery"


@pytest.fixture
def bob(db):
    return User.objects.create_user("bob@example.com", PASSWORD, display_name="Bob")


def test_sign_up_needs_a_name_an_email_and_a_password_and_signs_in(client, db):
    answer = client.post(
        "/accounts/signup/",
        {"display_name": "Sally Stone", "email": "Sally@Example.com", "password1": PASSWORD},
    )
    assert answer.status_code == 302
    sally = User.objects.get()
    assert (sally.email.lower(), sally.display_name) == ("sally@example.com", "Sally Stone")
    assert client.session["_auth_user_id"] == sally.pk


def test_a_refused_sign_up_says_why_and_loses_nothing(client, db):
    page = client.post(
        "/accounts/signup/", {"display_name": "Sally", "email": "sally@example.com", "password1": "123"}
    )
    text = page.content.decode()
    assert "The account was not created yet" in text
    assert 'value="sally@example.com"' in text
    assert not User.objects.exists()


def test_sign_in_by_email_whatever_its_case(client, bob):
    assert (
        client.post("/accounts/login/", {"login": "BOB@example.com", "password": PASSWORD}).status_code == 302
    )


def test_a_wrong_password_says_what_is_wrong(client, bob):
    page = client.post("/accounts/login/", {"login": bob.email, "password": "guess"})
    assert page.status_code == 200
    assert "You are not signed in yet" in page.content.decode()


def test_sign_out_is_a_post(client, bob):
    client.force_login(bob)
    assert client.get("/accounts/logout/").status_code == 200
    assert "_auth_user_id" in client.session
    client.post("/accounts/logout/")
    assert "_auth_user_id" not in client.session


def test_the_profile_asks_an_anonymous_visitor_to_sign_in(client, db):
    answer = client.get("/accounts/profile/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")


def test_a_person_changes_their_name_and_nothing_else(client, bob):
    client.force_login(bob)
    client.post("/accounts/profile/", {"display_name": "Robert", "email": "x@example.com", "is_staff": "1"})
    bob.refresh_from_db()
    assert (bob.display_name, bob.email, bob.is_staff) == ("Robert", "bob@example.com", False)


@pytest.mark.parametrize(
    "path", ["/accounts/2fa/", "/accounts/email/", "/accounts/password/change/", "/accounts/2fa/webauthn/"]
)
def test_account_pages_open(client, bob, path):
    client.force_login(bob)
    assert client.get(path, follow=True).status_code == 200


# Every address of allauth that a person can reach: they speak in our voice and name our contact.
ROUTES = [
    "login/", "signup/", "inactive/", "confirm-email/", "confirm-email/none/", "password/reset/",
    "password/reset/done/", "password/reset/key/1-none/", "password/reset/key/done/",
]  # fmt: skip
INSIDE = [
    "logout/", "reauthenticate/", "email/", "password/change/", "2fa/", "2fa/reauthenticate/",
    "2fa/totp/activate/", "2fa/totp/deactivate/", "2fa/recovery-codes/", "2fa/recovery-codes/generate/",
    "2fa/webauthn/", "2fa/webauthn/add/",
]  # fmt: skip
NOT_OURS = ("ontact us", "Successfully", "Two-Factor", "Authenticator App", "Security Keys", "{%", "{{")


def speaks_our_voice(text: str) -> bool:
    return "support@" in text and "Holdfast" in text and not [word for word in NOT_OURS if word in text]


@pytest.mark.parametrize("path", ROUTES)
def test_pages_for_guests_speak_our_voice_and_name_the_contact(client, db, path):
    page = client.get(f"/accounts/{path}")
    assert page.status_code == 200 and speaks_our_voice(page.content.decode())


def test_pages_inside_speak_our_voice_and_name_the_contact(client, bob, settings):
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 1000
    client.force_login(bob)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    TOTP.activate(bob, generate_totp_secret())
    RecoveryCodes.activate(bob)
    shown = {path: client.get(f"/accounts/{path}", follow=True) for path in INSIDE}
    wrong = {path for path, page in shown.items() if page.status_code != 200}
    assert not wrong
    assert not [path for path, page in shown.items() if not speaks_our_voice(page.content.decode())]


def test_the_second_step_of_a_sign_in_speaks_our_voice(client, bob):
    TOTP.activate(bob, generate_totp_secret())
    page = client.post("/accounts/login/", {"login": bob.email, "password": PASSWORD}, follow=True)
    assert "One more step" in page.content.decode() and speaks_our_voice(page.content.decode())


def test_every_template_that_allauth_shows_or_mails_is_our_own():
    """What is not ours is no route here: codes by mail, phones, sign-up by passkey, trusted browsers."""
    off = (
        "_code.",
        "_code_",
        "phone",
        "passkey",
        "signup_form",
        "trust",
        "/snippets/",
        "/base",
        "email.html",
    )
    theirs = Path(allauth.__file__).parent / "templates"
    shown = [path for part in ("account", "mfa") for path in theirs.glob(f"{part}/**/*.*")]
    names = [str(path.relative_to(theirs)) for path in shown]
    missing = [name for name in names if not (Path(settings.BASE_DIR) / "templates" / name).exists()]
    left = [name for name in missing if not any(word in f"/{name}" for word in off)]
    assert left == ["mfa/recovery_codes/download.txt"]
