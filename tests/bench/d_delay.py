"""d. How long after the block that makes it final a deposit or release shows: in the tables, on the page.

The whole site runs as an operator starts it: two workers, the scheduler, the follower of heads, the pages. A
viewer holds the live socket of the deal open and reads its page again when told. The clock starts before the
node is asked for the block that makes the event final by the network's policy.
"""

import asyncio
import re
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.bench.ground import Spread, chain, final_number, target
from tests.bench.site import Site, running, until
from tests.chain.fixtures import Anvil

SAMPLES = 40
LIMIT = 1.0  # seconds, for 95 of 100
BETWEEN = 1.0  # seconds between blocks, so that one is not measured with the last one's work
_STATE = re.compile(r'data-state="(\w+)"')


def run(folder: Path) -> dict[str, Any]:
    """Measure; returns what is published."""
    from tests.bench import town

    with chain() as node:
        desk = town.desk(node)
        escrows = [desk.agreed().escrows.get() for _ in range(SAMPLES)]
        node.mine(3)
        with running(folder, workers=2, web=True) as site:
            depth = node.head - final_number(node)
            delays = [_life(desk, site, node, escrow, depth) for escrow in escrows]
    cases = []
    for place, what in enumerate(("deposit: funded", "release: released")):
        for seen, where in enumerate(("in the tables", "on the live page")):
            spread = Spread.of([life[place][seen] for life in delays])
            cases.append(_case(f"{what}, {where}", spread))
    return {"what": "delay from the block that makes it final", "cases": cases}


def _case(name: str, spread: Spread) -> dict[str, Any]:
    return {
        "case": name,
        "shown": f"median {spread.median * 1000:.0f} ms, worst {spread.values[-1] * 1000:.0f} ms",
        **spread.as_json(),
        **target("95 of 100 within a second", spread.p95, LIMIT, at_most=True),
    }


def _life(desk: Any, site: Site, node: Anvil, escrow: Any, depth: int) -> list[tuple[float, float]]:
    """(tables, page) seconds of the deposit and of the release."""
    from payments.services import payouts
    from tests.payments.fixtures import actor

    def when_final(state: str) -> tuple[float, float]:
        for _ in range(depth):
            node.mine()
            time.sleep(BETWEEN)
        start = time.perf_counter()
        node.mine()
        until(lambda: desk.state(escrow) == state, f"the escrow was {state}", pause=0.003)
        tables = time.perf_counter() - start
        until(lambda: state in viewer.seen, f"the page showed {state}", pause=0.003)
        return tables, viewer.seen[state] - start

    with Viewer(site.url, escrow, desk.cast.buyer) as viewer:
        desk.pay(escrow)
        funded = when_final("funded")
        payouts.release(escrow_id=escrow.pk, role="buyer", acting=actor(desk.cast.buyer))
        until(lambda: int(node.rpc("txpool_status")["pending"], 16), "the release was sent", pause=0.01)
        return [funded, when_final("released")]


@dataclass
class Viewer:
    """A party that looks at the escrow's page: `seen` holds when each state was first there."""

    site: str
    escrow: Any
    user: Any
    seen: dict[str, float] = field(default_factory=dict)

    def __enter__(self) -> "Viewer":
        self._cookie = _signed_in(self.user)
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._watch(),))
        self._thread.start()
        until(self._ready.is_set, "the socket was open")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    async def _watch(self) -> None:
        self._ended = asyncio.Event()
        deal = self.escrow.deal_id
        headers = {"Cookie": self._cookie, "Origin": self.site}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.ws_connect(f"{self.site}/ws/deals/{deal}/") as socket,
        ):
            self._ready.set()
            ending = asyncio.ensure_future(self._ended.wait())
            while not ending.done():
                heard = asyncio.ensure_future(socket.receive())
                await asyncio.wait({heard, ending}, return_when=asyncio.FIRST_COMPLETED)
                if heard.done():
                    await self._look(session, f"{self.site}/deals/{deal}/escrows/{self.escrow.pk}/live/")
                else:
                    heard.cancel()

    async def _look(self, session: aiohttp.ClientSession, url: str) -> None:
        async with session.get(url) as reply:
            found = _STATE.search(await reply.text())
        if found:
            self.seen.setdefault(found.group(1), time.perf_counter())


def _signed_in(user: Any) -> str:
    """The cookie of a session of this person."""
    from django.test import Client

    client = Client()
    client.force_login(user)
    return "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
