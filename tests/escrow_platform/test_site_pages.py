"""Pages without an account: they open, name the published rules and keep the content policy."""

import re

import pytest
from django.conf import settings

from accounts.models import User

PUBLIC = ["/", "/help/", "/rules/", "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"]
INLINE = re.compile(
    r"<style|\sstyle=|\son[a-z]+=\"|<script(?![^>]*\ssrc=)(?![^>]*type=\"application/json\")", re.I
)


@pytest.mark.parametrize("path", PUBLIC)
def test_public_pages_open_without_inline_script_or_style(client, db, path):
    page = client.get(path)
    assert page.status_code == 200
    assert not INLINE.search(page.content.decode())


def test_the_content_policy_is_strict_on_pages(client, db):
    policy = client.get("/")["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


def test_only_the_admin_may_evaluate_script(client, db):
    staff = User.objects.create_superuser("op@example.com", "correct horse battery")
    client.force_login(staff)
    policy = client.get("/admin/")["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-eval'" in policy
    assert "script-src 'self' 'unsafe-eval' 'unsafe-inline'" not in policy
    assert "unsafe" not in client.get("/accounts/profile/")["Content-Security-Policy"]


def test_an_unknown_address_says_that_no_money_is_concerned(client, db):
    page = client.get("/nowhere/")
    assert page.status_code == 404
    assert "Nothing happened to any money" in page.content.decode()


def test_the_rules_page_shows_the_numbers_the_timers_use(client, db):
    text = client.get("/rules/").content.decode()
    assert f"{settings.CLOCKS['accept'] // 86_400} days" in text
    assert f"{settings.PLATFORM_FEE_BPS // 100} %" in text
