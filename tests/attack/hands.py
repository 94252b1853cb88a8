"""The attacker: a process of its own, so that nothing of it is measured as the site's.

`python -m tests.attack.hands` reads one JSON line from its input, says `begun` when everything is under way,
goes on until its input ends or its bounds are reached, and prints a JSON tally of the answers.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import aiohttp

MOST_SECONDS = 120.0
_MB = 1_000_000
_CHUNK = bytes(64_000)

Tally = Counter[str]


class Hands:
    """Loops that end together: when the input is closed, or after the bounds."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.tally: Tally = Counter()
        self.left = int(plan["most"])
        self._end = time.monotonic() + MOST_SECONDS
        self._told = False
        self._stopped = False
        # An address of its own, as a stranger has one.
        self._from = (str(plan["address"]), 0)

    def goes_on(self) -> bool:
        """Whether another request may be sent; counts it."""
        if self._stopped or self.left <= 0 or time.monotonic() > self._end:
            return False
        self.left -= 1
        return True

    async def play(self) -> None:
        """All loops at once, and an ear at the input."""
        loops: dict[str, Callable[[aiohttp.ClientSession], Awaitable[None]]] = {
            "posts": self._posts,
            "bodies": self._bodies,
            "unfinished": self._unfinished,
        }
        ear = asyncio.ensure_future(asyncio.to_thread(sys.stdin.read))
        timeout = aiohttp.ClientTimeout(total=60)
        connector = aiohttp.TCPConnector(limit=0, force_close=True, local_addr=self._from)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            loop = loops[self.plan["kind"]]
            running = [asyncio.ensure_future(loop(session)) for _ in range(self.plan["at_once"])]
            await asyncio.sleep(0.5)
            print("begun", flush=True)
            while not ear.done() and not all(task.done() for task in running):
                await asyncio.sleep(0.05)
            self._stopped = True
            await asyncio.wait(running, timeout=60)
            for task in running:
                task.cancel()
        print(json.dumps({**self.tally}), flush=True)

    async def _posts(self, session: aiohttp.ClientSession) -> None:
        """The same form, again and again."""
        while self.goes_on():
            await self._send(session, data=self.plan["form"])

    async def _bodies(self, session: aiohttp.ClientSession) -> None:
        """Many megabytes to an address that does not want them."""

        async def stream() -> Any:
            for _ in range(self.plan["megabytes"] * _MB // len(_CHUNK)):
                self.tally["bytes"] += len(_CHUNK)
                yield _CHUNK

        while self.goes_on():
            await self._send(session, data=stream())

    async def _send(self, session: aiohttp.ClientSession, data: Any) -> None:
        try:
            async with session.post(
                self.plan["url"], data=data, headers=self.plan["headers"], allow_redirects=False
            ) as reply:
                self.tally[str(reply.status)] += 1
                await reply.read()
        except (aiohttp.ClientError, OSError, TimeoutError):
            self.tally["cut off"] += 1
            await asyncio.sleep(0.05)

    async def _unfinished(self, _: aiohttp.ClientSession) -> None:
        """A body that is announced and never comes."""
        where = urlsplit(self.plan["url"])
        while self.goes_on():
            begin = time.monotonic()
            try:
                reader, writer = await asyncio.open_connection(
                    where.hostname, where.port, local_addr=self._from
                )
                head = f"POST {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: 200000\r\n"
                fields = "".join(f"{name}: {value}\r\n" for name, value in self.plan["headers"].items())
                writer.write(f"{head}{fields}\r\nx".encode())
                answer = await asyncio.wait_for(reader.read(12), 60)
                self.tally[answer[9:12].decode() or "cut off"] += 1
                writer.close()
            except TimeoutError:
                self.tally["still open after a minute"] += 1
            except OSError:
                self.tally["cut off"] += 1
            self.tally["longest"] = max(self.tally["longest"], round(time.monotonic() - begin))


if __name__ == "__main__":
    asyncio.run(Hands(json.loads(sys.stdin.readline())).play())
