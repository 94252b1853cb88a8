"""How long a node that is asked too often wants to be left alone."""

from datetime import UTC
from email.utils import parsedate_to_datetime

from core import clock

SHORTEST, LONGEST = 1.0, 300.0  # seconds; what a header asks for is kept between the two


def asked_to_wait(header: str | None) -> float | None:
    """Seconds of a `Retry-After` header (RFC 9110, 10.2.3: seconds or a date), bounded; None for none."""
    if not header:
        return None
    try:
        seconds = float(header) if header.strip().isdecimal() else _until(header)
    except (ValueError, OverflowError):
        return None
    return min(LONGEST, max(SHORTEST, seconds))


def _until(date: str) -> float:
    at = parsedate_to_datetime(date)
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - clock.now()).total_seconds()


def growing(failures: int) -> float:
    """Seconds to wait where the node names none: longer after each failure in a row."""
    return min(LONGEST, SHORTEST * 2.0 ** min(failures, 10))
