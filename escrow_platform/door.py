"""The door in front of Django: who is there, how much may be sent and how slowly, how many at once.

Django reads a whole body before it looks at the address, so all of this is decided before Django sees a byte.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

import structlog
from asgiref.typing import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    ASGISendEvent,
    HTTPScope,
    Scope,
    WebSocketScope,
)
from django.conf import settings
from django.urls import Resolver404, resolve

from core import visitors
from core.problems import MEDIA_TYPE, document

log = structlog.get_logger(__name__)

# Pages whose forms carry files, by the number of files that they take.
UPLOADS = {
    "deals:new": 10,
    "deals:edit": 10,
    "deals:deliver": 10,
    "disputes:open": 10,
    "disputes:evidence": 10,
}
_FORWARDED = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer of the door itself; `again` says after how many seconds another attempt is worth it."""

    status: int
    words: str
    again: int = 0


TOO_LARGE = Refusal(413, "The request is too large. Send less in one request; a file may have up to 10 MB.")
TOO_SLOW = Refusal(408, "The request did not arrive in time. Nothing was done: send it again.", again=1)
TOO_BUSY = Refusal(
    503, "Too many requests are being served. Nothing was done: try again in a moment.", again=2
)
TOO_MANY = Refusal(429, "Too many requests from your address at once. Nothing was done: send fewer.", again=1)


class Door:
    """One for each process: an ASGI application around another one. Limits are in `settings.DOOR`."""

    def __init__(self, inside: ASGI3Application) -> None:
        self._inside = inside
        self._limits: Mapping[str, int] = settings.DOOR
        self._proxies = [ip_network(proxy) for proxy in settings.TRUSTED_PROXIES]
        self._places = asyncio.Semaphore(self._limits["served"])
        self._present: Counter[tuple[str, str]] = Counter()
        self._warned = False

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "lifespan":
            await self._inside(scope, receive, send)
            return
        visitor: HTTPScope | WebSocketScope = self._known(scope)
        with self._counted(visitor) as fits:
            if visitor["type"] == "websocket":
                await (self._inside(visitor, receive, send) if fits else _close(receive, send))
            elif not fits:
                await _refuse(visitor, send, TOO_MANY)
            else:
                await self._serve(visitor, receive, send)

    async def _serve(self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        visit = _Visit(scope, receive, send, self._places, self._limits)
        if visit.announced > visit.limit:
            await _refuse(scope, send, TOO_LARGE)
            return
        try:
            await self._inside(scope, visit.receive, visit.send)
        finally:
            visit.leave()
        if visit.refusal and not visit.answered:
            await _refuse(scope, send, visit.refusal)

    @contextmanager
    def _counted(self, scope: HTTPScope | WebSocketScope) -> Iterator[bool]:
        """Count the visitor in; False when as many as allowed of that address are there already."""
        client = scope.get("client")
        who = (scope["type"], visitors.network(str(client[0])) if client else "")
        self._present[who] += 1
        try:
            yield self._present[who] <= self._limits[f"{scope['type']}_of_one_address"]
        finally:
            self._present[who] -= 1
            if not self._present[who]:
                del self._present[who]

    def _known(self, scope: Any) -> Any:
        """The scope with the visitor's own address. Only what a trusted proxy says about it is believed."""
        peer = visitors.plain(scope["client"][0]) if scope.get("client") else ""
        headers = [(name.lower(), value) for name, value in scope["headers"]]
        if not self._trusted(peer):
            kept = [(name, value) for name, value in headers if name not in _FORWARDED]
            if len(kept) < len(headers) and not self._warned:
                self._warned = True
                log.warning("forwarded_by_a_stranger", peer=peer, way_out="name the proxy in TRUSTED_PROXIES")
            return {**scope, "headers": kept, "client": (peer, scope["client"][1]) if peer else None}
        told = b",".join(value for name, value in headers if name == b"x-forwarded-for").decode("latin1")
        for address in reversed([visitors.plain(part.strip()) for part in told.split(",") if part.strip()]):
            if not visitors.is_address(address):
                break
            peer = address
            if not self._trusted(address):
                break
        return {**scope, "headers": headers, "client": (peer, 0)}

    def _trusted(self, address: str) -> bool:
        return visitors.is_address(address) and any(ip_address(address) in proxy for proxy in self._proxies)


class _Visit:
    """One request: its body is counted and timed; once it is complete it needs a place to be served."""

    def __init__(
        self,
        scope: HTTPScope,
        receive: ASGIReceiveCallable,
        send: ASGISendCallable,
        places: asyncio.Semaphore,
        limits: Mapping[str, int],
    ) -> None:
        self._receive, self._send, self._places, self._limits = receive, send, places, limits
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"")
        self.announced = int(length) if length.isdigit() else 0
        self.limit = _limit(scope["path"], headers, limits)
        self.refusal: Refusal | None = None
        self.answered = False
        self._size = 0
        self._complete = False
        self._placed = False
        loop = asyncio.get_running_loop()
        self._end = loop.time() + limits["body_seconds"] + self.limit / limits["slowest_bytes_per_second"]

    async def receive(self) -> ASGIReceiveEvent:
        if self._complete:
            return await self._receive()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(min(self._end, loop.time() + self._limits["idle_seconds"])):
                event = await self._receive()
        except TimeoutError:
            return self._turn_away(TOO_SLOW)
        if event["type"] != "http.request":
            return event
        self._size += len(event["body"])
        if self._size > self.limit:
            return self._turn_away(TOO_LARGE)
        if not event["more_body"]:
            self._complete = True
            if not await self._take_place():
                return self._turn_away(TOO_BUSY)
        return event

    async def send(self, event: ASGISendEvent) -> None:
        self.answered = True
        await self._send(event)

    def leave(self) -> None:
        if self._placed:
            self._placed = False
            self._places.release()

    async def _take_place(self) -> bool:
        try:
            async with asyncio.timeout(self._limits["wait_seconds"]):
                await self._places.acquire()
        except TimeoutError:
            return False
        self._placed = True
        return True

    def _turn_away(self, refusal: Refusal) -> ASGIReceiveEvent:
        """For Django the visitor has left; the door answers."""
        self.refusal = refusal
        return {"type": "http.disconnect"}


def _limit(path: str, headers: Mapping[bytes, bytes], limits: Mapping[str, int]) -> int:
    """How many bytes a body for this address may have. Files are taken only from who has a session."""
    if path.startswith("/api/"):
        return settings.API_BODY_LIMIT
    if settings.SESSION_COOKIE_NAME.encode() + b"=" not in headers.get(b"cookie", b""):
        return limits["body"]
    try:
        files = UPLOADS.get(resolve(path).view_name, 0)
    except Resolver404:
        files = 0
    return limits["body"] + files * settings.UPLOAD_LIMIT_BYTES


async def _refuse(scope: HTTPScope, send: ASGISendCallable, refusal: Refusal) -> None:
    """Answer and close: what the visitor still sends is not read."""
    if scope["path"].startswith("/api/"):
        kind, body = MEDIA_TYPE, document(refusal.status, refusal.words, scope["path"])
    else:
        kind, body = "text/plain; charset=utf-8", refusal.words.encode()
    headers = [
        (b"content-type", kind.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    if refusal.again:
        headers.append((b"retry-after", str(refusal.again).encode()))
    log.warning("turned_away", status=refusal.status, client=(scope.get("client") or ("",))[0])
    await send(
        {"type": "http.response.start", "status": refusal.status, "headers": headers, "trailers": False}
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _close(receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    await receive()
    await send({"type": "websocket.close", "code": 1013, "reason": ""})
