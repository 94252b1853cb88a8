"""What holds for every answer of the site: no cache keeps it, too much at once is a calm 503, and what a
person wrote is not lost."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.contrib import messages
from django.db.backends.signals import connection_created
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.urls import reverse

from core import contention, kept
from core.problems import as_http

log = structlog.get_logger(__name__)
_SIGNED_OUT = "You are signed out, so nothing was sent. Sign in: your text is kept for an hour."
Handler = Callable[[HttpRequest], HttpResponse]


class NoStore:
    """Pages show money and people: no cache, shared or the browser's own, keeps an answer of ours.

    Static files are served before this, and are the only thing that may be kept.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if "no-store" not in response.get("Cache-Control", ""):
            response["Cache-Control"] = "no-store"
        return response


class Contention:
    """A request waits three seconds for a row, not ten: then the person reads that nothing was moved.

    Only processes that serve requests load middleware, so the shorter wait is theirs; workers keep their own.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        connection_created.connect(_wait_shortly, dispatch_uid="requests wait shortly")

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """503 with `Retry-After` where the database gave up waiting; anything else takes its usual way."""
        if not contention.is_contention(error):
            return None
        log.warning("request_met_contention", path=request.path, error=str(error)[:200])
        return contended(request)


def contended(request: HttpRequest) -> HttpResponse:
    """The answer itself: problem+json for programs, a page for people."""
    if request.path.startswith("/api/"):
        response = as_http(request, 503, contention.SENTENCE)
    else:
        response = render(request, "503_contention.html", {"path": request.path}, status=503)
    response["Retry-After"] = str(contention.RETRY_AFTER)
    return response


class KeepWriting:
    """A form that was sent signed out, or while too much happened at once, loses nothing: see `core.kept`."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.method == "POST" and has_forms(request.path):
            if _leads_to_the_door(response):
                if kept.keep(request, response):
                    messages.info(request, _SIGNED_OUT)
            elif response.status_code == 503:
                kept.keep(request, response)
            elif response.status_code == 302:
                kept.sent(request, response)
        return response


def has_forms(path: str) -> bool:
    """Whether people write into forms below this address: deals, disputes, the arbitrators' console."""
    return path.startswith(("/deals/", "/admin/disputes/"))


def _leads_to_the_door(response: HttpResponse) -> bool:
    target = urlsplit(response.get("Location", "")).path if response.status_code == 302 else ""
    return target in (resolve_url(settings.LOGIN_URL), reverse("admin:login"))


def _wait_shortly(connection: Any, **_: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('lock_timeout', %s, false)", [str(settings.REQUEST_LOCK_TIMEOUT_MS)]
        )
