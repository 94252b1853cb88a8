"""Short leases by the database's clock: who polls a network right now. Expiry heals a dead holder."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

from django.db import connection

_TAKE = """
    INSERT INTO core_lease (name, holder, until) VALUES (%s, %s, now() + make_interval(secs => %s))
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
    WHERE core_lease.until < now()
"""


def take(name: str, holder: str, ttl: timedelta) -> bool:
    """True if `name` was free or expired and is now held by `holder` for `ttl`."""
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [name, holder, ttl.total_seconds()])
        return bool(cursor.rowcount == 1)


def release(name: str, holder: str) -> None:
    """Give `name` back if `holder` still has it."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM core_lease WHERE name = %s AND holder = %s", [name, holder])


@contextmanager
def held(name: str, ttl: timedelta) -> Iterator[bool]:
    """Yield whether the lease was won; release it afterwards. Must not run inside a transaction."""
    holder = f"{socket.gethostname()[:40]}:{os.getpid()}:{uuid4().hex[:8]}"
    won = take(name, holder, ttl)
    try:
        yield won
    finally:
        if won:
            release(name, holder)
