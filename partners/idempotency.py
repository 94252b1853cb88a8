"""A repeat of a keyed request has no second effect: the stored answer is sent again."""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from django.db import connection, transaction
from rest_framework import status
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from core.errors import Conflict, DomainError, Invalid
from partners.authentication import Caller, caller_of
from partners.models import IdempotencyRecord

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEPT = timedelta(days=30)
_LONGEST = 255
_QUOTED = re.compile(r'"(?P<key>(?:[ !#-\[\]-~]|\\["\\])*)"')
_BARE = re.compile(r"[!#-+\--\[\]-~]+")
_KEPT_HEADERS = ("ETag", "Location")

Handler = Callable[..., Response]


def idempotent(handler: Handler) -> Handler:
    """Wrap a view method that creates or moves something.

    Its effect and its answer commit together, or not at all: a refusal keeps nothing, so that the same key
    may be sent again once the cause is gone. Raises 400 without a key, 422 for a key that was used for
    another request, 409 while the first request with this key still runs.
    """

    @wraps(handler)
    def wrapper(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        caller = caller_of(request)
        key = _key(request)
        fingerprint = _fingerprint(request)
        with transaction.atomic():
            _claim(caller, key)
            record = _find(caller, key)
            if record is not None:
                return _replay(record, fingerprint)
            response = handler(view, request, *args, **kwargs)
            _store(caller, key, fingerprint, response)
        return response

    wrapper.is_idempotent = True  # type: ignore[attr-defined]  # read by the schema
    return wrapper


def forget_old() -> int:
    """Delete the answers older than 30 days; returns how many."""
    return IdempotencyRecord.objects.filter(created__lt=clock.now() - KEPT).delete()[0]


def _key(request: Request) -> str:
    sent = request.headers.get(HEADER, "").strip()
    if not sent:
        raise DomainError(
            "idempotency_key_missing",
            f"Send an {HEADER} header with a value of your own, for example a random UUID.",
            status=400,
            title="No idempotency key",
        )
    key = key_of(sent)
    if key is None:
        raise DomainError(
            "idempotency_key_malformed",
            f"Send one idempotency key of 1 to {_LONGEST} printable ASCII characters: in double quotes, or "
            "bare if it has no space, comma, quote or backslash.",
            status=400,
            title="The idempotency key is malformed",
        )
    return key


def key_of(header: str) -> str | None:
    """The key that a header carries, None if it carries none.

    The header is a string of RFC 8941 (draft-ietf-httpapi-idempotency-key-header), `"abc"`; the bare form
    `abc`, which most clients send, is the same key.
    """
    quoted = _QUOTED.fullmatch(header)
    key = re.sub(r"\\(.)", r"\1", quoted["key"]) if quoted else header
    if not 0 < len(key) <= _LONGEST or not (quoted or _BARE.fullmatch(key)):
        return None
    return key


def _fingerprint(request: Request) -> str:
    body = json.dumps(request.data, sort_keys=True, separators=(",", ":"))
    text = "\n".join([request.method or "", request.get_full_path(), body])
    return "0x" + hashlib.sha256(text.encode()).hexdigest()


def _claim(caller: Caller, key: str) -> None:
    """One running request per key. An advisory lock, because the first one's row is not visible yet."""
    name = f"idempotency:{caller.partner.pk}:{caller.livemode}:{key}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 11))", [name])
        (won,) = cursor.fetchone()
    if not won:
        raise Conflict("request_still_running", "The first request with this key still runs. Try again soon.")


def _find(caller: Caller, key: str) -> IdempotencyRecord | None:
    return IdempotencyRecord.objects.filter(partner=caller.partner, livemode=caller.livemode, key=key).first()


def _replay(record: IdempotencyRecord, fingerprint: str) -> Response:
    if record.request_hash != fingerprint:
        raise Invalid(
            "idempotency_key_reused",
            "This key was used for another request. Send a new key with a new request.",
        )
    response = Response(json.loads(record.response_body), status=record.response_status)
    for name, value in (record.response_headers | {REPLAYED: "true"}).items():
        response[name] = value
    return response


def _store(caller: Caller, key: str, fingerprint: str, response: Response) -> None:
    if not status.is_success(response.status_code):
        raise RuntimeError("an idempotent handler raises its refusals, so that nothing of them is kept")
    IdempotencyRecord.objects.create(
        partner=caller.partner,
        livemode=caller.livemode,
        key=key,
        request_hash=fingerprint,
        response_status=response.status_code,
        response_body=JSONRenderer().render(response.data).decode(),
        response_headers={name: response[name] for name in _KEPT_HEADERS if response.has_header(name)},
        created=clock.now(),
    )
