"""What a web process does while it serves: once a minute it leaves the sign of life of the pages."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from channels.db import database_sync_to_async

from core import heartbeat
from payments.services import outages

log = structlog.get_logger(__name__)
# Several times within the silence that counts as a dead time.
RHYTHM = 60
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def lifespan(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """The ASGI server's start and end of this process."""
    while (await receive())["type"] != "lifespan.startup":
        pass
    task = asyncio.create_task(_leave_signs())
    await send({"type": "lifespan.startup.complete"})
    while (await receive())["type"] != "lifespan.shutdown":
        pass
    task.cancel()
    await send({"type": "lifespan.shutdown.complete"})


async def _leave_signs() -> None:
    while True:
        try:
            # The thread that serves pages does it: one that hangs leaves no sign.
            await database_sync_to_async(leave_sign)()
        except Exception as error:
            log.warning("no_sign_of_life", error=type(error).__name__)
        await asyncio.sleep(RHYTHM)


def leave_sign() -> None:
    """Pages are served now."""
    outages.alive(outages.WEB)
    heartbeat.beat("web")
