"""A JSON-RPC proxy that lies, drops and lags on demand, between the product and a real node."""

import json
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Request = dict[str, Any]
Answer = dict[str, Any]
Forward = Callable[[Request], Answer]
Fault = Callable[[Request, Forward], Answer]


class Drop(Exception):
    """Close the connection without a reply."""


class HttpStatus(Exception):
    """Reply with a bare HTTP status, and headers if there are any."""


class Garbage(Exception):
    """Reply with something that is no JSON."""


@dataclass
class Rule:
    """One fault for one method, `times` times; None means always."""

    method: str
    fault: Fault
    times: int | None = None
    used: int = 0

    def applies(self, request: Request) -> bool:
        """Whether this rule takes the request; counts if so."""
        if self.method not in ("*", request["method"]) or (
            self.times is not None and self.used >= self.times
        ):
            return False
        self.used += 1
        return True


@dataclass
class RpcProxy:
    """`url` is what the product is given; `calls` are the methods that were asked for."""

    upstream: str
    url: str = ""
    rules: list[Rule] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def on(self, method: str, fault: Fault, times: int | None = None) -> Rule:
        """Apply `fault` to `method` from now on."""
        rule = Rule(method, fault, times)
        self.rules.append(rule)
        return rule

    def heal(self) -> None:
        """Answer honestly again."""
        self.rules.clear()

    def forward(self, request: Request) -> Answer:
        """What the real node says."""
        body = json.dumps(request).encode()
        plain = urllib.request.Request(self.upstream, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(plain, timeout=30) as reply:
            answer: Answer = json.load(reply)
        return answer

    def answer(self, request: Request) -> Answer:
        """The real answer, through the first rule that applies."""
        self.calls.append(request["method"])
        rule = next((rule for rule in self.rules if rule.applies(request)), None)
        return rule.fault(request, self.forward) if rule else self.forward(request)


def drop_reply(request: Request, forward: Forward) -> Answer:
    """The node gets it, we never hear of it."""
    forward(request)
    raise Drop


def drop_request(request: Request, forward: Forward) -> Answer:
    """The node never gets it."""
    raise Drop


def status(code: int, **headers: str) -> Fault:
    """A bare HTTP status; `Retry_After="5"` becomes a header."""

    def fault(request: Request, forward: Forward) -> Answer:
        raise HttpStatus(code, headers)

    return fault


def garbage(request: Request, forward: Forward) -> Answer:
    """No JSON."""
    raise Garbage


def result(value: Any) -> Fault:
    """Always this result."""

    def fault(request: Request, forward: Forward) -> Answer:
        return {"jsonrpc": "2.0", "id": request["id"], "result": value}

    return fault


def error(message: str, code: int = -32000, data: Any = None) -> Fault:
    """A JSON-RPC error instead of the answer."""
    told = {"code": code, "message": message} | ({} if data is None else {"data": data})

    def fault(request: Request, forward: Forward) -> Answer:
        return {"jsonrpc": "2.0", "id": request["id"], "error": told}

    return fault


def changed(change: Callable[[Any], Any]) -> Fault:
    """The real result after `change`."""

    def fault(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        return {**answer, "result": change(answer["result"])} if "result" in answer else answer

    return fault


def stale_head(behind: int) -> Fault:
    """`eth_blockNumber` of a node that is `behind` blocks late."""
    return changed(lambda number: hex(max(0, int(number, 16) - behind)))


@contextmanager
def running_proxy(upstream: str) -> Iterator[RpcProxy]:
    """A proxy on a free port for the length of the block."""
    proxy = RpcProxy(upstream)
    server = _Server(("127.0.0.1", 0), _handler(proxy))
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed while it asked is no news."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _handler(proxy: RpcProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                reply: Any = (
                    [proxy.answer(entry) for entry in body] if isinstance(body, list) else proxy.answer(body)
                )
            except Drop:
                self.close_connection = True
                return
            except HttpStatus as refused:
                self._reply(refused.args[0], b"", refused.args[1])
                return
            except Garbage:
                self._reply(200, b"<html>")
                return
            self._reply(200, json.dumps(reply).encode())

        def _reply(self, code: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
            self.send_response(code)
            for name, value in (headers or {}).items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    return Handler
