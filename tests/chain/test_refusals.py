"""Nodes that refuse: less is asked for, whatever they say, or later, and nothing is lost or asked twice."""

import csv
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from chain.indexer import portions
from chain.models import Alarm, Block, Provider, ScanCursor, WatchedAddress
from chain.rpc import health, sizes, transport, waits
from chain.rpc.errors import (
    BadAnswer,
    BatchRefused,
    LogsRefused,
    NodeError,
    RateLimited,
    Reverted,
    Unreachable,
    from_node,
)
from chain.services import audit, breaker, indexer, rescan
from chain.services.sweep import sweep
from contracts.artifacts import TEST_USDT_ADDRESS
from core import clock
from tests.chain.fixtures import Engine
from tests.chain.helpers import ALICE, BOB, alarms, events, later, more_nodes, watched
from tests.chaos import rpcproxy
from tests.chaos.rpcproxy import RpcProxy

_TABLE = (Path(__file__).parent / "provider_errors.tsv").read_text().splitlines()[1:]
SEEN = list(csv.reader(_TABLE, delimiter="\t", quoting=csv.QUOTE_NONE))
WANTED = {"range": LogsRefused, "batch": BatchRefused, "rate": RateLimited, "pruned": NodeError}
_JSON = st.recursive(
    st.none() | st.integers(-9, 9) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("row", SEEN, ids=lambda row: f"{row[0]} {row[3][:20]}")
def test_what_was_seen_in_public_leads_to_less_or_later(row: list[str]) -> None:
    _, method, code, text, helps = row
    error = from_node(method, {"code": int(code), "message": text}, in_batch=helps == "batch")
    if helps == "range" and method != "eth_getLogs":
        assert isinstance(error, NodeError), "a later item of a batch: that batch is asked in parts"
    else:
        assert isinstance(error, WANTED[helps])


@settings(max_examples=300, deadline=None)
@given(code=st.integers(-40_000, 9999), message=_JSON, data=_JSON)
def test_any_refusal_of_logs_asks_for_less(code: int, message: Any, data: Any) -> None:
    """D4: except where waiting helps, or where nothing does because there is no such method."""
    assume(code not in (429, -32601))
    error = from_node("eth_getLogs", {"code": code, "message": message, "data": data})
    assert isinstance(error, LogsRefused)
    assert error.suggested is None or error.suggested >= 1


@pytest.mark.parametrize("where", ["message", "data", "in an object"])
def test_where_a_node_says_why_makes_no_difference(where: str) -> None:
    def said(text: str) -> Any:
        if where == "message":
            return from_node("eth_getLogs", {"code": -32000, "message": text})
        data = {"reason": [text]} if where == "in an object" else text
        return from_node("eth_getLogs", {"code": -32000, "message": "Internal error", "data": data})

    assert said("at most 300 blocks").suggested == 300
    assert isinstance(said("too many requests, slow down"), RateLimited)
    assert isinstance(said("too many requests for so many blocks"), LogsRefused), "less helps as well"
    assert not isinstance(said("the method eth_getLogs is not supported"), LogsRefused)


# --- reading a chain -----------------------------------------------------------------------------------


def _span(request: rpcproxy.Request) -> int:
    asked = request["params"][0]
    return int(asked["toBlock"], 16) - int(asked["fromBlock"], 16) + 1


def _stubborn(words: str, data: Any = None) -> rpcproxy.Fault:
    """Gives logs of one block only, and there only of one contract, of one event and of named parties."""

    def fault(request: rpcproxy.Request, forward: rpcproxy.Forward) -> rpcproxy.Answer:
        asked = request["params"][0]
        topics = asked.get("topics") or [[]]
        wide = len(asked["address"]) != 1 or len(topics[0]) != 1
        everybodys = TEST_USDT_ADDRESS in asked["address"] and len(topics) == 1
        many = any(len(entry or []) > 2 for entry in topics[1:])
        if _span(request) > 1 or wide or many or (everybodys and topics[0][0] == _TRANSFER):
            return rpcproxy.error(words, -32055, data)(request, forward)
        return forward(request)

    return fault


_TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"


def test_a_node_that_refuses_everything_wide_is_read_by_every_lane(
    engine: Engine, proxy: RpcProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D4: both lanes, addresses watched late, the scan that a person wants, the second pass and the audit."""
    monkeypatch.setattr(portions, "PARTIES", 3)
    engine.network.second_pass_after = 0
    engine.network.save(update_fields=["second_pass_after"])
    for place in range(4):
        watched(engine, f"0x{place + 1:040d}", f"esc_{place + 9}")
    watched(engine)
    proxy.on("eth_getLogs", _stubborn("Sorry about that.", {"why": "I am tired"}))
    engine.chain.pay(ALICE, 5)
    engine.chain.mine(5)
    engine.index()
    assert events(engine) == ["transfer_in"]
    assert ScanCursor.objects.get(lane="head").number == engine.chain.head
    start = ScanCursor.objects.get(lane="safe").number - 4
    engine.chain.pay(BOB, 6)
    engine.mine(5)
    watched(engine, BOB, "esc_2", since=start)
    engine.index()
    assert events(engine) == ["transfer_in"] * 2
    assert rescan.rescan(engine.network, start, start + 3) == 0
    row = Block.objects.get(network=engine.network, number=start, canonical=True)
    ScanCursor.objects.create(
        network=engine.network, lane="second", number=start, hash=row.hash, timestamp=row.timestamp, window=2
    )
    while indexer.read_again_once(engine.network):
        pass
    assert ScanCursor.objects.get(lane="second").number == ScanCursor.objects.get(lane="safe").number
    Alarm.objects.create(
        network=engine.network, kind=audit.DIFFERS, subject=BOB, first_at=clock.now(), last_at=clock.now()
    )
    WatchedAddress.objects.filter(address=BOB).update(from_block=start)
    assert audit.go_on(engine.network) == 0
    assert alarms() == set()


def test_a_block_that_is_refused_in_every_portion_is_an_alarm_until_it_is_read(
    engine: Engine, proxy: RpcProxy
) -> None:
    watched(engine)
    engine.chain.pay(ALICE, 5)
    engine.chain.mine(4)
    before = ScanCursor.objects.get(lane="safe").number
    proxy.on("eth_getLogs", rpcproxy.error("no"))
    for _ in range(15):
        indexer.step(engine.network)
    assert alarms() == {"block_unreadable"}
    assert ScanCursor.objects.get(lane="safe").number == before
    proxy.heal()
    engine.index()
    assert (events(engine), alarms()) == (["transfer_in"], set())


def test_who_refuses_a_range_does_not_stop_those_who_give_it(engine: Engine, proxy: RpcProxy) -> None:
    more_nodes(engine, engine.chain.url + "/?")
    engine.network.quorum = 1
    engine.network.save(update_fields=["quorum"])
    watched(engine)
    proxy.on("eth_getLogs", rpcproxy.error("pruned history unavailable", 4444))
    engine.chain.pay(ALICE, 5)
    engine.mine(4)
    assert (events(engine), alarms()) == (["transfer_in"], set())


# --- waiting -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        (rpcproxy.status(429, Retry_After="40"), 40),
        (rpcproxy.status(503, Retry_After="40"), 40),
        (rpcproxy.error("daily request count exceeded, request rate limited", -32005), waits.growing(1)),
    ],
    ids=["429", "503", "in words"],
)
def test_a_rate_limit_waits_and_leaves_the_window_as_it_is(
    engine: Engine, proxy: RpcProxy, fault: rpcproxy.Fault, seconds: float
) -> None:
    """R: the node is not asked before its time, and nobody is told that it is down."""
    watched(engine)
    ScanCursor.objects.update(window=1600)
    engine.chain.pay(ALICE, 5)
    engine.chain.mine(4)
    rule = proxy.on("eth_getLogs", fault)
    sweep(engine.network)
    asked = len(proxy.calls)
    for _ in range(breaker.ALLOWED + 2):
        sweep(engine.network)
    assert len(proxy.calls) == asked, "it wants to be left alone"
    left = (Provider.objects.get(url=proxy.url).limited_until - clock.now()).total_seconds()  # type: ignore[operator]
    assert seconds - 5 < left <= seconds * 1.25
    assert alarms() == set()
    proxy.rules.remove(rule)
    with later(int(seconds * 1.25) + 1):
        engine.index()
    assert events(engine) == ["transfer_in"]
    assert ScanCursor.objects.get(lane="safe").window >= 1600


def test_a_rate_limit_without_end_is_told(engine: Engine, proxy: RpcProxy) -> None:
    engine.chain.mine()
    rule = proxy.on("eth_chainId", rpcproxy.status(429))
    for turn in range(6):
        with later(turn * 600):
            sweep(engine.network)
    assert alarms() == {"rate_limited"}
    proxy.rules.remove(rule)
    with later(6000):
        engine.index()
    assert "rate_limited" not in alarms()


def test_a_wait_that_no_clock_of_ours_can_mean_keeps_nobody_away() -> None:
    now = clock.now()
    for seconds, waiting in ((waits.LONGEST, True), (3600, False), (-1, False)):
        node = Provider(limited_until=now + timedelta(seconds=seconds))
        assert (health.still_limited(node, now) > 0) is waiting


def test_retry_after_is_seconds_or_a_date_and_bounded() -> None:
    assert waits.asked_to_wait("17") == 17
    assert waits.asked_to_wait("0") == waits.SHORTEST
    assert waits.asked_to_wait("9" * 400) == waits.LONGEST
    soon = format_datetime(clock.now() + timedelta(seconds=30), usegmt=True)
    assert 25 < (waits.asked_to_wait(soon) or 0) <= 30
    for nothing in (None, "", "soon", "1e3", "-5", "Thu, 99 Foo 2026 00:00:00 GMT"):
        assert waits.asked_to_wait(nothing) is None
    assert [waits.growing(turn) for turn in (1, 2, 3, 99)] == [2, 4, 8, waits.LONGEST]


def test_a_node_without_old_state_is_told_until_it_proves_balances_again(
    engine: Engine, proxy: RpcProxy
) -> None:
    watched(engine)
    rule = proxy.on("eth_call", rpcproxy.error("missing trie node 8f3c (path )"))
    engine.chain.pay(ALICE, 5)
    engine.mine(4)
    assert (events(engine), alarms()) == (["transfer_in"], {"balance_unproven"})
    proxy.rules.remove(rule)
    engine.chain.pay(ALICE, 6)
    engine.mine(4)
    assert (events(engine), alarms()) == (["transfer_in"] * 2, set())


# --- batches -------------------------------------------------------------------------------------------

Answer = Callable[[list[dict[str, Any]]], Any]


@contextmanager
def _node(answer: Callable[[Any], tuple[int, bytes] | Any]) -> Iterator[tuple[str, list[int]]]:
    """A node that answers what the function makes of a request; and the sizes of all batches it got."""
    seen: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append(len(asked) if isinstance(asked, list) else 1)
            said = answer(asked)
            status, body = said if isinstance(said, tuple) else (200, json.dumps(said).encode())
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", seen
        finally:
            server.shutdown()


def _echo(request: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request["id"], "result": request["params"][0]}


def _error(request: dict[str, Any], code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request["id"], "error": {"code": code, "message": message}}


def _later_items(asked: list[dict[str, Any]], most: int) -> Any:
    return [
        _echo(entry) if place < most else _error(entry, -32003, "response too large")
        for place, entry in enumerate(asked)
    ]


REFUSALS: dict[str, Callable[[list[dict[str, Any]], int], Any]] = {
    "one error": lambda *_: {"jsonrpc": "2.0", "id": None, "error": {"code": 31, "message": "Nope"}},
    "of the first alone": lambda asked, _: [_error(asked[0], -32600, "batch too large")],
    "without an id": lambda asked, _: [{**_error(asked[0], -32600, "Nope"), "id": None}],
    "of each": lambda asked, _: [_error(entry, -1, "Nope") for entry in asked],
    "of each, named": lambda asked, _: [
        _error(entry, -32005, "method in batch triggered rate limit") for entry in asked
    ],
    "of the later ones": _later_items,
    "only the first answered": lambda asked, most: [_echo(entry) for entry in asked[:most]],
    "HTTP 413": lambda *_: (413, b"<html>"),
    "HTTP 500": lambda *_: (500, b"<html>"),
}


@pytest.mark.parametrize("most", [1, 3, 20])
@pytest.mark.parametrize("how", REFUSALS)
def test_a_refused_batch_is_halved_until_it_fits_and_the_size_is_remembered(how: str, most: int) -> None:
    """D4: in the order that was asked for, and nothing is left out."""

    def answer(asked: Any) -> Any:
        if isinstance(asked, dict):
            return _echo(asked)
        return [_echo(entry) for entry in asked] if len(asked) <= most else REFUSALS[how](asked, most)

    with _node(answer) as (url, seen):
        wanted: list[transport.Request] = [("eth_call", [f"0x{place}"]) for place in range(50)]
        assert transport.batch(url, wanted) == [f"0x{place}" for place in range(50)]
        refused = sum(size > most for size in seen)
        assert refused <= 8
        assert sizes.of(url) <= most
        seen.clear()
        assert len(transport.batch(url, wanted[: sizes.of(url)])) == sizes.of(url)
        assert seen == [sizes.of(url)], "not tried again at once"


def test_a_batch_size_grows_back_slowly() -> None:
    url = "http://127.0.0.1:1/grows"
    sizes.note(url, 12, refused=True)
    assert sizes.of(url) == 12
    turns = 0
    while sizes.of(url) < sizes.MOST:
        sizes.note(url, sizes.of(url), refused=False)
        turns += 1
    assert turns > 100
    sizes.note(url, 1, refused=True)
    for _ in range(19):
        sizes.note(url, 1, refused=False)
    assert sizes.of(url) == 1, "one at a time grows too, but not at once"
    sizes.note(url, 1, refused=False)
    assert sizes.of(url) == 2


def test_a_request_that_fails_by_itself_blames_no_batch() -> None:
    def answer(asked: Any) -> Any:
        if isinstance(asked, list):
            return [answer(entry) for entry in asked]
        number = int(asked["params"][0], 16)
        return _error(asked, -32000, "missing trie node") if number % 5 == 2 else _echo(asked)

    with _node(answer) as (url, seen):
        results = transport.batch(url, [("eth_call", [hex(place)]) for place in range(50)])
        assert [place for place, result in enumerate(results) if isinstance(result, NodeError)] == [
            place for place in range(50) if place % 5 == 2
        ]
        assert seen == [50, 1], "one of them proves it for all"
        assert sizes.of(url) == sizes.MOST


def test_a_node_that_is_down_teaches_no_size() -> None:
    with _node(lambda _: (500, b"")) as (url, seen):
        with pytest.raises(Unreachable):
            transport.batch(url, [("eth_call", ["0x1"])] * 50)
        assert (seen, sizes.of(url)) == ([50, 25, 12, 6, 3, 1], sizes.MOST)


def test_what_was_asked_later_is_never_answered_earlier() -> None:
    """D3: the head is read after the logs, also where a batch is asked in parts."""
    order: list[str] = []

    def answer(asked: Any) -> Any:
        if isinstance(asked, list):
            return [_error(asked[0], -1, "Nope"), *map(_echo, asked[1:])]
        order.append(asked["method"])
        return _echo(asked)

    with _node(answer) as (url, _):
        transport.batch(url, [("eth_getLogs", ["0x1"]), ("eth_blockNumber", ["0x2"])])
    assert order[-2:] == ["eth_getLogs", "eth_blockNumber"]


def test_a_rate_limit_inside_a_batch_waits() -> None:
    with (
        _node(lambda asked: [_echo(asked[0]), _error(asked[1], 429, "slow down")]) as (url, seen),
        pytest.raises(RateLimited),
    ):
        transport.batch(url, [("eth_call", ["0x1"]), ("eth_call", ["0x2"])])
    assert seen == [2]


# --- bounds of an answer -------------------------------------------------------------------------------


def test_an_answer_has_a_size_and_a_whole_time(settings: Any) -> None:
    settings.RPC_ANSWER_BYTES = 50_000
    large = b'{"jsonrpc":"2.0","id":1,"result":"' + b"0" * 100_000 + b'"}'
    with _node(lambda _: (200, large)) as (url, _):
        with pytest.raises(BadAnswer, match="above 50000 bytes"):
            transport.call(url, "eth_call", [])
        with pytest.raises(LogsRefused):
            transport.call(url, "eth_getLogs", [])
    settings.RPC_ANSWER_SECONDS = 0.3
    with _dripping() as url:
        start = time.monotonic()
        with pytest.raises(Unreachable) as caught:
            transport.call(url, "eth_getLogs", [])
        assert caught.value.slow
        assert time.monotonic() - start < 3


@contextmanager
def _dripping() -> Iterator[str]:
    """A node whose answer comes byte by byte, each in time, for longer than anybody wants to wait."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            for _ in range(40):
                try:
                    self.wfile.write(b" ")
                except OSError:
                    return
                time.sleep(0.1)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


# --- what a simulation says ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({"code": 3, "message": "execution reverted", "data": "0x"}, "execution reverted"),
        ({"code": -32000, "message": "execution reverted"}, "execution reverted"),
        ({"code": -32015, "message": "VM execution error.", "data": "Reverted 0x"}, "VM execution error."),
        ({"code": -32603, "message": "Error: VM Exception: invalid opcode", "data": {"data": "0x"}},
         "Error: VM Exception: invalid opcode"),
        ({"code": -32000, "message": "invalid opcode: INVALID"}, "invalid opcode: INVALID"),
        ({"code": -32000, "message": "EVM error: InvalidFEOpcode"}, "EVM error: InvalidFEOpcode"),
        ({"code": -32000, "message": "invalid jump destination"}, "invalid jump destination"),
        ({"code": -32000, "message": "stack underflow (0 <=> 2)"}, "stack underflow (0 <=> 2)"),
        ({"code": 3, "message": "execution reverted", "data": "0x1234abcd"}, "unknown error 0x1234abcd"),
    ],
)  # fmt: skip
def test_a_contract_that_refuses_is_told_from_a_node_that_can_not(error: Any, reason: str) -> None:
    found = from_node("eth_call", error)
    assert isinstance(found, Reverted)
    assert found.reason == reason


@pytest.mark.parametrize(
    "where",
    [lambda data: data, lambda data: {"data": data}, lambda data: f"Reverted {data}",
     lambda data: {"0x12": {"return": data}}],
)  # fmt: skip
def test_the_contracts_words_are_found_wherever_a_node_puts_them(where: Callable[[str], Any]) -> None:
    words = "0x08c379a0" + f"{32:064x}" + f"{6:064x}" + b"paused".hex().ljust(64, "0")
    found = from_node("eth_call", {"code": -32603, "message": "reverted", "data": where(words)})
    assert isinstance(found, Reverted)
    assert (found.reason, found.error_data) == ("“paused”", words)


@pytest.mark.parametrize(
    "text", ["missing trie node", "header not found", "internal error", "request timed out"]
)
def test_a_node_that_can_not_simulate_is_no_contract_that_refuses(text: str) -> None:
    assert not isinstance(from_node("eth_call", {"code": -32000, "message": text}), Reverted)


def test_a_contracts_own_words_are_no_rate_limit() -> None:
    error = from_node("eth_call", {"code": 3, "message": "execution reverted: too many requests in batch"})
    assert isinstance(error, Reverted)
