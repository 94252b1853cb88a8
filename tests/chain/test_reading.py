"""Reading: two lanes, addresses watched early and late, windows, the nightly proof, and ways back."""

import contextlib
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chain import hooks, selectors
from chain.indexer import catchup, safe
from chain.indexer.events import TRANSFER
from chain.models import (
    Alarm,
    Block,
    FinalEvent,
    Network,
    ScanCursor,
    Token,
    WatchedAddress,
)
from chain.rpc.errors import AllProvidersFailed
from chain.services import audit, indexer, recovery
from chain.services.final import final_events_after
from core.actors import Actor
from core.errors import Conflict, Invalid
from core.models import AuditEntry, LongRound
from tests.chain.fixtures import USDT, Engine
from tests.chain.helpers import (
    ALICE,
    BOB,
    alarms,
    events,
    later,
    owner_calls,
    pending,
    stock,
    watched,
)  # fmt: skip
from tests.chaos import modes, rpcproxy
from tests.chaos.rpcproxy import RpcProxy

STAFF = Actor("staff", "op_1", "Olga")


def test_a_deposit_is_shown_counted_and_then_final(engine: Engine) -> None:
    """D1"""
    watched(engine)
    engine.chain.pay(ALICE, 5 * USDT)
    engine.mine()
    assert (pending(engine), events(engine)) == ([(5 * USDT, 1)], [])
    engine.mine()
    assert pending(engine) == [(5 * USDT, 2)]
    engine.mine()
    assert (pending(engine), events(engine)) == ([], ["transfer_in"])
    (event,) = final_events_after(engine.network, 0)
    assert event.transfer is not None
    assert (event.key, event.transfer.amount, event.transfer.recipient) == ("esc_1", 5 * USDT, ALICE)
    assert event.block_timestamp <= selectors.final_head(engine.network)[2]  # type: ignore[index]
    assert alarms() == set()


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
    assert pending(engine) == [(5, 1)]
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
    assert (pending(engine), events(engine)) == ([], [])
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
    assert "unreadable" in alarms()
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
    assert audit.go_on(engine.network) == 0
    assert alarms() == set()


def test_a_difference_is_told_at_once_and_a_long_search_holds_up_nothing(
    engine: Engine, proxy: RpcProxy, monkeypatch: Any
) -> None:
    """The first address cannot be read again for a while: the others are compared, told of and mended."""
    monkeypatch.setattr(audit, "_AT_ONCE", 1)
    watched(engine)
    watched(engine, BOB, "esc_2")
    for address in (ALICE, BOB):
        engine.chain.pay(address, 5)
    engine.chain.mine(4)
    proxy.on(
        "eth_getLogs", rpcproxy.changed(lambda logs: [log for log in logs if TRANSFER not in log["topics"]])
    )
    engine.index()
    assert events(engine) == []

    def silent_about_alice(request: rpcproxy.Request, forward: rpcproxy.Forward) -> rpcproxy.Answer:
        if ALICE[2:].lower() in str(request["params"]).lower():
            raise rpcproxy.Drop
        return forward(request)

    proxy.heal()
    proxy.on("eth_getLogs", silent_about_alice)
    with pytest.raises(AllProvidersFailed):
        audit.go_on(engine.network)
    found = Alarm.objects.filter(kind="balance_differs", resolved_at=None).values_list("subject", flat=True)
    assert list(found) == [ALICE]
    assert [event.key for event in FinalEvent.objects.all()] == ["esc_2"]
    assert LongRound.objects.get(name="local: audit").after == "", "all were compared"
    proxy.heal()
    assert audit.go_on(engine.network) == 0
    assert [event.key for event in FinalEvent.objects.order_by("seq")] == ["esc_2", "esc_1"]
    assert "balance_differs" not in alarms()


def test_one_whose_failure_takes_all_of_the_time_holds_up_no_other(
    engine: Engine, proxy: RpcProxy, monkeypatch: Any
) -> None:
    """Each turn has time for one address, and the one told of first never answers."""
    watched(engine)
    watched(engine, BOB, "esc_2")
    for address in (ALICE, BOB):
        engine.chain.pay(address, 5)
    engine.chain.mine(4)
    proxy.on(
        "eth_getLogs", rpcproxy.changed(lambda logs: [log for log in logs if TRANSFER not in log["topics"]])
    )
    engine.index()
    proxy.heal()
    read_on = audit._read_on

    def silent_about_alice(network: Any, row: Any, *rest: Any) -> Any:
        if row.address == ALICE:
            raise AllProvidersFailed([])
        return read_on(network, row, *rest)

    monkeypatch.setattr(audit, "_read_on", silent_about_alice)
    for _ in range(40):
        with contextlib.suppress(AllProvidersFailed):
            audit.go_on(engine.network, seconds=0)
        if events(engine):
            break
    assert [event.key for event in FinalEvent.objects.all()] == ["esc_2"]


def test_a_long_past_is_read_again_over_as_many_turns_as_it_takes(
    engine: Engine, proxy: RpcProxy, monkeypatch: Any
) -> None:
    monkeypatch.setattr(catchup, "_WINDOW", 4)
    monkeypatch.setattr(audit, "_WINDOWS", 1)
    watched(engine)
    engine.mine(20)
    engine.chain.pay(ALICE, 5)
    engine.chain.mine(4)
    modes.withhold(proxy, ALICE, named=False)
    engine.index()
    left = [audit.go_on(engine.network, seconds=0) for _ in range(3)]
    assert left == [1, 1, 1]
    done = int(LongRound.objects.get(name__startswith="read again").after)
    assert 8 <= done < engine.chain.head - 4, "it goes on where it was"
    assert events(engine) == []
    assert audit.go_on(engine.network) == 0
    assert events(engine) == ["transfer_in"]


def test_a_head_that_stands_still_calls_a_human(engine: Engine) -> None:
    engine.mine()
    with later(3600):
        indexer.step(engine.network)
        assert "head_stands_still" in alarms()
    indexer.step(engine.network)
    assert "head_stands_still" not in alarms()


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
    assert "halted" not in alarms()
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
