"""ETags: an action may say which state of the object it was decided on."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import DomainError


def etag(body: Mapping[str, Any]) -> str:
    """A strong entity tag of an object as the API shows it."""
    plain = json.loads(JSONRenderer().render(body))
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def tagged(body: Mapping[str, Any], status: int = 200) -> Response:
    """The object as a response that carries its ETag."""
    return Response(body, status=status, headers={"ETag": etag(body)})


def check_if_match(request: Request, current: Mapping[str, Any]) -> None:
    """Raise 412 `stale` if the request names, in If-Match, other states than the current one."""
    wanted = request.headers.get("If-Match", "").strip()
    if wanted in ("", "*"):
        return
    if etag(current) not in [item.strip() for item in wanted.split(",")]:
        raise DomainError(
            "stale",
            "The object has changed since you read it. Read it again, then decide.",
            status=412,
            title="The object has changed",
        )
