"""Rate limits: fixed windows counted in Redis. Without Redis nobody is refused, and it is logged."""

from dataclasses import dataclass

import structlog
from django.conf import settings
from django.core.cache import caches
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from core import clock, visitors
from partners.models import ApiKey

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a caller stands in one window: `remaining` requests are left for `resets_in` seconds."""

    name: str
    quota: int
    window: int
    remaining: int
    resets_in: int

    @property
    def policy_field(self) -> str:
        return f'"{self.name}";q={self.quota};w={self.window}'

    @property
    def field(self) -> str:
        return f'"{self.name}";r={self.remaining};t={self.resets_in}'


class WindowThrottle(BaseThrottle):
    """Counts one kind of caller; a subclass says which and how the window is called."""

    name = ""

    def __init__(self) -> None:
        self.standing: Standing | None = None

    def subject(self, request: Request) -> str | None:
        """Who is counted; None counts nobody."""
        raise NotImplementedError

    def allow_request(self, request: Request, view: APIView) -> bool:
        subject = self.subject(request)
        if subject is None:
            return True
        quota, window = settings.API_RATE_LIMITS[self.name]
        now = int(clock.now().timestamp())
        try:
            count = _count(f"throttle:{self.name}:{subject}:{window}:{now // window}", window)
        except (RedisError, OSError) as error:
            log.warning("throttle_without_redis", throttle=self.name, error=type(error).__name__)
            return True
        resets_in = window - now % window
        self.standing = Standing(self.name, quota, window, max(quota - count, 0), resets_in)
        return count <= quota

    def wait(self) -> float | None:
        return float(self.standing.resets_in) if self.standing else None


class KeyThrottle(WindowThrottle):
    """Per API key."""

    name = "key"

    def subject(self, request: Request) -> str | None:
        return request.auth.pk if isinstance(request.auth, ApiKey) else None


class AddressThrottle(WindowThrottle):
    """Per IP address (IPv6: /64), counted before the key is looked at: guessing keys is limited too."""

    name = "ip"

    def subject(self, request: Request) -> str | None:
        return visitors.network(request.META.get("REMOTE_ADDR", "")) or "unknown"


def _count(key: str, window: int) -> int:
    cache = caches["throttle"]
    cache.add(key, 0, timeout=window + 5)
    try:
        return cache.incr(key)
    except ValueError:  # evicted between the two calls
        return 1
