"""The API describes itself correctly, and nothing below its root speaks anything but its own language."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.test import Client, RequestFactory
from drf_spectacular.validation import validate_schema

from escrow_platform import errors
from escrow_platform.api import document

VERBS = {"get", "post", "put", "patch", "delete"}


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, verb, operation)
        for path, verbs in document()["paths"].items()
        for verb, operation in verbs.items()
        if verb in VERBS
    ]


def test_the_document_is_valid_openapi_31_and_the_committed_copy_is_current() -> None:
    validate_schema(document())
    assert document()["openapi"].startswith("3.1")
    committed = yaml.safe_load((Path(settings.BASE_DIR) / "docs" / "openapi.yaml").read_text())
    assert committed["paths"] == document()["paths"], "run: manage.py spectacular --file docs/openapi.yaml"
    assert committed["components"] == document()["components"]


def test_every_operation_documents_its_problems_with_examples_its_scope_and_a_summary() -> None:
    for path, verb, operation in operations():
        assert {"401", "403", "429", "500"} <= set(operation["responses"]), (path, verb)
        assert operation["x-scope"] and operation["summary"], (path, verb)
    for response in document()["components"]["responses"].values():
        example = response["content"]["application/problem+json"]["example"]
        assert set(example) == set(document()["components"]["schemas"]["Problem"]["required"])


def test_every_post_takes_an_idempotency_key_and_every_action_if_match() -> None:
    for path, verb, operation in operations():
        headers = {item["name"] for item in operation.get("parameters", []) if item["in"] == "header"}
        if verb == "post":
            assert "Idempotency-Key" in headers, path
        assert ("If-Match" in headers) == (verb == "post" and "}/" in path), path


@pytest.mark.django_db
def test_the_document_and_its_page_are_readable_without_a_key(client: Client) -> None:
    answer = client.get("/api/v1/schema")
    assert answer.status_code == 200 and answer.json()["openapi"].startswith("3.1")
    page = client.get("/api/v1/reference").content.decode()
    for path, verb, operation in operations():
        assert f"{verb.upper()} {path}" in page and operation["summary"] in page
    assert "http://" not in page.replace("http://testserver", "") and "//cdn" not in page


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", ["/api/", "/api/v1/", "/api/v2/deals", "/api/v1/deals/", "/api/v1/deals/x/y"]
)
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options", "head"])
def test_what_does_not_exist_is_a_problem_document(client: Client, path: str, method: str) -> None:
    response = getattr(client, method)(path)
    assert (response.status_code, response["Content-Type"]) == (404, "application/problem+json")


@pytest.mark.django_db
def test_a_request_that_reaches_no_view_is_refused_in_the_same_language(client: Client) -> None:
    response = client.get("/api/v1/deals", HTTP_HOST="evil.example")
    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")
    broken = errors.server_error(RequestFactory().get("/api/v1/deals"))
    assert (broken.status_code, broken["Content-Type"]) == (500, "application/problem+json")
