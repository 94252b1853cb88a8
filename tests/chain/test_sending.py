"""Ordinary sending and its edges: fees, caps, senders that can not sign, nodes that are behind."""

from collections.abc import Mapping
from typing import Any

import pytest

from chain import signing
from chain.models import Alarm, Attempt, Call, Network, Transaction
from chain.rpc.errors import AllProvidersFailed
from chain.selectors import final_head
from chain.services import recovery
from chain.services import sender as engine_sender
from chain.services.sweep import sweep
from chain.signing import SignedTx
from chain.txm import confirm, outcome
from contracts.artifacts import TEST_USDT_ADDRESS
from contracts.calls import test_token_mint
from core.actors import Actor
from core.errors import Conflict
from core.models import AuditEntry
from tests.chain.fixtures import Engine
from tests.chain.helpers import (
    events,
    later,
    only_transaction,
    order,
    owner_calls,
    payouts,
    sender_of,
    stock,
)
from tests.chain.writing import *  # noqa: F403  (fixtures are shared by import)
from tests.chain.writing import alarms, foreign, never_bumped
from tests.chaos import rpcproxy
from tests.chaos.rpcproxy import RpcProxy
from wallets.signers import resolve

STAFF = Actor("staff", "op_1", "Olga")


def test_a_payout_is_sent_and_final(engine: Engine, payout: Call) -> None:
    engine.settle()
    payout = Call.objects.get(pk=payout.pk)
    assert (payout.outcome, only_transaction().state) == ("done", "final_ok")
    assert payouts(engine.chain) == [7]
    assert alarms() == set()


def test_a_request_lost_on_the_way_is_sent_again_with_the_same_bytes(
    engine: Engine, payout: Call, proxy: RpcProxy
) -> None:
    never_bumped(engine)
    proxy.on("eth_sendRawTransaction", rpcproxy.drop_request, times=1)
    engine.send()
    engine.mine(4)
    assert payouts(engine.chain) == []
    with later(8):
        engine.settle()
    assert payouts(engine.chain) == [7]
    assert Attempt.objects.count() == 1


def test_a_final_revert_fails_the_call_and_one_retry_may_name_it(engine: Engine, payout: Call) -> None:
    engine.send()
    raw = engine.chain.raw(Attempt.objects.get().hash)
    engine.chain.rpc("anvil_dropTransaction", Attempt.objects.get().hash)
    owner_calls(engine.chain, "pause")
    engine.chain.mine()
    engine.chain.rpc("eth_sendRawTransaction", raw)
    engine.settle()
    payout = Call.objects.get(pk=payout.pk)
    assert (payout.outcome, only_transaction().state) == ("failed", "final_reverted")
    assert events(engine)[-1] == "call:failed"
    owner_calls(engine.chain, "unpause")
    engine.mine(4)
    order(engine, "pay-1-retry", replaces=payout)
    engine.settle()
    assert payouts(engine.chain) == [7]


def test_a_simulated_revert_never_reaches_the_chain_and_fails_for_good(engine: Engine) -> None:
    """T8: nothing in stock, so the transfer would revert."""
    call = order(engine)
    for round_ in range(3):
        with later(100 * (round_ + 1)):
            engine.send()
    call = Call.objects.get(pk=call.pk)
    assert (call.outcome, Transaction.objects.count()) == ("failed", 0)
    assert events(engine) == ["call:failed"]


def test_a_sender_without_gas_money_signs_nothing_and_alarms(engine: Engine, payout: Call) -> None:
    engine.chain.rpc("anvil_setBalance", sender_of(engine).address, "0x1")
    engine.send()
    assert Transaction.objects.count() == 0
    assert "low_balance" in alarms()
    engine.chain.rpc("anvil_setBalance", sender_of(engine).address, hex(10**18))
    with later(30):
        engine.settle()
    assert payouts(engine.chain) == [7]


def test_what_no_transaction_of_the_network_may_ask_for_is_not_signed(engine: Engine, payout: Call) -> None:
    """Red when it is: its nonce would keep back all that follow."""
    Network.objects.update(transaction_gas=99_999)
    engine.network.refresh_from_db()
    engine.send()
    assert (Transaction.objects.count(), alarms()) == (0, {"transaction_gas"})
    Network.objects.update(transaction_gas=100_000)
    engine.network.refresh_from_db()
    with later(30):
        engine.settle()
    assert (payouts(engine.chain), alarms()) == ([7], set())


def test_at_the_cap_no_bump_is_signed_but_the_highest_is_sent_again(engine: Engine, payout: Call) -> None:
    Network.objects.update(max_attempts=1)
    engine.network.refresh_from_db()
    engine.send()
    engine.chain.rpc("anvil_dropAllTransactions")
    engine.mine(4)
    with later(60):
        engine.confirm()
        assert "bump_capped" in alarms()
        engine.settle()
    assert (payouts(engine.chain), Attempt.objects.count()) == ([7], 1)


def test_a_call_late_at_half_of_its_margin_calls_a_human(engine: Engine) -> None:
    """T13"""
    from datetime import timedelta

    from core import clock

    order(engine, must_be_final_by=clock.now() + timedelta(hours=2))
    engine.confirm()
    assert "late_call" not in alarms()
    with later(3700):
        engine.confirm()
    assert "late_call" in alarms()


def test_deadline_work_goes_first(engine: Engine) -> None:
    """T13: earliest deadline first, then in order of arrival."""
    from datetime import timedelta

    from core import clock

    stock(engine)
    order(engine, "plain", units=1)
    order(engine, "late", units=2, must_be_final_by=clock.now() + timedelta(hours=2))
    order(engine, "soon", units=3, must_be_final_by=clock.now() + timedelta(hours=1))
    engine.send()
    rows = Call.objects.order_by("transaction__nonce").values_list("idempotency_key", flat=True)
    assert list(rows) == ["soon", "late", "plain"]


class _Broken:
    """A signer that cannot sign."""

    def __init__(self, address: str) -> None:
        self.address = address

    def sign_transaction(self, tx: Mapping[str, Any]) -> SignedTx:
        raise TimeoutError

    def sign_digest(self, digest: bytes) -> bytes:
        raise TimeoutError


@pytest.mark.parametrize("trouble", ["silent signer", "wrong password", "no key"])
def test_one_sender_that_cannot_sign_stops_neither_the_others_nor_what_is_signed(
    engine: Engine, payout: Call, trouble: str
) -> None:
    engine_sender.assign_due(engine.network)
    stuck, other = sender_of(engine), sender_of(engine, "deadlines")
    assert stuck.pk < other.pk, "the broken one comes first"
    engine.chain.send(TEST_USDT_ADDRESS, test_token_mint(other.address, 50))
    engine.mine()
    order(engine, "second", units=8)
    order(engine, "deadline", units=9, purpose="deadlines")

    def resolver(ref: str) -> signing.Signer:
        if ref != stuck.key_ref:
            return resolve(ref)
        if trouble == "silent signer":
            return _Broken(stuck.address)
        raise ValueError("MAC mismatch") if trouble == "wrong password" else LookupError(ref)

    signing.register_resolver(resolver)
    try:
        for _ in range(4):
            engine.chain.mine(3)
            sweep(engine.network)
        assert sorted(payouts(engine.chain)) == [7, 9]
        assert Alarm.objects.get(kind="signer_failed", resolved_at=None).subject == stuck.address
        assert not Alarm.objects.filter(kind="signer_failed").exclude(subject=stuck.address).exists()
    finally:
        signing.register_resolver(resolve)
    engine.settle()
    assert sorted(payouts(engine.chain)) == [7, 8, 9]
    assert alarms() == set()


def test_calls_that_no_active_sender_carries_call_a_human(engine: Engine) -> None:
    stock(engine)
    row = sender_of(engine)
    outcome.freeze(row, "a test")
    order(engine)
    engine.send()
    assert Alarm.objects.get(kind="no_active_sender", resolved_at=None).subject == "payouts"


def test_a_node_that_is_behind_orphans_nothing(engine: Engine, payout: Call, proxy: RpcProxy) -> None:
    """T4: absence decides nothing; only another block at the same height does."""
    engine.send()
    engine.mine()
    engine.confirm()
    assert only_transaction().state == "mined"
    top = engine.chain.head

    def behind(request: rpcproxy.Request, forward: rpcproxy.Forward) -> rpcproxy.Answer:
        block = {"latest": hex(top - 2), "finalized": hex(top - 4)}.get(request["params"][0])
        return forward({**request, "params": [block or request["params"][0], False]})

    proxy.on("eth_getTransactionReceipt", rpcproxy.result(None))
    proxy.on("eth_getBlockByNumber", behind)
    engine.confirm()
    assert only_transaction().state == "mined"
    proxy.heal()
    engine.settle()
    assert payouts(engine.chain) == [7]


def test_a_receipt_from_a_node_on_another_final_chain_decides_nothing(
    engine: Engine, payout: Call, proxy: RpcProxy
) -> None:
    engine.send()
    engine.mine(4)
    number = final_head(engine.network)[0]  # type: ignore[index]

    def other(request: rpcproxy.Request, forward: rpcproxy.Forward) -> rpcproxy.Answer:
        answer = forward(request)
        if request["params"][0] == hex(number):
            answer["result"]["hash"] = "0x" + "7" * 64
        return answer

    proxy.on("eth_getBlockByNumber", other)
    with pytest.raises(AllProvidersFailed):
        engine.confirm()
    assert Call.objects.get().outcome == "sent"
    proxy.heal()
    engine.settle()
    assert Call.objects.get().outcome == "done"


def test_a_bump_mined_while_another_worker_looked_is_not_a_strangers_transaction(
    engine: Engine, payout: Call
) -> None:
    """T12: the slow worker does not know the bump's hash, and must not call it foreign."""
    engine.send()
    row = Transaction.objects.prefetch_related("attempts").select_related("sender__network").get()
    assert len(row.attempts.all()) == 1
    engine.chain.rpc("anvil_dropAllTransactions")
    engine.chain.mine(4)
    engine.index()
    with later():
        assert engine_sender.confirm_due(engine.network) == 1, "bumped"
        engine_sender.broadcast_due(engine.network)
    engine.chain.mine(4)
    engine.index()
    assert confirm._consumed_by_other(engine.network, row) == 0
    assert (sender_of(engine).state, Call.objects.get().outcome) == ("active", "sent")
    engine.settle()
    assert Call.objects.get().outcome == "done"


def test_a_frozen_sender_is_thawed_by_a_person_where_the_chain_is(engine: Engine, payout: Call) -> None:
    """Two strange transactions: one on a nonce of ours, one beyond; the line goes on after both."""
    engine_sender.assign_due(engine.network)
    foreign(engine)
    foreign(engine, nonce=1)
    engine.mine(1)
    engine.confirm()
    order(engine, "next", units=8)
    engine.send()
    row = sender_of(engine)
    assert row.state == "frozen"
    with pytest.raises(Conflict):
        recovery.thaw_sender(sender=row, reason="in haste", acting=STAFF)
    engine.mine(4)
    with pytest.raises(Conflict):
        recovery.thaw_sender(sender=row, reason="our own is not decided yet", acting=STAFF)
    engine.confirm()
    assert Call.objects.get(pk=payout.pk).outcome == "needs_human"
    recovery.thaw_sender(sender=row, reason="the key was used by hand", acting=STAFF)
    row = sender_of(engine)
    assert (row.state, row.next_nonce) == ("active", 2)
    assert AuditEntry.objects.filter(action="sender.thawed").exists()
    engine.settle()
    assert payouts(engine.chain) == [8]
    assert "sender_frozen" not in alarms()
