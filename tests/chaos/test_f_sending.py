"""What nodes, signers and reorgs do to a payout: it happens once, or a human is told."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from eth_account import Account

from chain import signing
from chain.models import Attempt, Call, Network, Transaction, TransferInclusion
from chain.services import sender as engine_sender
from chain.signing import SignedTx
from chain.tasks import send_due
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
    watched,
)
from tests.chain.writing import *  # noqa: F403  (fixtures are shared by import)
from tests.chain.writing import alarms, foreign, never_bumped
from tests.chaos import rpcproxy
from tests.chaos.rpcproxy import RpcProxy
from wallets.signers import resolve


def test_f04_a_bump_keeps_nonce_and_effect_and_raises_both_fees(engine: Engine, payout: Call) -> None:
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
    engine.mine()
    engine.confirm()
    assert only_transaction().mined_attempt == first
    engine.settle()
    assert payouts(engine.chain) == [7]


@pytest.mark.parametrize("flaw", ["late", "other key", "high s", "other amount", "wrong hash"])
def test_f05_a_signer_that_fails_is_never_stored_and_costs_no_nonce(
    engine: Engine, payout: Call, flaw: str
) -> None:
    """F5: see `rules_off` for the rule that is switched off."""

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


def test_f06_a_lost_reply_after_acceptance_pays_once(engine: Engine, payout: Call, proxy: RpcProxy) -> None:
    """F6: see `rules_off` for the rule that is switched off."""
    proxy.on("eth_sendRawTransaction", rpcproxy.drop_reply, times=1)
    engine.send()
    assert Attempt.objects.get().last_answer == "ambiguous"
    assert "send_ambiguous" in alarms()
    engine.settle()
    assert payouts(engine.chain) == [7]
    assert events(engine).count("call:done") == 1


def test_f07_the_same_task_twice_together_and_after_success_sends_once(engine: Engine, payout: Call) -> None:
    """F7: see `rules_off` for the rule that is switched off."""

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


def test_f07_without_any_lease_two_senders_at_once_still_send_once(engine: Engine) -> None:
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


def test_f11_already_known_on_the_first_send_is_success(engine: Engine, payout: Call) -> None:
    """F11: see `rules_off` for the rule that is switched off."""
    engine_sender.assign_due(engine.network)
    engine.chain.rpc("eth_sendRawTransaction", "0x" + bytes(Attempt.objects.get().raw).hex())
    engine_sender.broadcast_due(engine.network)
    assert Attempt.objects.get().last_answer == "known"
    engine.settle()
    assert payouts(engine.chain) == [7]


def test_f12_a_foreign_transaction_on_our_nonce_freezes_the_sender(engine: Engine, payout: Call) -> None:
    """F12: proven by the transaction that consumed the nonce, not by an error text."""
    engine_sender.assign_due(engine.network)
    tx_hash = foreign(engine)
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
    assert "sender_frozen" in alarms()
    assert events(engine)[-1] == "call:needs_human"
    order(engine, "next")
    engine.send()
    assert Transaction.objects.count() == 1, "a frozen sender signs nothing"


def test_f12_nonce_too_low_because_ours_is_mined_is_no_loss(engine: Engine, payout: Call) -> None:
    """F12: see `rules_off` for the rule that is switched off."""
    engine_sender.assign_due(engine.network)
    engine.chain.rpc("eth_sendRawTransaction", "0x" + bytes(Attempt.objects.get().raw).hex())
    engine.chain.mine()
    engine_sender.broadcast_due(engine.network)
    assert Attempt.objects.get().last_answer == "nonce_low"
    engine.settle()
    assert (payouts(engine.chain), sender_of(engine).state) == ([7], "active")


def test_f12_nonce_too_low_then_reorged_then_mined_again_is_one_payout(engine: Engine, payout: Call) -> None:
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


def test_f13_replacement_underpriced_by_a_stranger_decides_nothing_but_alarms(
    engine: Engine, payout: Call
) -> None:
    """F13: see `rules_off` for the rule that is switched off."""
    engine_sender.assign_due(engine.network)
    foreign(engine)
    engine_sender.broadcast_due(engine.network)
    assert Attempt.objects.get().last_answer == "replacement"
    assert "nonce_taken" in alarms()
    assert Call.objects.get().outcome == "sent"


def test_f15_the_lowest_nonce_dropped_is_sent_again_with_the_same_bytes(engine: Engine) -> None:
    """F15: what waits behind it is not touched. Red when what was sent once is never sent again."""
    three_sent(engine)
    engine.chain.rpc("anvil_dropTransaction", Attempt.objects.get(transaction__nonce=0).hash)
    all_paid_by_the_same_bytes(engine)


def test_f16_all_pending_dropped_are_sent_again_with_the_same_bytes(engine: Engine) -> None:
    """F16: a node that lost its pool. Red when only the lowest nonce is sent again."""
    three_sent(engine)
    engine.chain.rpc("anvil_dropAllTransactions")
    all_paid_by_the_same_bytes(engine)


def three_sent(engine: Engine) -> None:
    """Payouts of 1, 2 and 3 base units in the node's pool, and no bump to help."""
    never_bumped(engine)
    stock(engine)
    for place in range(3):
        order(engine, f"pay-{place}", units=place + 1)
    engine.send()


def all_paid_by_the_same_bytes(engine: Engine) -> None:
    """None of the three is mined by itself; sent again they are, in one round."""
    engine.mine(2)
    assert payouts(engine.chain) == []
    with later(8):
        engine_sender.broadcast_due(engine.network)
    engine.chain.mine()
    assert sorted(payouts(engine.chain)) == [1, 2, 3]
    engine.settle()
    assert Attempt.objects.count() == 3


def test_f19_a_revert_is_provisional_and_a_reorg_may_turn_it(engine: Engine, payout: Call) -> None:
    """F19: see `rules_off` for the rule that is switched off."""
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


def test_f20_status_1_without_the_exact_event_is_for_a_human(engine: Engine) -> None:
    """F20: the transfer is there, but of another amount."""
    stock(engine)
    call = order(engine, units=7, expect=8)
    engine.settle()
    call = Call.objects.get(pk=call.pk)
    assert (call.outcome, only_transaction().state) == ("needs_human", "needs_human")
    assert "receipt_without_event" in alarms()


def test_f21_a_payout_reorged_and_mined_again_is_one_effect_with_two_inclusions(
    engine: Engine, payout: Call
) -> None:
    """F21: see `rules_off` for the rule that is switched off."""
    watched(engine, BOB, "bob")
    engine.send()
    engine.mine(2)
    engine.confirm()
    assert only_transaction().state == "mined"
    raw = engine.chain.raw(Attempt.objects.get().hash)
    engine.chain.reorg(2, [(raw, 1)])
    engine.settle()
    assert payouts(engine.chain) == [7]
    assert TransferInclusion.objects.filter(transfer__recipient=BOB).count() == 2
    block = engine.chain.receipt(Attempt.objects.get().hash)["blockHash"]
    assert only_transaction().mined_hash == block, "the block that holds it in the end"
    assert sorted(events(engine)) == ["call:done", "transfer_in"]
