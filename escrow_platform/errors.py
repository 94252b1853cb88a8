"""Django's own error handlers: what fails before a view is reached speaks the API's language below /api/."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseServerError
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views import defaults

from core import kept
from core.problems import as_http
from escrow_platform.middleware import has_forms


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: a host name or header that cannot be accepted."""
    if _for_partners(request):
        return as_http(request, 400, "The request cannot be read.")
    return defaults.bad_request(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """500: never a traceback, whoever asks."""
    if _for_partners(request):
        return as_http(request, 500, "The request failed on our side and has been recorded. Try again later.")
    # Without the context processors: one of them may be what failed.
    page = render_to_string("500.html", {"support_email": settings.SUPPORT_EMAIL})
    return HttpResponseServerError(page)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: the page was too old, or cookies are off. What was written on a page of ours is kept."""
    response = render(request, "403_csrf.html", {"path": request.path}, status=403)
    ours = has_forms(request.path) and kept.is_own(request)
    if ours and kept.keep(request, response):
        response.content = render(request, "403_csrf.html", {"path": request.path, "kept": True}).content
    return response


def _for_partners(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")
