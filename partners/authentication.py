"""Who calls the API: a partner, through one of its keys."""

from dataclasses import dataclass
from typing import cast

import structlog
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from core.actors import Actor
from core.errors import Forbidden
from partners.models import ApiKey, Partner
from partners.services import keys


@dataclass(frozen=True, slots=True)
class Caller:
    """What `request.user` is in the API: a partner in one mode. It is nobody that could sign in."""

    partner: Partner
    key: ApiKey
    is_authenticated: bool = True
    is_anonymous: bool = False
    is_active: bool = True
    is_staff: bool = False

    @property
    def pk(self) -> str:
        return self.partner.pk

    @property
    def livemode(self) -> bool:
        return self.key.livemode

    @property
    def actor(self) -> Actor:
        """Named in everything that this caller changes."""
        return Actor("partner", self.partner.pk, self.partner.name)


def caller_of(request: Request) -> Caller:
    """Who calls; only for views behind `ApiKeyAuthentication`."""
    return cast(Caller, request.user)


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer sk_…`. Says the same for unknown, revoked, expired and switched-off keys."""

    def authenticate(self, request: Request) -> tuple[Caller, ApiKey] | None:
        """The caller and the key; None without the header. Raises 401, or 403 for the address."""
        parts = get_authorization_header(request).split()
        if not parts:
            return None
        if len(parts) != 2 or parts[0].lower() != b"bearer" or not parts[1].isascii():
            raise AuthenticationFailed("Send the key as “Authorization: Bearer sk_…”.")
        key = keys.find_usable(parts[1].decode())
        if key is None:
            raise AuthenticationFailed("This API key is unknown or no longer valid.")
        if not keys.may_come_from(key, request.META.get("REMOTE_ADDR", "")):
            raise Forbidden("ip_not_allowed", "This key may not be used from this IP address.")
        keys.used(key)
        structlog.contextvars.bind_contextvars(partner_id=key.partner_id, api_key_id=key.pk)
        return Caller(key.partner, key), key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="Holdfast API"'
