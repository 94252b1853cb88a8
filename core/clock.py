"""The one seam through which time enters: tests and the sandbox clock move it here and nowhere else."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

_offset: ContextVar[timedelta] = ContextVar("clock_offset", default=timedelta())


def now() -> datetime:
    """The current instant, aware, UTC."""
    return timezone.now() + _offset.get()


def of_all() -> datetime:
    """The current instant by the database's clock, which all hosts share; one query."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        (instant,) = cursor.fetchone()
    found: datetime = instant + _offset.get()
    return found


@contextmanager
def travelled(by: timedelta) -> Iterator[None]:
    """Run the block as if `by` had passed."""
    token = _offset.set(_offset.get() + by)
    try:
        yield
    finally:
        _offset.reset(token)
