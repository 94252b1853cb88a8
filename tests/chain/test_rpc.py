"""The client: no retries, no middleware, nothing believed unchecked, no network inside a transaction."""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.db import transaction

from chain.models import Network, Provider
from chain.rpc import answers, pool, transport
from chain.rpc.answers import Header, Log, Receipt, read_logs
from chain.rpc.client import LogFilter
from chain.rpc.errors import BadAnswer, LogsRefused, NodeError, Reverted, RpcError, Unreachable, from_node
from chain.services import networks
from chain.txm.classify import SendAnswer, classify
from core.netguard import NetworkInsideTransaction
from tests.chain.fixtures import Engine
from tests.chain.helpers import alarms, more_nodes, order, payouts, stock, through
from tests.chaos import rpcproxy

HASH, ADDRESS = "0x" + "ab" * 32, "0x00000000000000000000000000000000000A11cE"
RAW_LOG = {
    "address": ADDRESS.lower(), "topics": [HASH], "data": "0x", "blockNumber": "0x5", "blockHash": HASH,
    "transactionHash": HASH, "transactionIndex": "0x0", "logIndex": "0x2", "removed": False,
}  # fmt: skip


def _receipt(logs: list[dict[str, object]]) -> dict[str, object]:
    return {"transactionHash": HASH, "blockNumber": "0x5", "blockHash": HASH, "status": "0x1",
            "gasUsed": "0x1", "effectiveGasPrice": "0x1", "logs": logs}  # fmt: skip


def test_no_retry_and_no_middleware_can_send_a_transaction_twice(engine: Engine) -> None:
    assert transport.provider(engine.chain.url).exception_retry_configuration is None
    with rpcproxy.running_proxy(engine.chain.url) as proxy:
        proxy.on("eth_sendRawTransaction", rpcproxy.drop_request)
        with pytest.raises(Unreachable):
            transport.call(proxy.url, "eth_sendRawTransaction", ["0x00"])
        assert proxy.calls == ["eth_sendRawTransaction"]


def test_the_network_is_never_asked_inside_a_transaction(engine: Engine) -> None:
    with transaction.atomic():
        for ask in (
            lambda: transport.call(engine.chain.url, "eth_chainId", []),
            lambda: transport.batch(engine.chain.url, [("eth_chainId", [])]),
            lambda: pool.run(engine.network, lambda rpc: rpc.heads()),
        ):
            with pytest.raises(NetworkInsideTransaction):
                ask()


def test_urls_are_redacted() -> None:
    url = "https://user:secret@node.example:8443/v3/key?token=abc"
    assert transport.redacted(url) == "https://node.example:8443"
    assert str(Provider(url=url)) == "https://node.example:8443"


def test_a_failure_never_shows_the_url(engine: Engine) -> None:
    with pytest.raises(Unreachable) as caught:
        transport.call("http://127.0.0.1:1/v3/secret", "eth_chainId", [])
    assert "secret" not in f"{caught.value!r} {caught.value.__cause__!r}"


@pytest.mark.parametrize(
    "change",
    [{"removed": True}, {"topics": "0x"}, {"topics": ["0x12"]}, {"address": "0x12"}, {"blockNumber": 5},
     {"blockNumber": "0x"}, {"data": "0xzz"}, {"blockHash": None}, {"logIndex": None},
     {"logIndex": "0x80000000"}],
)  # fmt: skip
def test_a_log_with_a_wrong_field_makes_the_answer_unusable(change: dict[str, object]) -> None:
    assert Log.read(RAW_LOG).index == 2
    with pytest.raises(BadAnswer):
        Log.read({**RAW_LOG, **change})


def test_a_log_twice_or_two_hashes_for_a_block_make_the_answer_unusable() -> None:
    with pytest.raises(BadAnswer):
        read_logs([RAW_LOG, RAW_LOG])
    with pytest.raises(BadAnswer):
        read_logs([RAW_LOG, {**RAW_LOG, "logIndex": "0x3", "blockHash": "0x" + "cd" * 32}])


def test_a_receipt_must_be_the_one_asked_for_and_hold_only_its_own_logs() -> None:
    raw = _receipt([RAW_LOG])
    receipt = Receipt.read(raw, HASH)
    assert receipt.ordinal(Log.read(RAW_LOG)) == 0
    for change in ({"transactionHash": "0x" + "cd" * 32}, {"status": None}, {"status": "0x2"},
                   {"logs": [{**RAW_LOG, "transactionHash": "0x" + "cd" * 32}]}):  # fmt: skip
        with pytest.raises(BadAnswer):
            Receipt.read({**raw, **change}, HASH)
    with pytest.raises(BadAnswer):
        receipt.ordinal(Log.read({**RAW_LOG, "logIndex": "0x9"}))


@pytest.mark.parametrize("value", [None, 5, "5", "0x", "0xzz", "0x" + "f" * 65])
def test_only_quantities_are_quantities(value: object) -> None:
    with pytest.raises(BadAnswer):
        answers.quantity(value, "it")
    with pytest.raises(BadAnswer):
        Header.read({"number": value})


def test_a_filter_admits_only_what_was_asked_for() -> None:
    log = Log.read({**RAW_LOG, "topics": [HASH, "0x" + "01" * 32]})
    assert LogFilter([ADDRESS], [[HASH], None]).admits(log)
    assert not LogFilter([ADDRESS], [[HASH], ["0x" + "02" * 32]]).admits(log)
    assert not LogFilter([ADDRESS], [[HASH], None, [HASH]]).admits(log)
    assert not LogFilter([], [[HASH]]).admits(log)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("already known", SendAnswer.KNOWN),  # geth
        ("AlreadyKnown", SendAnswer.KNOWN),  # nethermind
        ("known transaction: 0xabc", SendAnswer.KNOWN),  # besu, older geth
        ("transaction already imported", SendAnswer.KNOWN),  # anvil
        ("replacement transaction underpriced", SendAnswer.REPLACEMENT),  # geth, erigon, reth, anvil
        ("ReplacementNotAllowed", SendAnswer.REPLACEMENT),  # nethermind
        ("nonce too low: next nonce 5, tx nonce 4", SendAnswer.NONCE_LOW),  # geth
        ("OldNonce", SendAnswer.NONCE_LOW),  # nethermind
        ("nonce too high", SendAnswer.NONCE_HIGH),
        ("transaction underpriced: tip needed 1, tip permitted 0", SendAnswer.UNDERPRICED),
        ("FeeTooLow, EffectivePriorityFeePerGas too low", SendAnswer.UNDERPRICED),
        ("max fee per gas less than block base fee", SendAnswer.UNDERPRICED),
        ("insufficient funds for gas * price + value: balance 0", SendAnswer.FUNDS),
        ("Insufficient funds for gas * price + value", SendAnswer.FUNDS),  # anvil
        ("tx fee (1.20 ether) exceeds the configured cap (1.00 ether)", SendAnswer.FEE_CAP),
        ("intrinsic gas too low", SendAnswer.INVALID),
        ("invalid sender", SendAnswer.INVALID),
        ("txpool is full", SendAnswer.AMBIGUOUS),
        ("internal error", SendAnswer.AMBIGUOUS),
        ("", SendAnswer.AMBIGUOUS),
    ],
)
def test_send_errors_are_understood(text: str, meaning: SendAnswer) -> None:
    assert classify(text) == meaning


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("query returned more than 10000 results", None),
        ("block range is too wide, maximum is 500 blocks", 500),
        ("Log response size exceeded. this block range should work: [0x1, 0x10]", 16),
        ("exceed maximum block range: 5000", 5000),
    ],
)
def test_a_window_is_read_from_the_refusal(text: str, blocks: int | None) -> None:
    error = from_node("eth_getLogs", {"code": -32000, "message": text})
    assert isinstance(error, LogsRefused)
    assert error.suggested == blocks


def test_a_revert_gives_the_contracts_words() -> None:
    words = "0x08c379a0" + f"{32:064x}" + f"{5:064x}" + b"paused".hex()[:10].ljust(64, "0")
    error = from_node("eth_call", {"code": 3, "message": "execution reverted", "data": words})
    assert isinstance(error, Reverted)
    assert error.reason == "“pause”"
    assert isinstance(from_node("eth_call", {"code": -32000, "message": "missing trie node"}), NodeError)


@pytest.mark.parametrize("flaw", ["chain", "code", "finality", "silent"])
def test_a_worker_refuses_a_network_that_is_not_the_configured_one(engine: Engine, flaw: str) -> None:
    """D9"""
    engine.mine(10)
    networks.verify(engine.network)
    with rpcproxy.running_proxy(engine.chain.url) as proxy:
        through(engine, proxy.url)
        if flaw == "chain":
            proxy.on("eth_chainId", rpcproxy.result("0x1"))
        elif flaw == "code":
            proxy.on("eth_getCode", rpcproxy.result("0x6000"))
        elif flaw == "silent":
            proxy.on("*", rpcproxy.drop_request)
        else:
            latest = engine.chain.rpc("eth_getBlockByNumber", "latest", False)
            proxy.on("eth_getBlockByNumber", rpcproxy.result(latest))
        with pytest.raises(networks.UnfitNode):
            networks.ensure_verified(Network.objects.get())


@pytest.mark.parametrize(
    ("method", "value"),
    [("eth_getTransactionReceipt", "0x1"), ("eth_getBlockByNumber", [1]),
     ("eth_feeHistory", {"baseFeePerGas": "x"}),
     ("eth_feeHistory", {"baseFeePerGas": ["0x1"], "reward": [7]}),
     ("eth_getBalance", {}), ("eth_getTransactionCount", "0x1_0")],
)  # fmt: skip
def test_an_answer_of_another_shape_is_a_bad_answer_and_the_next_node_is_asked(
    engine: Engine, method: str, value: object
) -> None:
    """F30: it never ends the duty with a mistake of ours."""
    stock(engine)
    order(engine)
    with rpcproxy.running_proxy(engine.chain.url) as proxy:
        through(engine, proxy.url)
        more_nodes(engine, engine.chain.url + "/", engine.chain.url + "/?")
        proxy.on(method, rpcproxy.result(value))
        engine.settle()
    assert payouts(engine.chain) == [7]


def test_a_network_none_of_whose_providers_keeps_two_days_of_state_calls_a_human(
    engine: Engine, settings: Any
) -> None:
    """D6: without it the books of two days ago could not be compared."""
    settings.DEMO = False
    Network.objects.update(is_local=False)
    network = Network.objects.get()
    with rpcproxy.running_proxy(engine.chain.url) as proxy:
        through(engine, proxy.url)
        rule = proxy.on("eth_getBalance", rpcproxy.error("missing trie node"))
        networks.verify(network)
        assert "state_not_kept" in alarms()
        proxy.rules.remove(rule)
        networks.verify(network)
        assert "state_not_kept" not in alarms()


def test_an_instant_beyond_the_calendar_is_a_bad_answer() -> None:
    far = "0x" + "f" * 40
    header = {"number": "0x1", "hash": "0x" + "1" * 64, "parentHash": "0x" + "2" * 64, "timestamp": far}
    with pytest.raises(BadAnswer):
        Header.read(header)


def test_a_receipt_with_a_hole_would_move_the_identity_of_what_follows() -> None:
    whole, holed = ([{**RAW_LOG, "logIndex": hex(place)} for place in places] for places in ((3, 4), (3, 5)))
    assert len(Receipt.read(_receipt(whole), HASH).logs) == 2
    with pytest.raises(BadAnswer):
        Receipt.read(_receipt(holed), HASH)


@pytest.mark.parametrize(
    "log",
    ["\udc00", {**RAW_LOG, "removed": "\ud800"}, {**RAW_LOG, "\ud800": 1, "data": 5},
     {**RAW_LOG, "data": "0x\u00e9\u00e9"}, {**RAW_LOG, "topics": [HASH] * 5},
     {**RAW_LOG, "topics": [HASH[:-1]]}, {**RAW_LOG, "data": "0x0"}, {**RAW_LOG, "data": "000x"}],
)  # fmt: skip
def test_one_odd_log_among_many_makes_the_answer_unusable(log: Any) -> None:
    plain = [{**RAW_LOG, "logIndex": hex(place)} for place in range(3, 9)]
    assert len(read_logs(plain)) == 6
    with pytest.raises(BadAnswer):
        read_logs([*plain, log])


def test_lengths_of_two_logs_never_make_up_for_each_other() -> None:
    odd = [{**RAW_LOG, "topics": [HASH + "0"]}, {**RAW_LOG, "topics": [HASH[:-1]], "logIndex": "0x3"}]
    with pytest.raises(BadAnswer):
        read_logs(odd)


def test_what_a_log_says_does_not_depend_on_how_it_is_written() -> None:
    loud = {**RAW_LOG, "topics": [HASH.upper().replace("X", "x")], "removed": None, "blockTimestamp": "0x1"}
    calm = {**RAW_LOG, "topics": [HASH]}
    assert read_logs([loud]) == read_logs([calm]) == [Log.read(calm)]


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"[" * 300_000), (500, b"[" * 300_000), (200, b'{"a":' * 300_000), (500, b"[1,2]"),
     (200, b"[1,2]"), (500, b'[{"id":[]},{"id":{}}]'), (200, b'["\xff"]'),
     (500, b'[{"id":1,"result":"\\ud800"},{"id":2}]'), (200, b'[{"id":1,"result":1},{"id":1,"result":2}]')],
)  # fmt: skip
def test_a_body_of_any_shape_is_the_nodes_failure_and_not_ours(status: int, body: bytes) -> None:
    """F30: not even one nested so deep that reading it would end the process."""
    assert sys.getrecursionlimit() <= 1000
    with _says(status, body) as url:
        with pytest.raises(RpcError):
            transport.batch(url, [("eth_chainId", []), ("eth_blockNumber", [])])
        with pytest.raises(RpcError):
            transport.call(url, "eth_chainId", [])


@pytest.mark.parametrize("status", [200, 500])
def test_a_batch_that_comes_in_another_order_is_put_in_ours(status: int) -> None:
    def body(*asked: int) -> bytes:
        refused = {"id": asked[0], "error": {"code": 1, "message": "a\0b"}}
        late = [{"id": identity, "result": "late"} for identity in asked[1:]]
        return json.dumps([*late, refused] if late else refused).encode()

    with _says(status, body) as url:
        first, second = transport.batch(url, [("eth_chainId", []), ("eth_blockNumber", [])])
    assert isinstance(first, NodeError)
    assert first.message == "a?b", "a column holds no NUL"
    assert second == "late"


@pytest.mark.parametrize("said", [{"result": "0x1"}, {"error": {"code": 3, "message": "execution reverted"}}])
@pytest.mark.parametrize("shift", [1, -1])
def test_an_answer_to_another_request_is_none(shift: int, said: dict[str, Any]) -> None:
    def body(*asked: int) -> bytes:
        answers = [{"id": identity + shift, **said} for identity in asked]
        return json.dumps(answers if len(asked) > 1 else answers[0]).encode()

    with _says(200, body) as url:
        with pytest.raises(BadAnswer):
            transport.batch(url, [("eth_chainId", []), ("eth_blockNumber", [])])
        with pytest.raises(BadAnswer):
            transport.call(url, "eth_chainId", [])


def test_a_node_that_could_not_read_a_request_names_none() -> None:
    said = b'{"id":null,"error":{"code":-32700,"message":"parse error"}}'
    with _says(400, said) as url, pytest.raises(NodeError):
        transport.call(url, "eth_chainId", [])


@pytest.mark.parametrize("value", ["0x", "0x1", "0x" + "0" * 62, "0x" + "0" * 66, None, 5])
def test_what_a_view_returns_is_one_number(value: object) -> None:
    assert answers.word("0x" + "f" * 64, "it") == 2**256 - 1
    with pytest.raises(BadAnswer):
        answers.word(value, "it")


@pytest.mark.parametrize("field", ["blockNumber", "gasUsed"])
def test_a_receipt_of_no_possible_chain_is_a_bad_answer(field: str) -> None:
    raw = {**_receipt([]), field: hex(2**63 - 1)}
    assert Receipt.read(raw, HASH)
    with pytest.raises(BadAnswer):
        Receipt.read({**raw, field: hex(2**63)}, HASH)


@contextmanager
def _says(status: int, body: bytes | Callable[..., bytes]) -> Iterator[str]:
    """A node that gives one answer to everything, or one made from the identities of the requests."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            requests = asked if isinstance(asked, list) else [asked]
            told = body if isinstance(body, bytes) else body(*(request["id"] for request in requests))
            self.send_response(status)
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
