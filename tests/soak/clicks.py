"""How a person and a partner act while everything fails: look, try, look again."""

import threading
import time
import zlib
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import requests
from django.db import DatabaseError, InterfaceError, connection

from chain.rpc.errors import RpcError
from core.errors import Conflict

TRANSIENT = (DatabaseError, InterfaceError, RpcError)
# What the API says when the same request should simply be sent again.
_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_TIMEOUT = 15.0
_PATIENCE = 120.0  # seconds after which a person who is refused all the time gives up
_AT_ONCE = 8  # requests of the partner under way
# Of so many requests one is sent again although it was answered, as a proxy does that lost the answer.
_SENT_TWICE = 4

Wait = Callable[[], bool]


class GaveUp(RuntimeError):
    """Somebody was refused again and again, or got an answer that nobody expects."""


@dataclass
class Tally:
    """What the clicks met."""

    retried: int = 0
    unanswered: int = 0
    replayed: int = 0


def pause(seconds: float) -> Wait:
    """True from then on."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


T = TypeVar("T")


def look(read: Callable[[], T]) -> Generator[Wait, None, T]:
    """What it shows, as soon as the page loads."""
    while True:
        try:
            return read()
        except TRANSIENT:
            connection.close()
        yield pause(0.5)


def click(tally: Tally, do: Callable[[], Any], done: Callable[[], bool]) -> Iterator[Wait]:
    """Do it unless it is `done`; after an error look first, because it may have happened all the same."""
    end = time.monotonic() + _PATIENCE
    tried = False
    while True:
        try:
            if tried and done():
                return
            do()
            return
        except TRANSIENT:
            connection.close()
        except Conflict as refused:
            if time.monotonic() > end:
                raise GaveUp(f"{refused.code}: {refused.message}") from refused
        tried = True
        tally.retried += 1
        yield pause(0.5)


@dataclass
class Partner:
    """A client of the REST API that sends the same key until it has an answer, several requests at once."""

    url: str
    secret: str
    tally: Tally
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_AT_ONCE))
    _own: threading.local = field(default_factory=threading.local)

    def post(self, path: str, body: dict[str, Any], key: str) -> Iterator[Wait]:
        """Until the API has answered this keyed request, however often it must be sent.

        Some are sent again after that; the second answer must be the first, from the records.
        """
        first = yield from self._answered(path, body, key)
        if zlib.crc32(key.encode()) % _SENT_TWICE == 0:
            second = yield from self._answered(path, body, key)
            if (second.status_code, second.json()) != (first.status_code, first.json()):
                raise GaveUp(f"{path}: the same key was answered {first.text} and {second.text}")

    def _answered(
        self, path: str, body: dict[str, Any], key: str
    ) -> Generator[Wait, None, requests.Response]:
        end = time.monotonic() + _PATIENCE
        while True:
            sending = self._pool.submit(self._send, path, body, key)
            yield sending.done
            reply = sending.result()
            if reply is not None and reply.ok:
                self.tally.replayed += reply.headers.get("Idempotency-Replayed") == "true"
                return reply
            refused = reply is not None and reply.status_code not in (*_AGAIN, 409)
            if refused or time.monotonic() > end:
                raise GaveUp(f"{path}: {reply.status_code if reply else 'no answer'} {reply and reply.text}")
            self.tally.unanswered += reply is None
            self.tally.retried += 1
            yield pause(0.5)

    def _send(self, path: str, body: dict[str, Any], key: str) -> requests.Response | None:
        headers = {"Authorization": f"Bearer {self.secret}", "Idempotency-Key": key}
        if not hasattr(self._own, "session"):
            self._own.session = requests.Session()
        try:
            return self._own.session.post(
                f"{self.url}/api/v1/{path}", json=body, headers=headers, timeout=_TIMEOUT
            )
        except requests.RequestException:
            return None
