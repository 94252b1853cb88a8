"""The one exception to the strict content policy, and where it ends."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

_NEEDED_BY_UNFOLD = {"script-src": ["'self'", "'unsafe-eval'"], "style-src": ["'self'", "'unsafe-inline'"]}


class AdminContentPolicy:
    """Under /admin/ alone: unfold's Alpine evaluates expressions, and its colours are an inline style."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path_info.startswith("/admin/"):
            # The attribute is how django-csp is told.
            response._csp_update = _NEEDED_BY_UNFOLD  # type: ignore[attr-defined]
        return response
