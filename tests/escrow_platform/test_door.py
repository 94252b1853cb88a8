"""The door in front of Django on loopback: sizes, slowness, crowds, and who a visitor is."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from inspect import getsource, unwrap
from time import monotonic, sleep
from typing import Any

import pytest
import uvicorn
from django.conf import settings as django_settings
from django.urls import URLPattern, URLResolver, get_resolver

from core import visitors
from escrow_platform.door import UPLOADS, Door
from escrow_platform.stack.ports import free_port

LIMITS = {
    "served": 2,
    "wait_seconds": 0.3,
    "http_of_one_address": 6,
    "websocket_of_one_address": 2,
    "body": 20_000,
    "idle_seconds": 0.5,
    "body_seconds": 1,
    "slowest_bytes_per_second": 1_000_000,
}
SESSION = f"Cookie: {django_settings.SESSION_COOKIE_NAME}=abc\r\n"


class Inside:
    """What stands behind the door: tells what it got, and waits where the address says so."""

    def __init__(self) -> None:
        self.bytes_read = 0
        self.go_on = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await receive()
            return
        size = 0
        while True:
            event = await receive()
            if event["type"] == "http.disconnect":
                return
            size += len(event["body"])
            self.bytes_read += len(event["body"])
            if not event["more_body"]:
                break
        if scope["path"] == "/waits/":
            await self.go_on.wait()
        seen = {name.decode(): value.decode() for name, value in scope["headers"]}
        told = {"client": scope["client"][0], "size": size, "headers": seen}
        body = json.dumps(told).encode()
        length = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": body})


class Served:
    def __init__(self, port: int, inside: Inside, loop: Callable[[], Any]) -> None:
        self.port, self.inside = port, inside
        self._loop = loop

    def open(self, head: str, body: bytes = b"") -> socket.socket:
        peer = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        peer.sendall(f"{head}\r\n".encode() + body)
        return peer

    def ask(self, head: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
        with closing(self.open(head, body)) as peer:
            return answer(peer)

    def let_go(self) -> None:
        self._loop().call_soon_threadsafe(self.inside.go_on.set)


def answer(peer: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body; reads until the other side closes."""
    data = b""
    while chunk := peer.recv(65_536):
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(first.split()[1]), headers, body


def get(path: str, more: str = "") -> str:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}"


def post(path: str, length: int | None, more: str = "") -> str:
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{size}\r\n{more}"


@pytest.fixture
def served(settings: Any) -> Iterator[Served]:
    """The door with small limits in a real server, on loopback, with 127.0.0.1 as its trusted proxy."""
    settings.DOOR = LIMITS
    settings.TRUSTED_PROXIES = ["127.0.0.1", "10.0.0.0/8"]
    settings.UPLOAD_LIMIT_BYTES, settings.API_BODY_LIMIT = 100_000, 30_000
    yield from _serve()


@pytest.fixture
def unproxied(settings: Any) -> Iterator[Served]:
    settings.TRUSTED_PROXIES = []
    yield from _serve()


def _serve() -> Iterator[Served]:
    inside, port, loops = Inside(), free_port(), []

    async def run() -> None:
        loops.append(asyncio.get_running_loop())
        await server.serve()

    server = uvicorn.Server(
        uvicorn.Config(Door(inside), port=port, proxy_headers=False, log_level="critical", lifespan="off")
    )
    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    while not server.started:
        sleep(0.01)
    yield Served(port, inside, lambda: loops[0])
    loops[0].call_soon_threadsafe(inside.go_on.set)
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize(
    ("path", "most"), [("/api/v1/deals", 30_000), ("/nowhere/", 20_000), ("/deals/new/", 20_000)]
)
def test_a_body_that_is_announced_as_too_large_is_refused_unread(
    served: Served, path: str, most: int
) -> None:
    status, headers, _ = served.ask(post(path, 300_000_000), b"x" * 1000)
    assert (status, headers["connection"], served.inside.bytes_read) == (413, "close", 0)
    assert served.ask(post(path, most), b"x" * most)[0] == 200


def test_the_api_is_refused_in_its_own_language(served: Served) -> None:
    _, headers, body = served.ask(post("/api/v1/deals", 300_000_000))
    told = json.loads(body)
    assert headers["content-type"] == "application/problem+json"
    assert (told["status"], told["code"], told["instance"]) == (413, "too_large", "/api/v1/deals")


def test_a_body_of_unknown_length_is_cut_off_where_it_is_too_large(served: Served) -> None:
    chunk = b"2710\r\n" + b"x" * 10_000 + b"\r\n"
    assert served.ask(post("/nowhere/", None), chunk * 3)[0] == 413
    assert served.inside.bytes_read <= 20_000
    assert served.ask(post("/nowhere/", None), chunk + b"0\r\n\r\n")[0] == 200


def test_files_are_taken_where_a_form_has_them_and_from_who_has_a_session(served: Served) -> None:
    size = 10 * 100_000
    assert served.ask(post("/deals/new/", size, SESSION), b"x" * size)[0] == 200
    assert served.ask(post("/deals/new/", size), b"")[0] == 413
    assert served.ask(post("/deals/", size, SESSION), b"")[0] == 413
    assert served.ask(post("/deals/new/", size + 30_000, SESSION), b"")[0] == 413


@pytest.mark.parametrize("path", ["/api/v1/deals", "/nowhere/"])
def test_a_body_that_stops_halfway_is_ended(served: Served, path: str) -> None:
    began = monotonic()
    status, headers, _ = served.ask(post(path, 1000), b"x" * 10)
    assert (status, headers["retry-after"]) == (408, "1")
    assert monotonic() - began < 3


def test_a_body_that_drips_is_ended_as_well(served: Served) -> None:
    with closing(served.open(post("/nowhere/", 1000))) as peer:
        began, ended = monotonic(), False
        while not ended and monotonic() - began < 5:
            peer.sendall(b"x")
            peer.settimeout(0.2)
            try:
                ended = peer.recv(100).startswith(b"HTTP/1.1 408")
            except TimeoutError:
                continue
        assert ended


def test_who_finds_no_place_is_told_when_to_come_again(served: Served) -> None:
    waiting = [served.open(get("/waits/")) for _ in range(LIMITS["served"])]
    sleep(0.2)
    status, headers, _ = served.ask(get("/api/v1/deals"))
    assert (status, headers["retry-after"]) == (503, "2")
    served.let_go()
    for peer in waiting:
        assert answer(peer)[0] == 200
        peer.close()
    assert served.ask(get("/anywhere/"))[0] == 200


def test_slow_senders_take_no_place_from_others(served: Served) -> None:
    slow = [served.open(post("/nowhere/", 1000)) for _ in range(4)]
    assert served.ask(get("/anywhere/"))[0] == 200
    for peer in slow:
        peer.close()


def test_one_address_has_its_own_smaller_share(served: Served) -> None:
    first = "X-Forwarded-For: 192.0.2.1\r\n"
    open_ones = [served.open(post("/nowhere/", 1000, first)) for _ in range(LIMITS["http_of_one_address"])]
    sleep(0.1)
    status, headers, _ = served.ask(get("/anywhere/", first))
    assert (status, headers["retry-after"]) == (429, "1")
    assert served.ask(get("/anywhere/", "X-Forwarded-For: 192.0.2.2\r\n"))[0] == 200
    for peer in open_ones:
        peer.close()


def test_one_subscribers_many_addresses_are_counted_as_one(served: Served) -> None:
    of_v6 = [f"X-Forwarded-For: 2001:db8::{number}\r\n" for number in range(1, 8)]
    most = LIMITS["http_of_one_address"]
    open_ones = [served.open(post("/nowhere/", 1000, claim)) for claim in of_v6[:most]]
    sleep(0.1)
    assert served.ask(get("/anywhere/", of_v6[most]))[0] == 429
    assert served.ask(get("/anywhere/", "X-Forwarded-For: 2001:db8:0:1::1\r\n"))[0] == 200
    for peer in open_ones:
        peer.close()


@pytest.mark.parametrize(
    ("address", "alone", "counted"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("2001:DB8::0:1", "2001:db8::1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::1", "fe80::/64"),
        ("a:socket", "a:socket", "a:socket"),
        ("", "", ""),
    ],
)
def test_a_visitor_is_counted_however_the_address_is_written(address: str, alone: str, counted: str) -> None:
    assert (visitors.plain(address), visitors.network(address)) == (alone, counted)


def test_a_trusted_proxy_is_known_where_the_server_listens_on_ipv6(settings: Any) -> None:
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    seen = Door(None)._known(  # type: ignore[arg-type]
        {"client": ("::ffff:127.0.0.1", 1), "headers": [(b"x-forwarded-for", b"192.0.2.1")]}
    )
    assert seen["client"][0] == "192.0.2.1"


@pytest.mark.parametrize(
    ("forwarded", "seen"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("198.51.100.7, 192.0.2.1", "192.0.2.1"),  # the first is what the visitor claims
        ("192.0.2.1, 10.1.1.1", "192.0.2.1"),
        ("192.0.2.1, nonsense", "127.0.0.1"),
        ("10.1.1.1", "10.1.1.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),  # a proxy that listens on IPv6
        ("192.0.2.1, ::ffff:10.1.1.1", "192.0.2.1"),
        ("", "127.0.0.1"),
    ],
)
def test_a_visitor_is_who_the_last_trusted_proxy_saw(served: Served, forwarded: str, seen: str) -> None:
    _, _, body = served.ask(get("/anywhere/", f"X-Forwarded-For: {forwarded}\r\n"))
    assert json.loads(body)["client"] == seen


def test_nobody_else_is_believed_about_who_he_is(unproxied: Served) -> None:
    claims = "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n"
    told = json.loads(unproxied.ask(get("/anywhere/", claims))[2])
    assert told["client"] == "127.0.0.1"
    assert not [name for name in told["headers"] if name.startswith("x-forwarded")]


def _views(
    patterns: list[URLPattern | URLResolver], spaces: tuple[str, ...] = ()
) -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            inner = (*spaces, pattern.namespace) if pattern.namespace else spaces
            if pattern.namespace != "admin":
                yield from _views(pattern.url_patterns, inner)
        elif pattern.name:
            yield ":".join((*spaces, pattern.name)), unwrap(pattern.callback)


def test_every_page_that_takes_files_is_known_at_the_door() -> None:
    ours = [
        (name, view)
        for name, view in _views(get_resolver().url_patterns)
        if view.__module__.split(".")[0]
        in {"payments", "disputes", "accounts", "partners", "escrow_platform"}
    ]
    taking = {name for name, view in ours if "request.FILES" in getsource(view)}
    assert taking == set(UPLOADS)
