"""Limits are announced, kept and never in the way when Redis is gone; no answer leaks how it failed."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from partners.services.keys import IssuedKey
from tests.partners.conftest import client_of

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.partners.urls")]
ADDRESS = "/api/v1/counter"
MEMBERS = {"type", "title", "status", "detail", "instance", "code", "errors", "request_id"}


def test_a_key_is_limited_and_told_how_it_stands(api: APIClient, settings: Any) -> None:
    settings.API_RATE_LIMITS = {"key": (2, 3600), "ip": (100, 3600)}
    first = api.get(ADDRESS)
    assert first["RateLimit-Policy"] == '"ip";q=100;w=3600, "key";q=2;w=3600'
    assert '"key";r=1;t=' in first["RateLimit"]
    assert api.get(ADDRESS).status_code == 200
    refused = api.get(ADDRESS)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert 1 <= int(refused["Retry-After"]) <= 3600
    assert '"key";r=0' in refused["RateLimit"]


def test_an_address_that_guesses_keys_is_limited(settings: Any, db: None) -> None:
    settings.API_RATE_LIMITS = {"key": (100, 3600), "ip": (2, 3600)}
    guesses = [client_of(f"sk_test_{n}").get(ADDRESS).status_code for n in range(3)]
    assert guesses == [401, 401, 429]
    assert client_of("sk_test_x").get(ADDRESS, REMOTE_ADDR="192.0.2.9").status_code == 401


def test_without_redis_nobody_is_refused(api: APIClient, settings: Any) -> None:
    settings.API_RATE_LIMITS = {"key": (1, 3600), "ip": (1, 3600)}
    throttle = {**settings.CACHES["throttle"], "LOCATION": "redis://127.0.0.1:1/0"}
    settings.CACHES = {**settings.CACHES, "throttle": throttle}
    assert [api.get(ADDRESS).status_code for _ in range(3)] == [200, 200, 200]


@pytest.mark.parametrize(
    ("method", "address", "body", "status", "code"),
    [
        ("get", "/api/v1/broken", None, 500, "internal_error"),
        ("get", "/api/v1/nothing", None, 404, "not_found"),
        ("post", "/api/nothing/at/all", None, 404, "not_found"),
        ("delete", "/api/v1/counter", None, 405, "method_not_allowed"),
        ("options", "/api/v1/counter", None, 405, "method_not_allowed"),
        ("post", "/api/v1/counter", "{", 400, "malformed"),
        ("post", "/api/v1/counter", "NaN", 400, "malformed"),
        ("post", "/api/v1/counter", "[" * 100_000, 400, "malformed"),
        ("post", "/api/v1/counter", " " * 300_000, 413, "too_large"),
    ],
)
def test_every_refusal_is_a_problem_document_and_leaks_nothing(
    api: APIClient, method: str, address: str, body: str | None, *, status: int, code: str
) -> None:
    options = {"content_type": "application/json", "data": body} if body else {}
    response = getattr(api, method)(address, HTTP_IDEMPOTENCY_KEY="k", **options)
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    problem = response.json()
    assert set(problem) == MEMBERS and problem["code"] == code and problem["instance"] == address
    assert "secret detail" not in response.content.decode() and "Traceback" not in response.content.decode()


def test_a_form_is_not_accepted_and_html_is_not_served(issued: IssuedKey) -> None:
    client = client_of(issued.secret)
    form = client.post(
        ADDRESS, "a=b", content_type="application/x-www-form-urlencoded", HTTP_IDEMPOTENCY_KEY="k"
    )
    assert (form.status_code, form["Content-Type"]) == (415, "application/problem+json")
    page = client.get(ADDRESS, HTTP_ACCEPT="text/html")
    assert (page.status_code, page["Content-Type"]) == (406, "application/problem+json")
