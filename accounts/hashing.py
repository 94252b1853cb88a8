"""Password hashes, a few at a time: each takes 100 MiB and a processor for a while.

Whoever has to wait gives its database connection back meanwhile, so that a flood of passwords leaves other
pages their connections.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher, BasePasswordHasher, PBKDF2PasswordHasher
from django.db import connection

PER_PERSON = 2
# Seconds; a hash takes a fraction of one.
PATIENCE = 10


class Busy(Exception):
    """Too many passwords are being looked at; this one was not. `accounts.middleware` answers."""


class Places:
    """So many at once, and so many more that wait for their turn."""

    def __init__(self, at_once: int) -> None:
        self._room = BoundedSemaphore(at_once * 10)
        self._places = BoundedSemaphore(at_once)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait for a place; `Busy` if there is no room to wait in, or it takes too long."""
        if not self._room.acquire(blocking=False):
            raise Busy
        try:
            if not self._places.acquire(blocking=False):
                _lend_connection()
                if not self._places.acquire(timeout=PATIENCE):
                    raise Busy
            try:
                yield
            finally:
                self._places.release()
        finally:
            self._room.release()


places = Places(settings.PASSWORD_HASHES_AT_ONCE)
_people: Counter[str] = Counter()
_counting = Lock()


@contextmanager
def of_person(user_id: str) -> Iterator[None]:
    """At most `PER_PERSON` at once for one person in this process; `Busy` for more."""
    with _counting:
        if _people[user_id] >= PER_PERSON:
            raise Busy
        _people[user_id] += 1
    try:
        yield
    finally:
        with _counting:
            _people[user_id] -= 1
            if not _people[user_id]:
                del _people[user_id]


def _lend_connection() -> None:
    if not connection.in_atomic_block:
        connection.close()


class Bounded(BasePasswordHasher):
    """Hashes only in one of the places."""

    def encode(self, *args: Any, **kwargs: Any) -> str:
        with places.taken():
            return super().encode(*args, **kwargs)

    def verify(self, *args: Any, **kwargs: Any) -> bool:
        with places.taken():
            return super().verify(*args, **kwargs)


class Argon2(Bounded, Argon2PasswordHasher):
    """Django's, a few at a time."""


class PBKDF2(Bounded, PBKDF2PasswordHasher):
    """For hashes from before; its `verify` encodes, which takes the place."""

    def verify(self, *args: Any, **kwargs: Any) -> bool:
        return PBKDF2PasswordHasher.verify(self, *args, **kwargs)
