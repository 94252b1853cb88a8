"""Guesses are counted by who guesses, in one place; hashes are few at a time; codes work once."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal import auth as totp
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core.cache import cache
from django.core.mail import EmailMessage
from django.db import connection, transaction
from django.test import Client

from accounts import hashing, stepup
from accounts.hashing import Busy, Places
from accounts.models import User, WrongTry
from accounts.services import guesses
from core import netguard
from tests.accounts.test_ways_in import NEW, PASSWORD, code_of

pytestmark = pytest.mark.django_db
LIMIT = guesses.MAX_FAILURES


@pytest.fixture
def bob() -> User:
    user = User.objects.create_user("bob@example.com", PASSWORD, display_name="Bob")
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
    return user


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every hash that is made."""
    made, plain = [], MD5PasswordHasher.encode

    def encode(self: Any, password: str, *args: Any, **kwargs: Any) -> str:
        made.append(password)
        return plain(self, password, *args, **kwargs)

    monkeypatch.setattr(MD5PasswordHasher, "encode", encode)
    return made


def sign_in(client: Client, email: str = "bob@example.com", password: str = PASSWORD) -> bool:
    client.post("/accounts/login/", {"login": email, "password": password})
    return "_auth_user_id" in client.session


def known_browser() -> Client:
    client = Client()
    assert sign_in(client)
    client.post("/accounts/logout/")
    return client


def test_a_strangers_guesses_keep_strangers_out_and_nobody_from_a_browser_that_is_known(
    bob: User, mailoutbox: list[EmailMessage]
) -> None:
    mine = known_browser()
    for _ in range(LIMIT):
        assert not sign_in(Client(), password="a guess")
    assert not sign_in(Client()), "from anywhere else even the right one waits"
    assert sign_in(mine)
    fresh = Client()
    fresh.post("/accounts/password/reset/", {"email": "bob@example.com"})
    path = link_with_of(mailoutbox[-1])
    form = fresh.get(path, follow=True)
    fresh.post(form.redirect_chain[-1][0], {"password1": NEW, "password2": NEW})
    assert sign_in(fresh, password=NEW), "whoever reads the mailbox gets in from a new browser"


def link_with_of(mail: EmailMessage) -> str:
    words = [word for word in mail.body.split() if "/key/" in word]
    return words[0].partition("8000")[2]


def test_the_cookie_of_a_browser_is_good_for_one_person_and_has_a_limit_of_its_own(bob: User) -> None:
    mine = known_browser()
    for _ in range(LIMIT):
        assert not sign_in(mine, password="a guess")
    assert not sign_in(mine)
    assert sign_in(Client()), "my own mistakes are not counted against others"
    assert not guesses._secret(mine.get("/").wsgi_request, "other@example.com")
    mine.cookies[guesses.KNOWN] = "made:up"
    assert not guesses._secret(mine.get("/").wsgi_request, "bob@example.com")


def test_known_and_unknown_addresses_are_refused_alike(bob: User) -> None:
    answers = []
    for email in ("bob@example.com", "nobody@example.com"):
        for _ in range(LIMIT + 1):
            page = Client().post("/accounts/login/", {"login": email, "password": "a guess"})
        answers.append(page.context["form"].non_field_errors())
    assert answers[0] == answers[1] and "Too many wrong tries" in answers[0][0]


def test_many_addresses_from_one_network_are_bounded(bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guesses, "MAX_BY_NETWORK", 3)
    for number in range(3):
        sign_in(Client(), f"person{number}@example.com", "a guess")
    assert not sign_in(Client())


def test_one_count_for_all_pages_of_a_session_and_another_for_the_owners(bob: User) -> None:
    thief, owner = Client(), Client()
    for client in (thief, owner):
        client.force_login(bob)
    change = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    for number in range(LIMIT):
        if number % 2:
            thief.post("/accounts/reauthenticate/", {"password": "a guess"})
        else:
            thief.post("/accounts/password/change/", change | {"oldpassword": "a guess"})
    assert WrongTry.objects.count() == LIMIT
    assert thief.post("/accounts/password/change/", change).status_code == 200, "refused"
    assert thief.post("/accounts/reauthenticate/", {"password": PASSWORD}).status_code == 200
    assert owner.post("/accounts/password/change/", change).status_code == 302
    assert User.objects.get().check_password(NEW)


def test_the_consoles_page_for_a_password_is_everybodys() -> None:
    client = Client()
    client.force_login(User.objects.create_superuser(email="op@example.com", password=PASSWORD))
    assert client.get("/admin/password_change/")["Location"] == "/accounts/password/change/"
    tried = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    client.post("/admin/password_change/", tried)
    assert User.objects.get().check_password(PASSWORD)


def test_over_the_limit_nothing_is_hashed_and_never_within_a_transaction(
    bob: User, hashes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(LIMIT):
        stepup.confirm(bob, "a guess")
    hashes.clear()
    assert not stepup.confirm(bob, PASSWORD) and not hashes
    WrongTry.objects.all().delete()
    monkeypatch.setattr(netguard, "ALLOWED_DEPTH", len(connection.savepoint_ids) + 1)
    with transaction.atomic(), pytest.raises(netguard.NetworkInsideTransaction):
        stepup.confirm(bob, PASSWORD)
    assert not hashes


def test_a_known_and_an_unknown_address_cost_the_same_work(
    bob: User, hashes: list[str], mailoutbox: list[EmailMessage], settings: Any
) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"

    def work(do: Any) -> tuple[int, int]:
        hashes.clear()
        mailoutbox.clear()
        do()
        return len(hashes), len(mailoutbox)

    def sign_up(email: str) -> None:
        form = {"display_name": "X", "email": email, "password1": PASSWORD}
        assert Client().post("/accounts/signup/", form).status_code == 302

    known, unknown = "bob@example.com", "new@example.com"
    assert work(lambda: sign_up(known)) == work(lambda: sign_up(unknown)) == (1, 1)
    for_sign_in = [
        work(lambda email=email: sign_in(Client(), email, "a guess")) for email in (known, "no@x.org")
    ]
    assert for_sign_in == [(1, 0), (1, 0)]
    reset = "/accounts/password/reset/"
    asked = [
        work(lambda email=email: Client().post(reset, {"email": email})) for email in (known, "no@x.org")
    ]
    assert asked == [(0, 1), (0, 1)]


def test_one_person_has_two_hashes_at_once_and_everybody_else_theirs() -> None:
    with hashing.of_person("usr_1"), hashing.of_person("usr_1"):
        with pytest.raises(Busy), hashing.of_person("usr_1"):
            pass
        with hashing.of_person("usr_2"):
            pass
    with hashing.of_person("usr_1"):
        pass


def test_a_process_makes_so_many_hashes_at_once_and_lets_a_few_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "_lend_connection", lambda: None)
    places, most, inside, lock = Places(2), 0, 0, threading.Lock()

    def hash_one() -> None:
        nonlocal most, inside
        with places.taken():
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.02)
            with lock:
                inside -= 1

    threads = [threading.Thread(target=hash_one) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2
    monkeypatch.setattr(hashing, "PATIENCE", 0.01)
    one = Places(1)
    with one.taken(), pytest.raises(Busy), one.taken():
        pass
    with one.taken():
        pass


def test_a_flood_is_told_that_nothing_happened_and_costs_no_try(
    bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def full(user_id: str) -> Iterator[None]:
        raise Busy
        yield

    monkeypatch.setattr(hashing, "of_person", full)
    client = Client()
    client.force_login(bob)
    page = client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert page.status_code == 503 and page["Retry-After"] == "30"
    assert "no money moved" in page.content.decode() and not WrongTry.objects.exists()


def test_the_hashers_of_the_product_take_a_place(settings: Any) -> None:
    from escrow_platform.settings import base

    assert base.PASSWORD_HASHERS == ["accounts.hashing.Argon2", "accounts.hashing.PBKDF2"]
    for hasher in (hashing.Argon2, hashing.PBKDF2):
        assert issubclass(hasher, hashing.Bounded)
    assert hashing.PBKDF2().verify("x", hashing.PBKDF2().encode("x", "salt", 1))


# The second factor -----------------------------------------------------------------------------------


@pytest.fixture
def secret(bob: User) -> str:
    found = totp.generate_totp_secret()
    totp.TOTP.activate(bob, found)
    return found


def with_code(code: str) -> bool:
    client = known_browser_without_code()
    client.post("/accounts/2fa/authenticate/", {"code": code})
    return "_auth_user_id" in client.session


def known_browser_without_code() -> Client:
    client = Client()
    client.post("/accounts/login/", {"login": "bob@example.com", "password": PASSWORD})
    return client


def test_a_code_of_the_step_before_works_and_none_works_twice(
    secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = time.time() // 30 * 30 + 1
    monkeypatch.setattr(totp.time, "time", lambda: start)
    before, now = code_of(secret, -1), code_of(secret)
    assert with_code(before) and not with_code(before)
    assert with_code(now)
    cache.clear()  # another process
    monkeypatch.setattr(totp.time, "time", lambda: start + 30)
    assert not with_code(now), "still within the tolerance, and used"
    assert not with_code(code_of(secret, -1)), "the same"
    dashed = f"{code_of(secret)[:3]}-{code_of(secret)[3:]}"
    assert with_code(dashed) and not with_code(code_of(secret)), "the next one, however it is written"
    assert not with_code(code_of(secret, -2)), "older than the tolerance"


def test_who_reads_the_mailbox_does_not_start_the_count_of_codes_anew(
    secret: str, mailoutbox: list[EmailMessage]
) -> None:
    for number in range(LIMIT + 1):
        cache.clear()
        thief, password = Client(), f"{NEW} {number}"
        thief.post("/accounts/password/reset/", {"email": "bob@example.com"})
        (path,) = (link_with_of(mail) for mail in mailoutbox[-1:])
        form = thief.get(path, follow=True)
        thief.post(form.redirect_chain[-1][0], {"password1": password, "password2": password})
        thief.post("/accounts/login/", {"login": "bob@example.com", "password": password})
        last = number == LIMIT
        thief.post("/accounts/2fa/authenticate/", {"code": code_of(secret) if last else "000000"})
    assert "_auth_user_id" not in thief.session


def test_many_browsers_that_are_known_share_a_count_of_codes(
    bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever knew the password before there was a second factor has signed in as often as they like."""
    monkeypatch.setattr(guesses, "MAX_CODES", 2)
    browsers = [known_browser() for _ in range(3)]
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(bob, secret)
    for browser, code in zip(browsers, ("000000", "000000", code_of(secret)), strict=True):
        sign_in(browser)
        browser.post("/accounts/2fa/authenticate/", {"code": code})
        assert "_auth_user_id" not in browser.session


def test_guesses_at_codes_are_counted_by_person_and_not_by_process(secret: str) -> None:
    for _ in range(LIMIT):
        cache.clear()
        assert not with_code("000000")
    cache.clear()
    assert not with_code(code_of(secret))
