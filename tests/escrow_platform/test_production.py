"""What runs for real: every secret is asked for, nothing of the demo exists, no door key is in a log."""

import logging
import os
import runpy
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from accounts.models import User
from chain.models import Network
from core.errors import Forbidden
from escrow_platform.settings.logs import without_secrets
from escrow_platform.stack.demo import environment
from payments.models import Escrow
from payments.services import demo_wallet
from tests.disputes.conftest import escrow, people, token  # noqa: F401  (fixtures are shared by import)

ROOT = Path(__file__).resolve().parents[2]
NEEDED = {
    "SECRET_KEY": "k3-" + "vZ8qLr0TnWx5" * 5,
    "KEYSTORE_PASSWORD": "a long and random one",
    "ALLOWED_HOSTS": "escrow.example",
    "SITE_URL": "https://escrow.example",
    "DATABASE_URL": "postgres://somebody@127.0.0.1:1/nothing",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "EMAIL_URL": "consolemail://",
    "DEFAULT_FROM_EMAIL": "escrow@escrow.example",
    "SUPPORT_EMAIL": "help@escrow.example",
    "TRUSTED_PROXIES": "127.0.0.1,10.0.7.0/28",
}


def _run(*words: str, **changes: str | None) -> subprocess.CompletedProcess[str]:
    wanted = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "escrow_platform.settings.production"}
    env = {name: value for name, value in (wanted | NEEDED | changes).items() if value is not None}
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def test_the_deployment_check_is_content() -> None:
    found = _run("manage.py", "check", "--deploy", "--fail-level", "INFO")
    assert found.returncode == 0, found.stderr
    assert "no issues" in found.stdout


@pytest.mark.parametrize("name", sorted(NEEDED))
@pytest.mark.parametrize("value", [None, " "])
def test_nothing_starts_without_a_variable_that_it_needs(name: str, value: str | None) -> None:
    found = _run("-c", "import escrow_platform.settings.production", **{name: value})
    if (name, value) != ("EMAIL_URL", " "):  # read by a library, which refuses it in its own words
        assert name in found.stderr
    assert found.returncode != 0


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("SECRET_KEY", "vZ8qLr0TnWx5", "at least 50 random characters"),
        ("SECRET_KEY", "a" * 64, "too easy to guess"),
        ("KEYSTORE_PASSWORD", "hunter2", "at least 16 random characters"),
        ("ALLOWED_HOSTS", "*", "host names"),
        ("ALLOWED_HOSTS", "escrow.example, *", "host names"),
        ("ALLOWED_HOSTS", "https://escrow.example", "host names"),
        ("SITE_URL", "http://escrow.example", "https address"),
        ("SITE_URL", "https://escrow.example/app", "https address"),
        ("SITE_URL", "https://elsewhere.example", "add elsewhere.example"),
        ("CSRF_TRUSTED_ORIGINS", "http://escrow.example", "https origins"),
        ("CSRF_TRUSTED_ORIGINS", "https://*.example", "https origins"),
        ("TRUSTED_PROXIES", "*", "addresses or networks"),
        ("TRUSTED_PROXIES", "the proxy", "addresses or networks"),
        ("TRUSTED_PROXIES", "0.0.0.0/0", "must not trust everybody"),
        ("TRUSTED_PROXIES", "127.0.0.1,::/0", "must not trust everybody"),
        ("DATABASE_URL", "sqlite:///nothing", "PostgreSQL address"),
    ],
)
def test_a_weak_or_wrong_value_stops_the_start_with_a_sentence(
    name: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, good in (NEEDED | {name: value}).items():
        monkeypatch.setenv(variable, good)
    with pytest.raises(ImproperlyConfigured, match=name) as refused:
        runpy.run_module("escrow_platform.settings.production")
    assert told in str(refused.value)


def test_no_proxy_at_all_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, good in (NEEDED | {"TRUSTED_PROXIES": "none"}).items():
        monkeypatch.setenv(variable, good)
    assert runpy.run_module("escrow_platform.settings.production")["TRUSTED_PROXIES"] == []


_ASK = """
import django; django.setup()
from django.conf import settings
from django.urls import NoReverseMatch, reverse
assert not settings.DEBUG and not settings.DEMO and not settings.KEYSTORE_LIGHT
assert settings.STAFF_NEED_SECOND_FACTOR and not settings.CRASH_POINTS_ENABLED
assert settings.SESSION_COOKIE_SECURE and settings.CSRF_COOKIE_SECURE and settings.SESSION_COOKIE_HTTPONLY
assert settings.ACCOUNT_EMAIL_VERIFICATION == "mandatory" and settings.ACCOUNT_PREVENT_ENUMERATION
assert settings.CLOCK_BOUNDS["inspect"][0] == 3 * 86_400 and settings.CLOCKS["appeal"] == 72 * 3600
try:
    reverse("demo_pay", args=["deal_" + "0" * 26, "esc_" + "0" * 26])
except NoReverseMatch:
    print("as it should be")
"""


def test_real_settings_are_strict_and_know_no_demo_wallet() -> None:
    found = _run("-c", _ASK, DEBUG="1", DEMO="1")
    assert found.stdout.strip() == "as it should be", found.stderr


@pytest.mark.parametrize("entry", ["asgi", "celery"])
def test_servers_that_were_told_nothing_run_for_real(entry: str) -> None:
    ask = f"import escrow_platform.{entry}; from django.conf import settings; print(settings.DEMO)"
    assert _run("-c", ask, DJANGO_SETTINGS_MODULE=None).stdout.strip() == "False"
    assert environment("folder", 1)["DJANGO_SETTINGS_MODULE"] == "escrow_platform.settings.local"


@pytest.mark.django_db
@pytest.mark.parametrize("command", ["demo_seed", "demo_play", "demo_summary"])
def test_people_with_known_passwords_are_never_made_for_real(command: str, settings: Any) -> None:
    settings.DEMO = False
    with pytest.raises(CommandError, match="only with the local settings"):
        call_command(command)
    settings.DEMO = True
    Network.objects.create(slug="ethereum", name="Ethereum", chain_id=1)
    with pytest.raises(CommandError, match="real network"):
        call_command(command)
    assert not User.objects.exists()


@pytest.mark.django_db
def test_the_demo_wallet_pays_nowhere_else(escrow: Escrow, settings: Any) -> None:  # noqa: F811
    settings.DEMO = False
    with pytest.raises(Forbidden):
        demo_wallet.pay(escrow, 1)


@pytest.mark.parametrize(
    "line",
    [
        "GET /deals/invitations/{}/",
        "POST /deals/invitations/{}/join/",
        "GET /accounts/login/?next=/deals/invitations/{}/",
        "GET /accounts/login/?next=%2Fdeals%2Finvitations%2F{}%2F",
        "GET /accounts/password/reset/key/{}/",
        "GET /accounts/confirm-email/{}/",
        'Not Found: /deals/invitations/{}"',
    ],
)
def test_what_opens_a_door_is_left_out_of_the_logs(line: str) -> None:
    secret = line.format("1a:s3cr-_t")
    told = without_secrets(None, "info", {"request": secret, "event": secret, "code": 200})
    assert told == {"request": line.format("***"), "event": line.format("***"), "code": 200}


def test_addresses_that_open_nothing_stay_whole() -> None:
    line = "GET /accounts/password/reset/key/done/ /deals/deal_1/escrows/esc_2/"
    assert without_secrets(None, "info", {"event": line})["event"] == line


@pytest.mark.django_db
def test_the_log_of_a_real_request_tells_no_invitation(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    written = StringIO()
    (console,) = [item for item in logging.getLogger().handlers if item.get_name() == "console"]
    monkeypatch.setattr(console, "stream", written)
    client.get("/deals/invitations/s3cr-_t-of-somebody/")
    assert "/deals/invitations/***" in written.getvalue()
    assert "s3cr" not in written.getvalue()
