"""What nodes and reorgs do to a deposit: it is credited once, or not at all, or a human is told."""

import contextlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chain import hooks, selectors
from chain.indexer import safe
from chain.models import (
    Alarm,
    Block,
    FinalEvent,
    Network,
    Provider,
    Reorg,
    ScanCoverage,
    ScanCursor,
    Token,
    TokenTransfer,
    TransferInclusion,
    WatchedAddress,
)
from chain.rpc.errors import AllProvidersFailed
from chain.services import audit, indexer, recovery
from chain.services.final import final_events_after
from contracts.artifacts import TEST_USDT_ADDRESS
from contracts.calls import erc20_transfer
from core.actors import Actor
from core.errors import Conflict, Invalid
from core.models import AuditEntry
from tests.chain.fixtures import USDT, Engine
from tests.chain.helpers import ALICE, BOB, events, later, owner_calls, stock, through, watched
from tests.chaos import rpcproxy
from tests.chaos.rpcproxy import RpcProxy

STAFF = Actor("staff", "op_1", "Olga")


@pytest.fixture
def proxy(engine: Engine) -> Iterator[RpcProxy]:
    """The product's only way to the node."""
    with rpcproxy.running_proxy(engine.chain.url) as running:
        through(engine, running.url)
        yield running


def _alarms() -> set[str]:
    return set(Alarm.objects.filter(resolved_at=None).values_list("kind", flat=True))


def _pending(engine: Engine, key: str = "esc_1") -> list[tuple[int, int]]:
    return [(row.amount, row.confirmations) for row in selectors.pending_transfers(engine.network, [key])]


def test_a_deposit_is_shown_counted_and_then_final(engine: Engine) -> None:
    """D1"""
    watched(engine)
    engine.chain.pay(ALICE, 5 * USDT)
    engine.mine()
    assert (_pending(engine), events(engine)) == ([(5 * USDT, 1)], [])
    engine.mine()
    assert _pending(engine) == [(5 * USDT, 2)]
    engine.mine()
    assert (_pending(engine), events(engine)) == ([], ["transfer_in"])
    (event,) = final_events_after(engine.network, 0)
    assert event.transfer is not None
    assert (event.key, event.transfer.amount, event.transfer.recipient) == ("esc_1", 5 * USDT, ALICE)
    assert event.block_timestamp <= selectors.final_head(engine.network)[2]  # type: ignore[index]
    assert _alarms() == set()


def test_listeners_are_told_seen_counted_and_orphaned(engine: Engine) -> None:
    told: list[list[str]] = []

    def listener(network_id: int, keys: list[str]) -> None:
        told.append(keys)

    hooks.on_head_change(listener)
    try:
        watched(engine)
        engine.chain.pay(ALICE, 1)
        for step in (engine.mine, engine.mine, lambda: (engine.chain.reorg(2), engine.index())):
            told.clear()
            step()
            assert told, step
            assert all(keys == ["esc_1"] for keys in told)
        told.clear()
        engine.mine()
        assert told == [], "nothing pending, nobody told"
    finally:
        hooks._head_change.remove(listener)


def test_a_deposit_reorged_away_for_good_is_never_credited(engine: Engine) -> None:
    """F22"""
    watched(engine)
    engine.chain.pay(ALICE, 5)
    engine.mine(2)
    assert _pending(engine) == [(5, 2)]
    engine.chain.reorg(2)
    engine.index()
    assert _pending(engine) == []
    engine.mine(6)
    assert events(engine) == []
    assert TokenTransfer.objects.filter(recipient=ALICE).count() == 1, "still known"
    assert Reorg.objects.get().depth == 2
    assert Block.objects.filter(canonical=False).count() == 2


def test_a_deposit_mined_again_with_another_log_index_is_the_same_deposit(engine: Engine) -> None:
    """F23"""
    watched(engine)
    tx_hash = engine.chain.pay(ALICE, 5)
    engine.mine()
    raw = engine.chain.raw(tx_hash)
    other = {"from": engine.chain.accounts[0], "to": TEST_USDT_ADDRESS, "gas": "0x30d40",
             "data": "0x" + _mint(engine.chain.accounts[3], 9)}  # fmt: skip
    engine.chain.reorg(1, [(other, 0), (raw, 0)])
    engine.mine(4)
    rows = TransferInclusion.objects.filter(transfer__recipient=ALICE).order_by("log_index")
    first, second = (row.log_index for row in rows)
    assert first < second
    assert TokenTransfer.objects.filter(recipient=ALICE).count() == 1
    assert events(engine) == ["transfer_in"]


def _mint(to: str, units: int) -> str:
    from contracts import calls

    return calls.test_token_mint(to, units).hex()


def _creation_of(calls: list[bytes]) -> bytes:
    """Init code that calls the token with each of `calls`."""
    body, tail, per_call = b"", b"".join(calls), 44
    offset = per_call * len(calls) + 1
    for data in calls:
        body += (
            b"\x61" + len(data).to_bytes(2, "big") + b"\x61" + offset.to_bytes(2, "big") + b"\x60\x00\x39"
        )  # CODECOPY(0, offset, length): 9 bytes
        body += b"\x60\x00\x60\x00\x61" + len(data).to_bytes(2, "big") + b"\x60\x00\x60\x00"
        body += b"\x73" + bytes.fromhex(TEST_USDT_ADDRESS[2:]) + b"\x5a\xf1\x50"
        body += b"\x5b" * (per_call - (len(body) % per_call or per_call))
        offset += len(data)
    return body + b"\x00" + tail


@pytest.mark.parametrize("recipients", [[ALICE, BOB], [ALICE, ALICE]])
def test_two_transfers_in_one_transaction_are_two_deposits(engine: Engine, recipients: list[str]) -> None:
    """F25: to two escrows, and to one."""
    watched(engine, ALICE, "esc_1")
    watched(engine, BOB, "esc_2")
    account = engine.chain.accounts[5]
    nonce = int(engine.chain.rpc("eth_getTransactionCount", account, "latest"), 16)
    engine.chain.send(TEST_USDT_ADDRESS, bytes.fromhex(_mint(_created(account, nonce), 100)))
    engine.chain.mine()
    code = _creation_of([erc20_transfer(to, 10 + place) for place, to in enumerate(recipients)])
    request = {"from": account, "data": "0x" + code.hex(), "gas": hex(1_000_000)}
    tx_hash = engine.chain.rpc("eth_sendTransaction", request)
    engine.mine(4)
    assert engine.chain.receipt(tx_hash)["status"] == "0x1"
    rows = TokenTransfer.objects.filter(tx_hash=tx_hash).order_by("ordinal")
    assert [(row.ordinal, row.recipient, row.amount) for row in rows] == [
        (0, recipients[0], 10), (1, recipients[1], 11),
    ]  # fmt: skip
    assert events(engine) == ["transfer_in", "transfer_in"]


def _created(account: str, nonce: int) -> str:
    import rlp
    from eth_utils.address import to_checksum_address
    from eth_utils.crypto import keccak

    return str(to_checksum_address(keccak(rlp.encode([bytes.fromhex(account[2:]), nonce]))[12:]))


def test_empty_answers_of_a_node_20_blocks_behind_are_refused(engine: Engine, proxy: RpcProxy) -> None:
    """F26: behind a balancer, the head came from a healthy node and the logs from a stale one."""
    watched(engine)
    engine.mine(30)
    engine.chain.pay(ALICE, 5)
    engine.chain.mine(4)
    proxy.on("eth_blockNumber", rpcproxy.stale_head(20))
    proxy.on("eth_getLogs", rpcproxy.result([]))
    before = selectors.final_head(engine.network)
    with pytest.raises(AllProvidersFailed):
        indexer.step(engine.network)
    assert selectors.final_head(engine.network) == before
    proxy.heal()
    engine.index()
    assert events(engine) == ["transfer_in"]


def test_a_node_wholly_behind_moves_nothing_back(engine: Engine, proxy: RpcProxy) -> None:
    """F26"""
    watched(engine)
    engine.mine(30)
    before = selectors.head(engine.network)
    top = engine.chain.head

    def behind(request: rpcproxy.Request, forward: rpcproxy.Forward) -> rpcproxy.Answer:
        block = {"latest": hex(top - 20), "finalized": hex(top - 22)}.get(request["params"][0])
        return forward({**request, "params": [block or request["params"][0], False]})

    proxy.on("eth_getBlockByNumber", behind)
    with pytest.raises(AllProvidersFailed):
        indexer.step(engine.network)
    assert "finality_moved_back" not in _alarms()
    assert selectors.head(engine.network) == before
    assert not Reorg.objects.exists()


def test_logs_truncated_once_are_found_by_the_balance(engine: Engine, proxy: RpcProxy) -> None:
    """F27: of two deposits in a range one was withheld; the balance gives it away."""
    watched(engine)
    engine.chain.pay(ALICE, 5)
    engine.chain.mine()
    engine.chain.pay(ALICE, 6)
    engine.chain.mine(4)
    rule = proxy.on("eth_getLogs", _without_last_to_alice)
    seen = []
    while indexer.step(engine.network):
        seen.append(rule.used)
    proxy.heal()
    assert events(engine) == ["transfer_in", "transfer_in"]
    assert "logs_withheld" in _alarms()
    assert "balance_differs" not in _alarms()


def _without_last_to_alice(request: rpcproxy.Request, forward: rpcproxy.Forward) -> rpcproxy.Answer:
    """Truncates the answers about everybody, not those about named addresses."""
    answer = forward(request)
    topics = request["params"][0].get("topics") or []
    if len(topics) < 2 and TEST_USDT_ADDRESS in request["params"][0]["address"]:
        mine = [log for log in answer["result"] if ALICE[2:].lower() in str(log["topics"])]
        answer["result"] = [log for log in answer["result"] if not mine or log != mine[-1]]
    return answer


def test_logs_withheld_altogether_are_found_by_the_audit(engine: Engine, proxy: RpcProxy) -> None:
    """F27: nothing of the address was shown, so only the nightly comparison can know."""
    watched(engine)
    engine.chain.pay(ALICE, 5)
    engine.chain.mine(4)
    proxy.on("eth_getLogs", _without_last_to_alice)
    engine.index()
    proxy.heal()
    assert events(engine) == []
    assert audit.check_balances(engine.network) == 0
    assert events(engine) == ["transfer_in"]
    assert "logs_withheld" in _alarms()


def test_a_forged_block_hash_is_refused(engine: Engine, proxy: RpcProxy) -> None:
    watched(engine)
    engine.chain.pay(ALICE, 5)
    engine.chain.mine(4)
    forge = rpcproxy.changed(lambda logs: [{**log, "blockHash": "0x" + "5" * 64} for log in logs])
    proxy.on("eth_getLogs", forge)
    with pytest.raises(AllProvidersFailed):
        engine.index()
    assert events(engine) == []
    proxy.heal()
    engine.index()
    assert events(engine) == ["transfer_in"]


def test_a_changed_chain_id_is_refused_and_the_next_provider_asked(engine: Engine, proxy: RpcProxy) -> None:
    """F29"""
    watched(engine)
    proxy.on("eth_chainId", rpcproxy.result("0x1"))
    engine.chain.pay(ALICE, 5)
    engine.chain.mine(4)
    with pytest.raises(AllProvidersFailed):
        engine.index()
    assert not TokenTransfer.objects.exists()
    Provider.objects.create(network=engine.network, url=engine.chain.url + "/", priority=9)
    engine.index()
    assert events(engine) == ["transfer_in"]


def test_finality_that_moves_back_is_refused_with_an_alarm(engine: Engine, proxy: RpcProxy) -> None:
    """F29"""
    engine.mine(10)
    proxy_final = engine.chain.head - 8

    def back(request: rpcproxy.Request, forward: rpcproxy.Forward) -> rpcproxy.Answer:
        if request["params"][0] == "finalized":
            return forward({**request, "params": [hex(proxy_final), False]})
        return forward(request)

    proxy.on("eth_getBlockByNumber", back)
    engine.chain.mine()
    with pytest.raises(AllProvidersFailed):
        engine.index()
    assert "finality_moved_back" in _alarms()


def test_a_final_block_that_changes_halts_credits_and_payouts(engine: Engine, proxy: RpcProxy) -> None:
    """D2: deeper than finality."""
    watched(engine)
    engine.mine(3)
    forged = {**engine.chain.rpc("eth_getBlockByNumber", "finalized", False), "hash": "0x" + "6" * 64}
    cursor = ScanCursor.objects.get(lane="safe")

    def other(request: rpcproxy.Request, forward: rpcproxy.Forward) -> rpcproxy.Answer:
        if request["params"][0] in ("finalized", hex(cursor.number)):
            return rpcproxy.result(forged)(request, forward)
        return forward(request)

    proxy.on("eth_getBlockByNumber", other)
    with pytest.raises(AllProvidersFailed):
        engine.index()
    engine.network.refresh_from_db()
    assert engine.network.halted_reason
    assert "halted" in _alarms()
    proxy.heal()
    engine.chain.pay(ALICE, 5)
    engine.mine(5)
    assert events(engine) == [], "only a human starts it again"
    Network.objects.update(halted_reason="")
    engine.index()
    assert events(engine) == ["transfer_in"]


@pytest.mark.parametrize(
    "message",
    ["query returned more than 10000 results", "block range is too wide, maximum is 4 blocks",
     "Log response size exceeded. this block range should work: [0x1, 0x3]"],
)  # fmt: skip
def test_a_range_that_is_too_large_is_asked_in_smaller_parts(
    engine: Engine, proxy: RpcProxy, message: str
) -> None:
    """F30"""
    watched(engine)
    engine.chain.pay(ALICE, 5)
    engine.chain.mine(12)

    def narrow(request: rpcproxy.Request, forward: rpcproxy.Forward) -> rpcproxy.Answer:
        asked = request["params"][0]
        if int(asked["toBlock"], 16) - int(asked["fromBlock"], 16) >= 4:
            return rpcproxy.error(message)(request, forward)
        return forward(request)

    proxy.on("eth_getLogs", narrow)
    engine.index()
    assert events(engine) == ["transfer_in"]
    rows = ScanCoverage.objects.order_by("from_number").values_list("from_number", "to_number")
    assert all(after[0] == before[1] + 1 for before, after in pairwise(rows))


@pytest.mark.parametrize("fault", [rpcproxy.status(429), rpcproxy.status(500), rpcproxy.garbage,
                                   rpcproxy.drop_request, rpcproxy.error("rate limit exceeded", -32005),
                                   rpcproxy.result({"not": "logs"})])  # fmt: skip
def test_rate_limits_and_malformed_answers_lose_nothing(
    engine: Engine, proxy: RpcProxy, fault: rpcproxy.Fault
) -> None:
    """F30"""
    watched(engine)
    engine.chain.pay(ALICE, 5)
    engine.chain.mine(4)
    proxy.on("eth_getLogs", fault)
    with pytest.raises(AllProvidersFailed):
        engine.index()
    assert events(engine) == []
    proxy.heal()
    engine.index()
    assert events(engine) == ["transfer_in"]


def test_an_address_watched_late_gets_what_was_there_before(engine: Engine) -> None:
    engine.chain.pay(ALICE, 5)
    engine.mine(6)
    watched(engine, ALICE, since=0)
    assert events(engine) == []
    engine.index()
    assert events(engine) == ["transfer_in"]
    assert WatchedAddress.objects.get().caught_up


def test_an_address_that_became_visible_during_a_read_misses_nothing(engine: Engine) -> None:
    """The range was matched before the row was committed, and stored after it."""
    engine.mine(3)
    unread = selectors.final_head(engine.network)[0] + 1  # type: ignore[index]
    engine.chain.pay(ALICE, 5)
    engine.mine(5)
    assert events(engine) == []
    watched(engine, ALICE, since=unread)
    engine.index()
    assert events(engine) == ["transfer_in"]


def test_watching_is_idempotent_and_an_address_has_one_owner(engine: Engine) -> None:
    watched(engine)
    watched(engine)
    assert WatchedAddress.objects.count() == 1
    with pytest.raises(Conflict):
        watched(engine, key="esc_2")


def test_money_that_leaves_a_watched_address_is_told_too(engine: Engine) -> None:
    source = stock(engine)
    watched(engine, source, "ours", since=0)
    watched(engine)
    from tests.chain.helpers import order

    order(engine, to=ALICE)
    engine.settle()
    assert events(engine) == ["transfer_in", "transfer_out", "transfer_in", "call:done"]
    assert [event.key for event in FinalEvent.objects.order_by("seq")] == ["ours", "ours", "esc_1", ""]


def test_a_blacklisted_escrow_and_a_paused_token_are_told(engine: Engine) -> None:
    """D4: the token's own events are read like deposits."""
    watched(engine)
    owner_calls(engine.chain, "addBlackList", ALICE)
    owner_calls(engine.chain, "addBlackList", BOB)
    owner_calls(engine.chain, "pause")
    engine.mine(4)
    assert [(row.kind, row.key) for row in FinalEvent.objects.order_by("seq")] == [
        ("token", "esc_1"), ("token", ""),
    ]  # fmt: skip
    assert Token.objects.get().paused


def test_the_cost_of_a_block_does_not_depend_on_open_escrows(engine: Engine, proxy: RpcProxy) -> None:
    """D4: queries and requests are the same with one and with a thousand watched addresses."""

    def cost() -> tuple[int, int]:
        engine.chain.mine()
        proxy.calls.clear()
        with CaptureQueriesContext(connection) as queries:
            indexer.step(engine.network)
        return len(queries), len(proxy.calls)

    watched(engine)
    engine.mine(3)
    cost()
    few = cost()
    WatchedAddress.objects.bulk_create(
        WatchedAddress(
            network=engine.network, address=f"0x{place:040x}", key=f"k{place}", from_block=0,
            caught_up=True, created_at=WatchedAddress.objects.get(address=ALICE).created_at,
        )
        for place in range(1000, 2000)
    )  # fmt: skip
    assert cost() == few


def test_depth_finality_waits_for_the_depth(engine: Engine) -> None:
    Network.objects.update(finality="depth", finality_depth=5)
    engine.network.refresh_from_db()
    watched(engine)
    engine.chain.pay(ALICE, 5)
    engine.mine(5)
    assert events(engine) == []
    engine.mine(1)
    assert events(engine) == ["transfer_in"]


def test_a_lane_far_behind_the_head_starts_again_at_the_final_head(engine: Engine) -> None:
    watched(engine)
    engine.chain.pay(ALICE, 5)
    engine.chain.mine(500)
    engine.index()
    assert events(engine) == ["transfer_in"]
    assert selectors.head(engine.network)[0] == engine.chain.head  # type: ignore[index]
    assert Block.objects.count() < 100


def test_a_lane_that_stood_still_on_a_losing_branch_is_no_broken_finality(engine: Engine) -> None:
    """The safe lane passed a head lane that held the loser: it walks back, and the network goes on."""
    watched(engine)
    engine.mine(3)
    engine.chain.pay(ALICE, 5)
    engine.mine()
    assert _pending(engine) == [(5, 1)]
    loser = ScanCursor.objects.get(lane="head")
    engine.chain.reorg(1)
    engine.chain.mine(5)
    assert safe.step(engine.network)
    top = selectors.final_head(engine.network)
    assert top is not None
    assert top[0] > loser.number
    engine.index()
    engine.network.refresh_from_db()
    assert engine.network.halted_reason == ""
    assert (_pending(engine), events(engine)) == ([], [])
    assert not Block.objects.get(hash=loser.hash).canonical
    assert Block.objects.get(hash=top[1]).canonical
    engine.chain.pay(ALICE, 6)
    engine.mine(5)
    assert events(engine) == ["transfer_in"]


def test_a_head_that_cannot_be_shown_does_not_keep_what_is_final_from_the_books(
    engine: Engine, proxy: RpcProxy
) -> None:
    """D1: a receipt at the head is missing for hours; the safe lane reads on."""
    watched(engine)
    engine.chain.pay(ALICE, 5)
    engine.mine()
    tx_hash = engine.chain.pay(ALICE, 6)
    engine.chain.mine(2)

    def without(request: rpcproxy.Request, forward: rpcproxy.Forward) -> rpcproxy.Answer:
        if request["params"] == [tx_hash]:
            return rpcproxy.result(None)(request, forward)
        return forward(request)

    proxy.on("eth_getTransactionReceipt", without)
    with pytest.raises(AllProvidersFailed):
        engine.index()
    assert events(engine) == ["transfer_in"]
    assert "unreadable" in _alarms()
    proxy.heal()
    engine.mine(3)
    assert events(engine) == ["transfer_in", "transfer_in"]


def test_a_node_too_slow_for_a_wide_range_is_asked_for_fewer_blocks(engine: Engine, proxy: RpcProxy) -> None:
    """D4: a timeout names no range, but the range may be why."""
    watched(engine)
    engine.mine(5)
    engine.chain.pay(ALICE, 5)
    engine.chain.mine(12)

    def slow(request: rpcproxy.Request, forward: rpcproxy.Forward) -> rpcproxy.Answer:
        asked = request["params"][0]
        if int(asked["toBlock"], 16) - int(asked["fromBlock"], 16) >= 4:
            raise rpcproxy.Drop
        return forward(request)

    proxy.on("eth_getLogs", slow)
    ScanCursor.objects.update(window=16)
    for _ in range(40):
        with contextlib.suppress(AllProvidersFailed):
            indexer.step(engine.network)
    assert events(engine) == ["transfer_in"]


def test_reading_by_others_during_the_audit_is_no_difference(engine: Engine, monkeypatch: Any) -> None:
    """The comparison is of one block; what became final above it meanwhile is not part of it."""
    watched(engine)
    engine.chain.pay(ALICE, 5)
    engine.mine(3)
    asked = audit.balances

    def slow(*args: Any) -> Any:
        found = asked(*args)
        engine.chain.pay(ALICE, 6)
        engine.mine(4)
        return found

    monkeypatch.setattr(audit, "balances", slow)
    assert audit.check_balances(engine.network) == 0
    assert _alarms() == set()


def test_a_head_that_stands_still_calls_a_human(engine: Engine) -> None:
    engine.mine()
    with later(3600):
        indexer.step(engine.network)
        assert "head_stands_still" in _alarms()
    indexer.step(engine.network)
    assert "head_stands_still" not in _alarms()


def test_a_halted_network_is_resumed_by_a_person_with_a_reason(engine: Engine) -> None:
    watched(engine)
    engine.mine(3)
    indexer.halt(engine.network, "a test")
    engine.chain.pay(ALICE, 5)
    engine.mine(4)
    assert events(engine) == []
    with pytest.raises(Invalid):
        recovery.resume_network(network=engine.network, reason=" ", acting=STAFF)
    recovery.resume_network(network=engine.network, reason="the node was repaired", acting=STAFF)
    engine.index()
    assert events(engine) == ["transfer_in"]
    assert "halted" not in _alarms()
    assert AuditEntry.objects.get(action="network.resumed").data["reason"] == "the node was repaired"


def test_a_network_whose_nodes_still_contradict_what_is_final_is_not_resumed(
    engine: Engine, proxy: RpcProxy
) -> None:
    engine.mine(3)
    indexer.halt(engine.network, "a test")
    top = selectors.final_head(engine.network)
    assert top is not None
    other = {**engine.chain.rpc("eth_getBlockByNumber", hex(top[0]), False), "hash": "0x" + "6" * 64}

    def forged(request: rpcproxy.Request, forward: rpcproxy.Forward) -> rpcproxy.Answer:
        if request["params"][0] == hex(top[0]):
            return rpcproxy.result(other)(request, forward)
        return forward(request)

    proxy.on("eth_getBlockByNumber", forged)
    with pytest.raises(Conflict):
        recovery.resume_network(network=engine.network, reason="hope", acting=STAFF)
    assert Network.objects.get().halted_reason
