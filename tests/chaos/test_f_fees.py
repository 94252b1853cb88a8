"""Fees that jump, empty wallets, nonces given up: the payout happens once, and within what may be spent."""

from datetime import timedelta
from itertools import pairwise

import pytest

from chain.models import Attempt, Call, Network, Transaction
from chain.services import recovery
from chain.services import sender as engine_sender
from core import clock
from core.actors import Actor
from core.errors import Conflict
from core.models import AuditEntry
from tests.chain.fixtures import Engine
from tests.chain.helpers import (
    events,
    later,
    manage,
    only_transaction,
    order,
    payouts,
    sender_of,
)
from tests.chain.writing import *  # noqa: F403  (fixtures are shared by import)
from tests.chain.writing import alarms, foreign

GWEI = 10**9
STAFF = Actor("staff", "op_1", "Olga")


def base_fee(engine: Engine, fee: int) -> None:
    """The next block costs `fee` wei per gas."""
    engine.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(fee))
    engine.chain.mine()
    engine.index()


def policy(engine: Engine, **fields: object) -> None:
    """Change the network's policy."""
    Network.objects.update(**fields)
    engine.network.refresh_from_db()


def highest() -> Attempt:
    """The attempt that is sent."""
    return Attempt.objects.order_by("-sequence")[0]


def assert_replaces(later_: Attempt, earlier: Attempt) -> None:
    """A node that wants ten per cent more on both fees takes it."""
    assert later_.max_fee * 10 >= earlier.max_fee * 11
    assert later_.max_tip * 10 >= earlier.max_tip * 11
    assert later_.max_tip > earlier.max_tip


def bump(engine: Engine, times: int = 1) -> None:
    """Let time and blocks pass that hold nothing of ours, until it was bumped `times` times."""
    for place in range(times):
        engine.chain.rpc("anvil_dropAllTransactions")
        engine.mine(4)
        with later(60 * (place + 1)):
            engine.confirm()
            engine_sender.broadcast_due(engine.network)


def test_f14_a_base_fee_three_times_as_high_is_followed_by_a_bump(engine: Engine, payout: Call) -> None:
    """Red when `bumped` raises by ten per cent alone and does not look at the market."""
    base_fee(engine, 10 * GWEI)
    engine.send()
    first = highest()
    engine.chain.rpc("anvil_dropAllTransactions")
    for _ in range(4):
        base_fee(engine, 40 * GWEI)
    with later(60):
        assert engine.confirm()
        second = highest()
        assert second.purpose == "bump"
        assert second.max_fee >= 2 * 30 * GWEI > first.max_fee
        assert_replaces(second, first)
        engine.settle()
    assert payouts(engine.chain) == [7]


def test_f14_a_base_fee_that_fell_still_makes_a_bump_that_replaces(engine: Engine, payout: Call) -> None:
    """Red when a bump offers only what the market asks."""
    base_fee(engine, 40 * GWEI)
    engine.send()
    first = highest()
    engine.chain.rpc("anvil_dropAllTransactions")
    for _ in range(4):
        base_fee(engine, 5 * GWEI)
    with later(60):
        assert engine.confirm()
        assert_replaces(highest(), first)
        engine.settle()
    assert payouts(engine.chain) == [7]


@pytest.mark.parametrize("tip", [0, 1])
def test_f14_tips_of_0_and_1_wei_are_raised_by_at_least_one(engine: Engine, payout: Call, tip: int) -> None:
    """Red when the raise is ten per cent in integers rounded down: 0 stays 0, and 1 stays 1."""
    policy(engine, tip_floor=tip, tip_ceiling=tip)
    engine.send()
    first = highest()
    assert first.max_tip == tip
    bump(engine, 2)
    rows = list(Attempt.objects.order_by("sequence"))
    assert [row.max_tip for row in rows] == [tip, tip + 1, tip + 2]
    for before, after in pairwise(rows):
        assert_replaces(after, before)
    engine.settle()
    assert payouts(engine.chain) == [7]


@pytest.mark.parametrize("mined", ["original", "cancel"])
def test_f17_a_cancel_races_the_original_and_what_is_mined_decides(
    engine: Engine, payout: Call, mined: str
) -> None:
    """Red when the stored cancel alone closes the call, or when a cancel's receipt counts as done."""
    engine.send()
    engine.chain.rpc("anvil_dropAllTransactions")
    cancel = recovery.cancel_transaction(
        row=only_transaction(), reason="sent to the wrong deal", acting=STAFF
    )
    assert (cancel.purpose, Call.objects.get().outcome) == ("cancel", "sent")
    if mined == "original":
        raw = bytes(Attempt.objects.get(sequence=0).raw)
        engine.chain.rpc("eth_sendRawTransaction", "0x" + raw.hex())
        engine.chain.mine()
    engine.settle()
    call = Call.objects.get()
    assert only_transaction().mined_attempt == Attempt.objects.get(purpose=mined)
    if mined == "original":
        assert (payouts(engine.chain), call.outcome, only_transaction().state) == ([7], "done", "final_ok")
        return
    assert (payouts(engine.chain), call.outcome, call.reason) == ([], "failed", "cancelled")
    assert only_transaction().state == "cancelled"
    order(engine, "again", replaces=call)
    engine.settle()
    assert payouts(engine.chain) == [7]
    assert AuditEntry.objects.filter(action="transaction.cancel_signed").exists()


def test_f17_what_was_cancelled_is_bumped_as_a_cancel(engine: Engine, payout: Call) -> None:
    """F17: see `rules_off` for the rule that is switched off."""
    engine.send()
    engine.chain.rpc("anvil_dropAllTransactions")
    recovery.cancel_transaction(row=only_transaction(), reason="not wanted", acting=STAFF)
    engine_sender.broadcast_due(engine.network)
    bump(engine)
    assert [row.purpose for row in Attempt.objects.order_by("sequence")] == ["original", "cancel", "cancel"]
    engine.settle()
    assert (payouts(engine.chain), only_transaction().state) == ([], "cancelled")


def test_f17_only_the_lowest_unmined_nonce_is_cancelled(engine: Engine, payout: Call) -> None:
    """F17: see `rules_off` for the rule that is switched off."""
    order(engine, "second", units=8)
    engine.send()
    second = Transaction.objects.get(nonce=1)
    with pytest.raises(Conflict, match="lower nonce"):
        recovery.cancel_transaction(row=second, reason="not wanted", acting=STAFF)
    engine.settle()
    assert sorted(payouts(engine.chain)) == [7, 8]
    with pytest.raises(Conflict, match="mined"):
        recovery.cancel_transaction(row=second, reason="too late", acting=STAFF)


def test_f17_the_command_cancels(engine: Engine, payout: Call) -> None:
    """F17: see `rules_off` for the rule that is switched off."""
    engine.send()
    engine.chain.rpc("anvil_dropAllTransactions")
    row = sender_of(engine)
    words = [
        "cancel_transaction",
        engine.network.slug,
        row.address,
        "0",
        "--by",
        "Olga",
        "--reason",
        "a test",
    ]
    assert manage(*words) == 0
    engine.settle()
    assert only_transaction().state == "cancelled"


def test_f18_a_spike_beyond_the_cap_signs_nothing_and_the_payout_follows_when_it_is_over(
    engine: Engine, payout: Call
) -> None:
    """Red when the caps are not looked at before the first attempt."""
    policy(engine, max_fee_cap=50 * GWEI)
    base_fee(engine, 900 * GWEI)
    for hours in range(1, 6):
        with later(3600 * hours):
            engine.send()
    assert Transaction.objects.count() == 0
    assert "fee_cap" in alarms()
    base_fee(engine, GWEI)
    for _ in range(10):
        base_fee(engine, GWEI)
    with later(6 * 3600):
        engine.settle()
    assert payouts(engine.chain) == [7]


def test_f18_no_money_for_gas_waits_and_goes_on_when_there_is_some(engine: Engine, payout: Call) -> None:
    """Red when the balance is not looked at: the nonce would be taken by bytes that no node accepts."""
    engine.chain.rpc("anvil_setBalance", sender_of(engine).address, "0x0")
    engine.send()
    assert (Transaction.objects.count(), "low_balance" in alarms()) == (0, True)
    engine.chain.rpc("anvil_setBalance", sender_of(engine).address, hex(10**18))
    with later(30):
        engine.settle()
    assert (payouts(engine.chain), "low_balance" in alarms()) == ([7], False)


def test_f41_deadline_work_goes_out_at_fees_that_hold_back_a_payout(engine: Engine, payout: Call) -> None:
    """Red when urgent work has the caps of a payout."""
    policy(engine, max_fee_cap=50 * GWEI)
    base_fee(engine, 60 * GWEI)
    soon = clock.now() + timedelta(hours=1)
    urgent = order(engine, "mark", units=9, must_be_final_by=soon)
    engine.send()
    assert [row.idempotency_key for row in Call.objects.filter(outcome="sent")] == [urgent.idempotency_key]
    assert highest().max_fee > 50 * GWEI
    engine.settle()
    assert payouts(engine.chain)[0] == 9


def test_the_gas_budget_of_a_day_stops_payouts_but_not_deadline_work(engine: Engine, payout: Call) -> None:
    """Red when the spent gas is not counted."""
    engine.settle()
    spent = only_transaction()
    policy(engine, gas_budget_day=spent.gas_used * spent.gas_price + 1)
    order(engine, "second", units=8)
    order(engine, "mark", units=9, must_be_final_by=clock.now() + timedelta(hours=1))
    engine.settle()
    assert payouts(engine.chain) == [7, 9]
    assert "gas_budget" in alarms()
    with later(25 * 3600):
        engine.settle()
    assert payouts(engine.chain) == [7, 9, 8]


def test_f13_a_strangers_pending_transaction_on_our_next_nonce_freezes_before_we_sign(
    engine: Engine, payout: Call
) -> None:
    """Red when only mined transactions are counted before signing."""
    foreign(engine)
    engine.send()
    assert (Transaction.objects.count(), sender_of(engine).state) == (0, "frozen")


def test_gas_that_a_network_adds_is_signed_and_simulated(engine: Engine, payout: Call) -> None:
    policy(engine, extra_gas=50_000)
    engine.settle()
    assert only_transaction().gas_limit == payout.gas_limit + 50_000
    assert events(engine)[-1] == "call:done"
