"""A wire to PostgreSQL that breaks in the middle of a commit: before the server hears of it, or after."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from django.db import connection

COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"  # the simple query, as libpq sends it


@dataclass
class Wire:
    """Passes bytes on. Armed, it cuts the connection that sends the `countdown`-th COMMIT from now.

    `when` is "before": the server never hears of that commit; or "after": it commits, and the answer is lost.
    """

    upstream: tuple[str, int]
    when: str = "before"
    countdown: int = 0
    cuts: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def arm(self, when: str, countdown: int) -> None:
        with self._lock:
            self.when, self.countdown = when, countdown

    def disarm(self) -> bool:
        """Whether it was still armed, so that nothing was cut."""
        with self._lock:
            armed, self.countdown = self.countdown > 0, 0
        return armed

    def carry(self, client: socket.socket) -> None:
        """One connection, until either end closes it or it is cut."""
        with client, socket.create_connection(self.upstream) as server:
            while True:
                ready, _, _ = select.select([client, server], [], [], 60)
                for source in ready:
                    data = source.recv(65_536)
                    if not data:
                        return
                    if source is client and COMMIT in data and self._is_due():
                        if self.when == "after":
                            server.sendall(data)
                            server.recv(65_536)
                        return
                    (server if source is client else client).sendall(data)

    def _is_due(self) -> bool:
        with self._lock:
            if self.countdown == 0:
                return False
            self.countdown -= 1
            self.cuts += self.countdown == 0
            return self.countdown == 0


@contextmanager
def wired() -> Iterator[Wire]:
    """The connection of this process runs over a wire for as long as the block lasts."""
    settings = connection.settings_dict
    wire = Wire((settings["HOST"], int(settings["PORT"])))
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=_carry, args=(wire, client), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    connection.close()
    settings["PORT"] = listener.getsockname()[1]
    try:
        yield wire
    finally:
        connection.close()
        settings["PORT"] = wire.upstream[1]
        listener.close()


def _carry(wire: Wire, client: socket.socket) -> None:
    with suppress(OSError):
        wire.carry(client)
