"""Django's own error handlers: what fails before a view is reached speaks the API's language below /api/."""

from django.http import HttpRequest, HttpResponse
from django.views import defaults

from core.problems import as_http


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: a host name or header that cannot be accepted."""
    if _for_partners(request):
        return as_http(request, 400, "The request cannot be read.")
    return defaults.bad_request(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """500: never a traceback, whoever asks."""
    if _for_partners(request):
        return as_http(request, 500, "The request failed on our side and has been recorded. Try again later.")
    return defaults.server_error(request)


def _for_partners(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")
