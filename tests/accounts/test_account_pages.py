"""Sign-up, sign-in and profile as people meet them."""

import pytest

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
