"""The OpenAPI document: keys, scopes, idempotency, preconditions and problems, the same for every address."""

from collections.abc import Iterator
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from core.contention import SENTENCE
from core.problems import MEDIA_TYPE, TYPES

_VERBS = ("get", "post", "put", "patch", "delete")
_REQUEST_ID = "5f1c9e0e-6a39-4c39-9d0c-6a2f6f4cbb0a"

_IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description="A value of your own, at most 255 printable ASCII characters, in double quotes, or bare if "
    "it has no space, comma, quote or backslash: both forms are the same key. A repeat within 30 days gets "
    "the first answer again, marked with `Idempotency-Replayed: true`, and has no second effect.",
)
_IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The ETag of the object that you decided on. If it has changed since: 412.",
)
_DOCUMENTED: dict[int, tuple[str, str, str, list[dict[str, str]]]] = {
    400: ("idempotency_key_missing", "No idempotency key", "Send an Idempotency-Key header.", []),
    401: ("unauthenticated", "No valid API key", "This API key is unknown or no longer valid.", []),
    403: ("scope_missing", "Not allowed", "This needs a key with the scope “release”.", []),
    404: ("not_found", "Not found", "There is no such object here.", []),
    409: ("conflict", "Not possible in this state", "This escrow is released; nothing is left in it.", []),
    412: ("stale", "The object has changed", "Read it again, then decide.", []),
    422: (
        "invalid",
        "Some fields are not valid",
        "Correct the fields listed in errors and send the request again.",
        [{"pointer": "/milestones/0/amount", "code": "range", "message": "The amount is too small."}],
    ),
    423: ("escrow_held", "On hold", "This escrow is on hold. The money is safe.", []),
    429: ("rate_limited", "Too many requests", "Wait as long as Retry-After says.", []),
    500: ("internal_error", "Something failed on our side", "It has been recorded. Try again later.", []),
    503: ("unavailable", "Not available at the moment", SENTENCE, []),
}


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How a key is sent."""

    target_class = "partners.authentication.ApiKeyAuthentication"
    name = "ApiKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        text = "`sk_test_…` acts on test networks, `sk_live_…` on live ones. Each key has scopes."
        return {"type": "http", "scheme": "bearer", "description": text}


class ApiSchema(AutoSchema):
    """Reads from the view what no serializer says: the scope, idempotency and preconditions."""

    def get_override_parameters(self) -> list[Any]:
        handler = getattr(self.view, self.method.lower())
        found = list(super().get_override_parameters())
        if getattr(handler, "is_idempotent", False):
            found.append(_IDEMPOTENCY_KEY)
        if getattr(self.view, "takes_if_match", False) and self.method == "POST":
            found.append(_IF_MATCH)
        return found

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        scope = getattr(self.view, "scopes", {}).get(self.method)
        if operation is not None and scope:
            operation["x-scope"] = str(scope)
        return operation


def document_problems(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Spectacular's hook: give every operation the refusals it can make, each with an example."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = _problem_schema()
    components["responses"] = {f"Problem{code}": _problem_response(code) for code in _DOCUMENTED}
    for path, verbs in result["paths"].items():
        for verb in _VERBS:
            if verb in verbs:
                for code in _possible(path, verb, verbs[verb]):
                    reference = {"$ref": f"#/components/responses/Problem{code}"}
                    verbs[verb]["responses"].setdefault(str(code), reference)
    return result


def _possible(path: str, verb: str, operation: dict[str, Any]) -> Iterator[int]:
    yield from (400, 401, 403)
    if "{" in path:
        yield 404
    if verb != "get":
        yield from (409, 422, 423)
    if any(item["name"] == "If-Match" for item in operation.get("parameters", [])):
        yield 412
    yield from (429, 500, 503)


def _problem_response(code: int) -> dict[str, Any]:
    name, title, detail, errors = _DOCUMENTED[code]
    example = {
        "type": f"{TYPES}#{name}",
        "title": title,
        "status": code,
        "detail": detail,
        "instance": "/api/v1/…",
        "code": name,
        "errors": errors,
        "request_id": _REQUEST_ID,
    }
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}
    return {"description": title, "content": {MEDIA_TYPE: content}}


def _problem_schema() -> dict[str, Any]:
    text = {"type": "string"}
    item = {
        "type": "object",
        "properties": {"pointer": text, "code": text, "message": text},
        "required": ["pointer", "code", "message"],
    }
    return {
        "type": "object",
        "description": "RFC 9457. `code` is stable; `errors` points into the request (RFC 6901).",
        "properties": {
            **dict.fromkeys(("type", "title", "detail", "instance", "code", "request_id"), text),
            "status": {"type": "integer"},
            "errors": {"type": "array", "items": item},
        },
        "required": ["type", "title", "status", "detail", "instance", "code", "errors", "request_id"],
    }
