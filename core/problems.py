"""RFC 9457 problem+json: every refusal of the API has the same shape and never shows a traceback."""

from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions, status
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import set_rollback

from core import contention
from core.errors import DomainError, FieldError

log = structlog.get_logger(__name__)
MEDIA_TYPE = "application/problem+json"
# Where the kinds of refusals are explained.
TYPES = "/api/v1/reference"

_BY_STATUS = {
    400: ("malformed", "The request is malformed"),
    401: ("unauthenticated", "No valid API key"),
    403: ("forbidden", "Not allowed"),
    404: ("not_found", "Not found"),
    405: ("method_not_allowed", "Method not allowed"),
    406: ("not_acceptable", "Only JSON is served"),
    408: ("too_slow", "The request did not arrive in time"),
    409: ("conflict", "Not possible in this state"),
    412: ("stale", "The object has changed"),
    413: ("too_large", "The request is too large"),
    415: ("unsupported_media_type", "Only JSON is accepted"),
    422: ("invalid", "Some fields are not valid"),
    423: ("held", "On hold"),
    429: ("rate_limited", "Too many requests"),
    500: ("internal_error", "Something failed on our side"),
    503: ("unavailable", "Not available at the moment"),
}


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:  # noqa: PLR0911  (one line a kind)
    """The answer to anything a view raised; what is unexpected is logged and told as a plain 500."""
    set_rollback()
    instance = context["request"].path
    if contention.is_contention(error):
        log.warning("request_met_contention", path=instance, error=str(error)[:200])
        response = _plain(503, contention.SENTENCE, instance)
        response["Retry-After"] = str(contention.RETRY_AFTER)
        return response
    if isinstance(error, DomainError):
        return problem(error.status, error.code, error.title, error.message, instance, errors=error.errors)
    if isinstance(error, exceptions.ValidationError):
        return problem(
            422,
            "invalid",
            "Some fields are not valid",
            "Correct the fields listed in errors and send the request again.",
            instance,
            errors=list(_field_errors(error.get_full_details())),
        )
    if isinstance(error, Http404):
        return _plain(404, "There is no such object here.", instance)
    if isinstance(error, PermissionDenied):
        return _plain(403, "This key may not do that.", instance)
    if isinstance(error, exceptions.APIException):
        return _of_framework(error, instance)
    if isinstance(error, RequestDataTooBig):
        return _plain(413, "Send less in one request.", instance)
    if isinstance(error, SuspiciousOperation | RecursionError):
        return _plain(400, "The request cannot be read.", instance)
    log.exception("api_error", path=instance)
    return _plain(500, "The request failed on our side and has been recorded. Try again later.", instance)


def problem(
    status_code: int,
    code: str,
    title: str,
    detail: str,
    instance: str,
    *,
    errors: list[FieldError] | None = None,
) -> Response:
    """One problem document as a response."""
    request_id = structlog.contextvars.get_contextvars().get("request_id", "")
    body = {
        "type": f"{TYPES}#{code}",
        "title": title,
        "status": status_code,
        "detail": detail,
        "instance": instance,
        "code": code,
        "errors": [
            {"pointer": item.pointer, "code": item.code, "message": item.message} for item in errors or []
        ],
        "request_id": str(request_id),
    }
    return Response(body, status=status_code, content_type=MEDIA_TYPE)


def document(status_code: int, detail: str, instance: str) -> bytes:
    """The same document as JSON, for who answers before Django does."""
    rendered: bytes = JSONRenderer().render(_plain(status_code, detail, instance).data)
    return rendered


def as_http(request: HttpRequest, status_code: int, detail: str) -> HttpResponse:
    """The same document outside the API's views: for Django's own error handlers."""
    body = document(status_code, detail, request.path)
    return HttpResponse(body, status=status_code, content_type=MEDIA_TYPE)


def _of_framework(error: exceptions.APIException, instance: str) -> Response:
    response = _plain(error.status_code, str(error.detail), instance)
    wait, challenge = getattr(error, "wait", None), getattr(error, "auth_header", None)
    if wait is not None:
        response["Retry-After"] = str(max(int(wait), 1))
    if challenge is not None:
        response["WWW-Authenticate"] = challenge
    return response


def _plain(status_code: int, detail: str, instance: str) -> Response:
    fallback = _BY_STATUS[500] if status_code >= status.HTTP_500_INTERNAL_SERVER_ERROR else _BY_STATUS[400]
    code, title = _BY_STATUS.get(status_code, fallback)
    return problem(status_code, code, title, detail, instance)


def _field_errors(details: Any, pointer: str = "") -> Any:
    if isinstance(details, dict) and set(details) == {"message", "code"}:
        yield FieldError(pointer or "/", str(details["code"]), str(details["message"]))
    elif isinstance(details, dict):
        for name, inner in details.items():
            inside = f"{pointer}/{_token(str(name))}" if name != "non_field_errors" else pointer
            yield from _field_errors(inner, inside)
    else:
        for inner in details:
            yield from _field_errors(inner, pointer)


def _token(name: str) -> str:
    """One step of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")
