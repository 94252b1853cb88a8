"""Instants as programs write them: RFC 3339 with an offset. A time without one would be a guess."""

import re
from datetime import UTC, datetime

SENTENCE = "Write an instant like 2026-12-24T18:00:00Z, with Z or an offset like +02:00."
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)


def read(text: str) -> datetime:
    """The instant in UTC. Raises `ValueError` for everything else, also for a time without an offset."""
    if not _RFC3339.fullmatch(text):
        raise ValueError(SENTENCE)
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except OverflowError:
        raise ValueError(SENTENCE) from None
