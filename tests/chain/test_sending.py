"""What nodes, signers and reorgs do to a payout: it happens once, or a human is told."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from eth_account import Account

from chain import signing
from chain.models import Alarm, Attempt, Call, Network, Transaction, TransferInclusion
from chain.rpc.errors import AllProvidersFailed
from chain.selectors import final_head
from chain.services import recovery
from chain.services import sender as engine_sender
from chain.services.sweep import sweep
from chain.signing import SignedTx
from chain.tasks import send_due
from chain.txm import confirm, outcome
from contracts.artifacts import TEST_USDT_ADDRESS
from contracts.calls import test_token_mint
from core.actors import Actor
from core.errors import Conflict
from core.models import AuditEntry
from tests.chain.fixtures import Engine
from tests.chain.helpers import (
    BOB,
    events,
    later,
    only_transaction,
    order,
    owner_calls,
    payouts,
    sender_of,
    stock,
    through,
    watched,
)
from tests.chaos import rpcproxy
from tests.chaos.rpcproxy import RpcProxy
from wallets.signers import resolve

STAFF = Actor("staff", "op_1", "Olga")


@pytest.fixture
def proxy(engine: Engine) -> Iterator[RpcProxy]:
    """The product's only way to the node."""
    with rpcproxy.running_proxy(engine.chain.url) as running:
        through(engine, running.url)
        yield running


@pytest.fixture
def payout(engine: Engine) -> Call:
    """A payout of 7 base units to Bob, ordered."""
    stock(engine)
    return order(engine)


def _alarms() -> set[str]:
    return set(Alarm.objects.filter(resolved_at=None).values_list("kind", flat=True))


def _never_bumped(engine: Engine) -> None:
    """However slow the machine: what is sent again is then the same bytes."""
    Network.objects.update(bump_after_seconds=3600)
    engine.network.refresh_from_db()


def test_a_payout_is_sent_and_final(engine: Engine, payout: Call) -> None:
    engine.settle()
    payout = Call.objects.get(pk=payout.pk)
    assert (payout.outcome, only_transaction().state) == ("done", "final_ok")
    assert payouts(engine.chain) == [7]
    assert _alarms() == set()


@pytest.mark.parametrize("flaw", ["late", "other key", "high s", "other amount", "wrong hash"])
def test_a_signer_that_fails_is_never_stored_and_costs_no_nonce(
    engine: Engine, payout: Call, flaw: str
) -> None:
    """F5"""

    class Flawed:
        def __init__(self, ref: str) -> None:
            self.honest = resolve(ref)
            self.address = self.honest.address

        def sign_transaction(self, tx: Mapping[str, Any]) -> SignedTx:
            if flaw == "late":
                raise TimeoutError
            if flaw == "other key":
                other = Account.create().sign_transaction(dict(tx))
                return SignedTx(bytes(other.raw_transaction), "0x" + other.hash.hex())
            if flaw == "other amount":
                return self.honest.sign_transaction({**tx, "value": 1})
            signed = self.honest.sign_transaction(tx)
            return SignedTx(signed.raw, "0x" + "1" * 64) if flaw == "wrong hash" else _high_s(signed)

        def sign_digest(self, digest: bytes) -> bytes:
            raise NotImplementedError

    signing.register_resolver(Flawed)
    try:
        with pytest.raises((signing.BadSignature, TimeoutError)):
            engine.send()
        assert Attempt.objects.count() == Transaction.objects.count() == 0
    finally:
        signing.register_resolver(resolve)
    engine.settle()
    assert payouts(engine.chain) == [7]
    assert only_transaction().nonce == 0


def _high_s(signed: SignedTx) -> SignedTx:
    """The same signature with s mirrored: valid mathematics, refused by the rules."""
    import rlp
    from eth_utils.crypto import keccak

    order_ = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    fields = rlp.decode(signed.raw[1:])
    parity, s = int.from_bytes(fields[9], "big"), int.from_bytes(fields[11], "big")
    fields[9] = (1 - parity).to_bytes(1, "big").lstrip(b"\0")
    fields[11] = (order_ - s).to_bytes(32, "big")
    raw = signed.raw[:1] + rlp.encode(fields)
    return SignedTx(raw, "0x" + keccak(raw).hex())


def test_a_lost_reply_after_acceptance_pays_once(engine: Engine, payout: Call, proxy: RpcProxy) -> None:
    """F6"""
    proxy.on("eth_sendRawTransaction", rpcproxy.drop_reply, times=1)
    engine.send()
    assert Attempt.objects.get().last_answer == "ambiguous"
    assert "send_ambiguous" in _alarms()
    engine.settle()
    assert payouts(engine.chain) == [7]
    assert events(engine).count("call:done") == 1


def test_a_request_lost_on_the_way_is_sent_again_with_the_same_bytes(
    engine: Engine, payout: Call, proxy: RpcProxy
) -> None:
    _never_bumped(engine)
    proxy.on("eth_sendRawTransaction", rpcproxy.drop_request, times=1)
    engine.send()
    engine.mine(4)
    assert payouts(engine.chain) == []
    with later(8):
        engine.settle()
    assert payouts(engine.chain) == [7]
    assert Attempt.objects.count() == 1


def test_the_same_task_twice_together_and_after_success_sends_once(engine: Engine, payout: Call) -> None:
    """F7"""

    def run(_: int) -> None:
        try:
            send_due(engine.network.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(run, range(8)))
    engine.settle()
    send_due(engine.network.pk)
    engine.settle()
    assert (payouts(engine.chain), Transaction.objects.count()) == ([7], 1)


def test_without_any_lease_two_senders_at_once_still_send_once(engine: Engine) -> None:
    """F7: the row locks carry the rule, the leases only spare work."""
    stock(engine)
    for place in range(10):
        order(engine, f"pay-{place}", units=place + 1)

    def run(_: int) -> None:
        try:
            network = Network.objects.get()
            engine_sender.assign_due(network)
            engine_sender.broadcast_due(network)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(run, range(4)))
    engine.settle()
    assert sorted(payouts(engine.chain)) == list(range(1, 11))
    assert list(Transaction.objects.order_by("nonce").values_list("nonce", flat=True)) == list(range(10))


def test_already_known_on_the_first_send_is_success(engine: Engine, payout: Call) -> None:
    """F11"""
    engine_sender.assign_due(engine.network)
    engine.chain.rpc("eth_sendRawTransaction", "0x" + bytes(Attempt.objects.get().raw).hex())
    engine_sender.broadcast_due(engine.network)
    assert Attempt.objects.get().last_answer == "known"
    engine.settle()
    assert payouts(engine.chain) == [7]


def test_nonce_too_low_because_ours_is_mined_is_no_loss(engine: Engine, payout: Call) -> None:
    """F12"""
    engine_sender.assign_due(engine.network)
    engine.chain.rpc("eth_sendRawTransaction", "0x" + bytes(Attempt.objects.get().raw).hex())
    engine.chain.mine()
    engine_sender.broadcast_due(engine.network)
    assert Attempt.objects.get().last_answer == "nonce_low"
    engine.settle()
    assert (payouts(engine.chain), sender_of(engine).state) == ([7], "active")


def test_nonce_too_low_then_reorged_then_mined_again_is_one_payout(engine: Engine, payout: Call) -> None:
    """F12: the outcome follows the receipt that is there in the end."""
    engine.send()
    engine.mine()
    engine.confirm()
    assert only_transaction().state == "mined"
    engine.chain.reorg(1)
    engine.index()
    engine.confirm()
    assert only_transaction().state == "sent"
    engine.settle()
    assert payouts(engine.chain) == [7]
    assert events(engine).count("call:done") == 1


def _foreign(engine: Engine, fee: int = 10**11, nonce: int = 0) -> str:
    """Another transaction on our next nonce, signed with our key outside the product."""
    row = sender_of(engine)
    signed = resolve(row.key_ref).sign_transaction(
        {
            "chainId": 31337, "nonce": nonce, "to": BOB, "value": 1, "data": b"", "gas": 21_000,
            "maxFeePerGas": fee, "maxPriorityFeePerGas": fee, "type": 2,
        }
    )  # fmt: skip
    return str(engine.chain.rpc("eth_sendRawTransaction", "0x" + signed.raw.hex()))


def test_a_foreign_transaction_on_our_nonce_freezes_the_sender(engine: Engine, payout: Call) -> None:
    """F12: proven by the transaction that consumed the nonce, not by an error text."""
    engine_sender.assign_due(engine.network)
    tx_hash = _foreign(engine)
    engine.chain.mine()
    engine_sender.broadcast_due(engine.network)
    assert Attempt.objects.get().last_answer == "nonce_low"
    engine.index()
    engine.confirm()
    assert Call.objects.get().outcome == "sent", "not before it is final"
    engine.mine(4)
    engine.confirm()
    payout = Call.objects.get(pk=payout.pk)
    assert (payout.outcome, sender_of(engine).state) == ("needs_human", "frozen")
    assert tx_hash in payout.reason
    assert "sender_frozen" in _alarms()
    assert events(engine)[-1] == "call:needs_human"
    order(engine, "next")
    engine.send()
    assert Transaction.objects.count() == 1, "a frozen sender signs nothing"


def test_replacement_underpriced_by_a_stranger_decides_nothing_but_alarms(
    engine: Engine, payout: Call
) -> None:
    """F13"""
    engine_sender.assign_due(engine.network)
    _foreign(engine)
    engine_sender.broadcast_due(engine.network)
    assert Attempt.objects.get().last_answer == "replacement"
    assert "nonce_taken" in _alarms()
    assert Call.objects.get().outcome == "sent"


@pytest.mark.parametrize("method", ["anvil_dropTransaction", "anvil_dropAllTransactions"])
def test_dropped_transactions_are_sent_again_with_the_same_bytes(engine: Engine, method: str) -> None:
    """F15 and F16"""
    _never_bumped(engine)
    stock(engine)
    for place in range(3):
        order(engine, f"pay-{place}", units=place + 1)
    engine.send()
    lowest = Attempt.objects.get(transaction__nonce=0)
    engine.chain.rpc(method, *([lowest.hash] if method == "anvil_dropTransaction" else []))
    engine.mine(2)
    assert payouts(engine.chain) == []
    with later(8):
        engine.settle()
    assert sorted(payouts(engine.chain)) == [1, 2, 3]
    assert Attempt.objects.count() == 3


def test_a_revert_is_provisional_and_a_reorg_may_turn_it(engine: Engine, payout: Call) -> None:
    """F19"""
    engine.send()
    owner_calls(engine.chain, "pause")
    raw = engine.chain.raw(Attempt.objects.get().hash)
    engine.chain.rpc("anvil_dropTransaction", Attempt.objects.get().hash)
    engine.chain.mine()
    engine.chain.rpc("eth_sendRawTransaction", raw)
    engine.mine()
    engine.confirm()
    assert engine.chain.receipt(Attempt.objects.get().hash)["status"] == "0x0"
    assert (only_transaction().state, Call.objects.get().outcome) == ("mined", "sent")
    engine.chain.reorg(2, [(raw, 0)])
    engine.settle()
    assert (payouts(engine.chain), Call.objects.get().outcome) == ([7], "done")


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


def test_status_1_without_the_exact_event_is_for_a_human(engine: Engine) -> None:
    """F20: the transfer is there, but of another amount."""
    stock(engine)
    call = order(engine, units=7, expect=8)
    engine.settle()
    call = Call.objects.get(pk=call.pk)
    assert (call.outcome, only_transaction().state) == ("needs_human", "needs_human")
    assert "receipt_without_event" in _alarms()


def test_a_payout_reorged_and_mined_again_is_one_effect_with_two_inclusions(
    engine: Engine, payout: Call
) -> None:
    """F21"""
    watched(engine, BOB, "bob")
    engine.send()
    engine.mine(2)
    raw = engine.chain.raw(Attempt.objects.get().hash)
    engine.chain.reorg(2, [(raw, 1)])
    engine.settle()
    assert payouts(engine.chain) == [7]
    assert TransferInclusion.objects.filter(transfer__recipient=BOB).count() == 2
    assert sorted(events(engine)) == ["call:done", "transfer_in"]


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
    assert "low_balance" in _alarms()
    engine.chain.rpc("anvil_setBalance", sender_of(engine).address, hex(10**18))
    with later(30):
        engine.settle()
    assert payouts(engine.chain) == [7]


def test_a_bump_keeps_nonce_and_effect_and_raises_both_fees(engine: Engine, payout: Call) -> None:
    """T6, F4: whichever of the two hashes is mined, it is the same payout."""
    engine.send()
    engine.chain.rpc("anvil_dropAllTransactions")
    engine.mine(4)
    with later(60):
        assert engine.confirm()
    first, second = Attempt.objects.order_by("sequence")
    assert (second.purpose, second.transaction_id) == ("bump", first.transaction_id)
    assert second.max_fee * 10 >= first.max_fee * 11
    assert second.max_tip * 10 >= first.max_tip * 11
    engine.chain.rpc("eth_sendRawTransaction", "0x" + bytes(first.raw).hex())
    engine.settle()
    assert payouts(engine.chain) == [7]
    assert only_transaction().mined_attempt == first


def test_at_the_cap_no_bump_is_signed_but_the_highest_is_sent_again(engine: Engine, payout: Call) -> None:
    Network.objects.update(max_attempts=1)
    engine.network.refresh_from_db()
    engine.send()
    engine.chain.rpc("anvil_dropAllTransactions")
    engine.mine(4)
    with later(60):
        engine.confirm()
        assert "bump_capped" in _alarms()
        engine.settle()
    assert (payouts(engine.chain), Attempt.objects.count()) == ([7], 1)


def test_a_call_late_at_half_of_its_margin_calls_a_human(engine: Engine) -> None:
    """T13"""
    from datetime import timedelta

    from core import clock

    order(engine, must_be_final_by=clock.now() + timedelta(hours=2))
    engine.confirm()
    assert "late_call" not in _alarms()
    with later(3700):
        engine.confirm()
    assert "late_call" in _alarms()


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
    assert _alarms() == set()


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
    _foreign(engine)
    _foreign(engine, nonce=1)
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
    assert "sender_frozen" not in _alarms()
