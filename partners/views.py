"""What every view of the API shares: key, scope, limits, preconditions."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import NotFound, Throttled
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.errors import DomainError, FieldError, Forbidden
from partners.authentication import ApiKeyAuthentication, Caller, caller_of
from partners.models import Scope
from partners.throttling import AddressThrottle, KeyThrottle, WindowThrottle


class HasScope(BasePermission):
    """The key carries the scope that the view names for this method. Raises 403 `scope_missing`."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        scopes: Mapping[str, str] = getattr(view, "scopes", {})
        needed = scopes.get(request.method or "")
        if needed and needed not in caller_of(request).key.scopes:
            raise Forbidden("scope_missing", f"This needs a key with the scope “{needed}”.")
        return True


class ApiView(APIView):
    """A view for partners. `scopes` names for each method what the key must carry."""

    scopes: ClassVar[Mapping[str, str]] = {"GET": Scope.READ, "HEAD": Scope.READ}
    authentication_classes: Sequence[type[BaseAuthentication]] = (ApiKeyAuthentication,)
    permission_classes: Sequence[type[BasePermission]] = (IsAuthenticated, HasScope)
    # Methods whose view reads query parameters and refuses those that it does not know.
    takes_query: ClassVar[Sequence[str]] = ()
    metadata_class = None  # OPTIONS tells nothing that the schema does not tell better

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Limit the address before looking at the key, then the key before looking at the request."""
        self._limits: list[WindowThrottle] = []
        self._limit(request, AddressThrottle())
        super().initial(request, *args, **kwargs)
        self._limit(request, KeyThrottle())
        if request.query_params and request.method not in self.takes_query:
            raise _no_parameters(request)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        answer: Response = super().finalize_response(request, response, *args, **kwargs)
        standings = [limit.standing for limit in getattr(self, "_limits", []) if limit.standing]
        if standings:
            answer["RateLimit-Policy"] = ", ".join(standing.policy_field for standing in standings)
            answer["RateLimit"] = ", ".join(standing.field for standing in standings)
        answer["Cache-Control"] = "no-store"
        return answer

    @property
    def caller(self) -> Caller:
        """The partner behind the key, in the key's mode."""
        return caller_of(self.request)

    def _limit(self, request: Request, limit: WindowThrottle) -> None:
        self._limits.append(limit)
        if not limit.allow_request(request, self):
            raise Throttled(limit.wait())


def _no_parameters(request: Request) -> DomainError:
    text = "There is no such parameter."
    errors = [FieldError(f"/query/{name}", "malformed", text) for name in request.query_params]
    message = "This address takes no query parameters."
    return DomainError("malformed", message, errors, 400, "The request is malformed")


class NothingHere(ApiView):
    """Every address below the API's root that is no resource: 404 as problem+json, also without a key."""

    authentication_classes = ()
    permission_classes = ()
    takes_query: ClassVar[Sequence[str]] = [name.upper() for name in APIView.http_method_names]
    schema = None

    def _refuse(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        raise NotFound

    get = post = put = patch = delete = head = options = trace = _refuse


nothing_here: Callable[[HttpRequest], Response] = NothingHere.as_view()
