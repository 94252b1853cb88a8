"""A repeat has no second effect; a refusal leaves nothing; two at once are never both carried out."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from rest_framework.test import APIClient

from core import clock
from partners import idempotency
from partners.models import IdempotencyRecord, Partner
from partners.services.keys import IssuedKey
from tests.partners.conftest import client_of

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.partners.urls")]
ADDRESS = "/api/v1/counter"


def test_a_post_without_a_key_is_refused_and_does_nothing(api: APIClient) -> None:
    response = api.post(ADDRESS, {})
    assert (response.status_code, response.json()["code"]) == (400, "idempotency_key_missing")
    assert Partner.objects.get().name == "Market"


@pytest.mark.parametrize(
    "key",
    [
        "x" * 256,
        f'"{"x" * 256}"',
        "é",
        "a\tb",
        "a b",
        "one, two",  # how a server hands on a header that was sent twice
        '"one", "two"',
        '"abc',
        'abc"',
        'a"b',
        '""',
        '"a\\b"',
        "a\\b",
        '"abc";p=1',
    ],
)
def test_a_malformed_key_is_refused_and_does_nothing(api: APIClient, key: str) -> None:
    response = api.post(ADDRESS, {}, HTTP_IDEMPOTENCY_KEY=key)
    assert (response.status_code, response.json()["code"]) == (400, "idempotency_key_malformed")
    assert Partner.objects.get().name == "Market"


def test_a_quoted_key_and_the_bare_one_are_the_same(api: APIClient) -> None:
    """draft-ietf-httpapi-idempotency-key-header sends a string of RFC 8941; most clients send it bare."""
    first = api.post(ADDRESS, {"a": 1}, HTTP_IDEMPOTENCY_KEY="8e03978e-40d5")
    again = api.post(ADDRESS, {"a": 1}, HTTP_IDEMPOTENCY_KEY='"8e03978e-40d5"')
    assert (again.status_code, again["Idempotency-Replayed"]) == (201, "true")
    assert first.content == again.content and Partner.objects.get().name == "Market+"


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("abc", "abc"),
        ('"abc"', "abc"),
        ('"a b, c"', "a b, c"),
        (r'"a\"b\\c"', r'a"b\c'),
        ("k=/+~!#[]", "k=/+~!#[]"),
    ],
)
def test_what_a_header_says(header: str, key: str) -> None:
    assert idempotency.key_of(header) == key


def test_an_address_that_takes_no_parameters_says_so_and_does_nothing(api: APIClient) -> None:
    for answer in (
        api.get(f"{ADDRESS}?expand=all"),
        api.post(f"{ADDRESS}?a=1", {}, HTTP_IDEMPOTENCY_KEY="k"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
        assert answer.json()["errors"][0]["pointer"].startswith("/query/")
    assert Partner.objects.get().name == "Market"


def test_a_repeat_gets_the_same_bytes_and_no_second_effect(api: APIClient) -> None:
    first = api.post(ADDRESS, {"a": 1}, HTTP_IDEMPOTENCY_KEY="k")
    again = api.post(ADDRESS, {"a": 1}, HTTP_IDEMPOTENCY_KEY="k")
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert first["ETag"] == again["ETag"]
    assert "Idempotency-Replayed" not in first and again["Idempotency-Replayed"] == "true"
    assert Partner.objects.get().name == "Market+"


def test_f08_the_same_key_with_another_payload_is_refused(api: APIClient) -> None:
    """F8: see `rules_off` for the rule that is switched off."""
    api.post(ADDRESS, {"a": 1}, HTTP_IDEMPOTENCY_KEY="k")
    response = api.post(ADDRESS, {"a": 2}, HTTP_IDEMPOTENCY_KEY="k")
    assert response.status_code == 422
    assert response.json()["code"] == "idempotency_key_reused"
    assert Partner.objects.get().name == "Market+"


@pytest.mark.parametrize(("payload", "status"), [({"refuse": 1}, 409), ({"break": 1}, 500)])
def test_a_refused_or_failed_request_leaves_nothing(
    api: APIClient, payload: dict[str, int], status: int
) -> None:
    assert api.post(ADDRESS, payload, HTTP_IDEMPOTENCY_KEY="k").status_code == status
    assert Partner.objects.get().name == "Market"
    assert not IdempotencyRecord.objects.exists()
    assert api.post(ADDRESS, {}, HTTP_IDEMPOTENCY_KEY="k").status_code == 201


def test_a_repeat_is_replayed_although_its_precondition_is_stale_by_now(api: APIClient) -> None:
    tag = api.get(ADDRESS)["ETag"]
    headers = {"HTTP_IDEMPOTENCY_KEY": "k", "HTTP_IF_MATCH": tag}
    assert api.post(ADDRESS, {}, **headers).status_code == 201
    assert api.post(ADDRESS, {}, **headers).status_code == 201
    stale = api.post(ADDRESS, {}, HTTP_IDEMPOTENCY_KEY="other", HTTP_IF_MATCH=tag)
    assert (stale.status_code, stale.json()["code"]) == (412, "stale")
    assert Partner.objects.get().name == "Market+"


@pytest.mark.django_db(transaction=True)
def test_f08_while_the_first_still_runs_a_second_is_refused_at_once(api: APIClient) -> None:
    """F8: see `rules_off` for the rule that is switched off."""
    partner = Partner.objects.get()
    status = []

    def rival() -> None:
        status.append(api.post(ADDRESS, {}, HTTP_IDEMPOTENCY_KEY="k").json()["code"])
        connection.close()

    with transaction.atomic():
        name = f"idempotency:{partner.pk}:False:k"
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 11))", [name])
        thread = threading.Thread(target=rival)
        thread.start()
        thread.join(timeout=20)
    assert status == ["request_still_running"]


@pytest.mark.django_db(transaction=True)
def test_f08_of_ten_at_once_one_has_an_effect(issued: IssuedKey) -> None:
    """F8: see `rules_off` for the rule that is switched off."""
    start = threading.Barrier(10)
    codes: list[int] = []

    def call() -> None:
        start.wait()
        codes.append(client_of(issued.secret).post(ADDRESS, {}, HTTP_IDEMPOTENCY_KEY="k").status_code)
        connection.close()

    threads = [threading.Thread(target=call) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert set(codes) <= {201, 409} and 201 in codes and len(codes) == 10
    assert Partner.objects.get().name == "Market+"


def test_answers_are_forgotten_after_thirty_days(api: APIClient) -> None:
    api.post(ADDRESS, {}, HTTP_IDEMPOTENCY_KEY="k")
    with clock.travelled(timedelta(days=29)):
        assert idempotency.forget_old() == 0
    with clock.travelled(timedelta(days=31)):
        assert idempotency.forget_old() == 1
