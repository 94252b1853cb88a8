"""What the engine and the product must do on every kind of node. `make nodes` runs it on each."""

from datetime import timedelta

import pytest

from chain.models import Attempt, Call, Network
from chain.services import networks
from chain.services import sender as engine_sender
from chain.txm.bump import replace
from contracts.artifacts import TEST_USDT_ADDRESS
from contracts.calls import erc20_transfer
from tests.chain.fixtures import USDT, Engine
from tests.chain.helpers import (
    ALICE,
    alarms,
    events,
    later,
    only_transaction,
    order,
    payouts,
    pending,
    stock,
    watched,
)
from tests.nodes.conftest import DEPTH
from tests.payments.acts import deliver, dispute, release, rule
from tests.payments.fixtures import BUYER_ADDRESS, FEE_ADDRESS, SELLER_ADDRESS, Desk


def test_a_deposit_is_seen_and_then_final(engine: Engine) -> None:
    watched(engine)
    engine.chain.pay(ALICE, 5)
    engine.mine()
    assert (pending(engine), events(engine)) == ([(5, 1)], [])
    engine.mine(3)
    assert (pending(engine), events(engine), alarms()) == ([], ["transfer_in"], set())


def test_two_deposits_in_one_block_and_what_leaves_again(engine: Engine) -> None:
    source = stock(engine)
    watched(engine, source, "ours", since=0)
    watched(engine)
    for units in (5, 6):
        engine.chain.send(TEST_USDT_ADDRESS, erc20_transfer(ALICE, units), sender=_holder(engine))
    order(engine, to=ALICE, units=7)
    engine.settle()
    assert events(engine).count("transfer_in") == 4, "three to Alice, one to our stock"
    assert events(engine).count("transfer_out") == 1
    assert alarms() == set()


def _holder(engine: Engine) -> str:
    engine.chain.pay(engine.chain.accounts[2], 100)
    engine.chain.mine()
    return engine.chain.accounts[2]


def test_an_address_watched_late_gets_what_was_there_before(engine: Engine) -> None:
    engine.chain.pay(ALICE, 5)
    engine.mine(6)
    watched(engine, ALICE, since=0)
    engine.index()
    assert events(engine) == ["transfer_in"]


def test_a_payout_is_sent_mined_and_done(engine: Engine) -> None:
    stock(engine)
    order(engine)
    engine.settle()
    assert payouts(engine.chain) == [7]
    assert events(engine).count("call:done") == 1
    assert alarms() == set()


def test_the_same_bytes_again_are_known_and_after_they_are_mined_too_low(engine: Engine) -> None:
    stock(engine)
    order(engine)
    engine.send()
    assert Attempt.objects.get().last_answer == "accepted"
    with later(8):
        engine_sender.broadcast_due(engine.network)
    assert Attempt.objects.get().last_answer == "known"
    engine.chain.mine()
    with later(40):
        engine_sender.broadcast_due(engine.network)
    assert Attempt.objects.get().last_answer == "nonce_low"
    assert alarms() == set()
    engine.settle()
    assert payouts(engine.chain) == [7]


def test_a_bump_replaces_and_one_of_the_two_is_mined(engine: Engine) -> None:
    stock(engine)
    order(engine)
    engine.send()
    replace(engine.network, only_transaction())
    engine_sender.broadcast_due(engine.network)
    assert Attempt.objects.get(sequence=1).last_answer == "accepted"
    engine.settle()
    assert payouts(engine.chain) == [7]


def test_a_call_that_the_contract_refuses_is_never_sent(engine: Engine) -> None:
    call = order(engine, units=10**12)  # more than there is
    engine.send()
    call = Call.objects.get(pk=call.pk)
    assert call.outcome == "waiting"
    assert call.reason.startswith("refused: ")
    assert len(call.reason) > len("refused: 0x"), "the node's own sentence"
    assert not Attempt.objects.exists()


def test_a_node_whose_newest_block_is_final_is_refused_with_the_way_out(engine: Engine) -> None:
    """D9: hardhat's tag is its newest block; the way out is a depth."""
    engine.mine(10)
    networks.verify(engine.network)
    if DEPTH:
        Network.objects.update(finality="tag")
        with pytest.raises(networks.UnfitNode, match="LOCAL_FINALITY_DEPTH"):
            networks.verify(Network.objects.get())


def test_a_whole_life_from_the_deposit_to_the_release(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    deliver(desk, escrow)
    release(desk, escrow)
    desk.settle()
    assert desk.state(escrow) == "released"
    assert desk.balance(SELLER_ADDRESS) == 247_500_000
    assert desk.balance(FEE_ADDRESS) == 2_500_000
    assert alarms() == set()


def test_a_dispute_is_decided_on_the_chain(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    deliver(desk, escrow)
    dispute(desk, escrow)
    desk.settle()
    assert desk.state(escrow) == "disputed"
    # Hardhat gives each block a second of its own: by now its chain is ahead of the clock.
    desk.platform_travels(timedelta(minutes=10))
    rule(desk, escrow, 100 * USDT, 150 * USDT)
    desk.settle()
    assert desk.state(escrow) == "settled", list(Call.objects.values_list("label", "outcome", "reason"))
    assert desk.balance(BUYER_ADDRESS) == 150 * USDT
    assert desk.balance(escrow.vault_address) == 0
    assert alarms() == set()
