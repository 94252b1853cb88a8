"""Lists of the API: newest first, by cursor, so that a page never shifts under its reader."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet

from core.errors import DomainError, FieldError

LARGEST = 100
USUAL = 20
M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Page:
    """`items` newest first; `next_cursor` is empty on the last page."""

    items: Sequence[Any]
    next_cursor: str

    def as_json(self, show: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return {
            "data": [show(item) for item in self.items],
            "has_more": bool(self.next_cursor),
            "next_cursor": self.next_cursor or None,
        }


def page(rows: QuerySet[M], *, cursor: str = "", limit: str = "") -> Page:
    """One page of rows that have `created` and an id. Raises 400 for a senseless cursor or limit."""
    size = _size(limit)
    if cursor:
        created, pk = _decoded(cursor)
        rows = rows.filter(Q(created__lt=created) | Q(created=created, pk__lt=pk))
    found = list(rows.order_by("-created", "-pk")[: size + 1])
    more = len(found) > size
    return Page(found[:size], _encoded(found[size - 1]) if more else "")


def _size(text: str) -> int:
    if not text:
        return USUAL
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= LARGEST):
        raise _malformed("limit", f"The limit is a number from 1 to {LARGEST}.")
    return int(text)


def _encoded(row: Any) -> str:
    return base64.urlsafe_b64encode(f"{row.created.isoformat()}|{row.pk}".encode()).decode().rstrip("=")


def _decoded(cursor: str) -> tuple[datetime, str]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        created, _, pk = text.partition("|")
        given = datetime.fromisoformat(created)
        at = given.astimezone(UTC)
    except (binascii.Error, ValueError, OverflowError):
        raise _malformed("cursor", "Use a cursor exactly as next_cursor gave it.") from None
    if given.tzinfo is None or not pk.replace("_", "").isalnum():
        raise _malformed("cursor", "Use a cursor exactly as next_cursor gave it.")
    return at, pk


def _malformed(name: str, message: str) -> DomainError:
    return DomainError(
        "malformed",
        message,
        [FieldError(f"/query/{name}", "malformed", message)],
        status=400,
        title="The request is malformed",
    )
