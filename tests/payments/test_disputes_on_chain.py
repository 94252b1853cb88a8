"""Disputes as far as money goes: frozen, withdrawn, ruled; by the platform, by wallets, and in races."""

from datetime import timedelta

import pytest

from chain.models import Call
from contracts import calls
from contracts.calls import Side
from core import deadlines
from core.errors import Conflict, Forbidden, Invalid
from payments.services import clocks, orders, payouts
from tests.chain.fixtures import USDT
from tests.payments.acts import DAY, EVIDENCE, deliver, dispute, refund, release, rule, withdraw
from tests.payments.fixtures import BUYER_ADDRESS, FEE_ADDRESS, SELLER_ADDRESS, Desk, actor

EVIDENCE_BYTES = bytes.fromhex(EVIDENCE[2:])


def wallet_dispute(desk: Desk, escrow, side: Side) -> None:
    address = BUYER_ADDRESS if side == Side.BUYER else SELLER_ADDRESS
    data = calls.dispute(desk.terms(escrow), side=side, evidence_hash=EVIDENCE_BYTES)
    desk.as_party(address, data)


def disputed(desk: Desk, *amounts: int, side: str = "buyer"):
    escrow = desk.funded(*amounts)
    dispute(desk, escrow, side)
    desk.settle()
    assert desk.state(escrow) == "disputed"
    return escrow


def test_a_dispute_stops_every_clock_at_once_and_is_frozen_when_final(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    deliver(desk, escrow)
    desk.settle()
    dispute(desk, escrow)
    assert desk.state(escrow) == "disputing"
    assert not deadlines.waiting(escrow.pk).exists()
    desk.settle()
    found = desk.fresh(escrow)
    assert (found.state, found.disputed_by, found.dispute_round) == ("disputed", "buyer", 1)
    assert found.fallback_after is not None
    desk.travel(30 * DAY)
    assert desk.state(escrow) == "disputed"
    with pytest.raises(Conflict):
        release(desk, escrow)
    assert desk.events(escrow).count("escrow.disputed") == 1


def test_a_withdrawn_dispute_resumes_the_clocks_with_the_time_that_was_left(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    deliver(desk, escrow)
    desk.travel(3 * DAY)
    dispute(desk, escrow)
    desk.travel(10 * DAY)
    with pytest.raises(Conflict, match="opened the dispute"):
        withdraw(desk, escrow, "seller")
    withdraw(desk, escrow)
    desk.settle()
    assert desk.state(escrow) == "delivered"
    left = deadlines.waiting(escrow.pk).get(kind=clocks.INSPECT).due_at - clocks.clock.now()
    assert timedelta(days=3, hours=23) < left < timedelta(days=4, minutes=5)
    desk.travel(4 * DAY + timedelta(minutes=5))
    assert desk.state(escrow) == "released"


def test_a_dispute_withdrawn_before_delivery_leaves_the_seller_the_days_that_were_left(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    desk.travel(10 * DAY)
    dispute(desk, escrow, "seller")
    desk.travel(30 * DAY)
    withdraw(desk, escrow, "seller")
    desk.settle()
    left = deadlines.waiting(escrow.pk).get(kind=clocks.DELIVER).due_at - clocks.clock.now()
    assert timedelta(days=6, hours=23) < left < timedelta(days=7, minutes=5)
    found = desk.fresh(escrow)
    assert found.deliver_by > clocks.clock.now() + timedelta(days=13)
    assert (found.state, found.disputed_by, found.paused_clocks) == ("funded", "", {})


def test_a_refund_request_before_the_dispute_does_not_lose_the_time_of_the_inspection(desk: Desk) -> None:
    from tests.payments.acts import ask_refund

    escrow = desk.funded(250 * USDT)
    deliver(desk, escrow)
    desk.travel(4 * DAY)
    ask_refund(desk, escrow)
    dispute(desk, escrow)
    desk.settle()
    withdraw(desk, escrow)
    desk.settle()
    left = deadlines.waiting(escrow.pk).get(kind=clocks.INSPECT).due_at - clocks.clock.now()
    assert left < timedelta(days=3, minutes=5)


def test_each_side_disputes_at_most_twice(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    for _ in range(2):
        dispute(desk, escrow)
        desk.settle()
        withdraw(desk, escrow)
        desk.settle()
    with pytest.raises(Conflict, match="twice"):
        dispute(desk, escrow)
    dispute(desk, escrow, "seller")
    desk.settle()
    assert desk.fresh(escrow).disputed_by == "seller"


def test_a_dispute_raised_with_a_wallet_freezes_the_escrow_here_too(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    wallet_dispute(desk, escrow, Side.SELLER)
    desk.settle()
    wallet = desk.terms(escrow).seller
    found = desk.fresh(escrow)
    assert (found.state, found.disputed_by, found.dispute_sender) == ("disputed", "seller", wallet)
    with pytest.raises(Conflict, match="wallet"):
        withdraw(desk, escrow, "seller")
    desk.as_party(SELLER_ADDRESS, calls.withdraw_dispute(desk.terms(escrow)))
    desk.settle()
    assert desk.state(escrow) == "funded"
    assert deadlines.waiting(escrow.pk).filter(kind=clocks.DELIVER).exists()


def test_a_wallet_and_the_platform_dispute_at_once_and_one_dispute_stands(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    order = dispute(desk, escrow)
    wallet_dispute(desk, escrow, Side.SELLER)
    desk.settle()
    order.refresh_from_db()
    found = desk.fresh(escrow)
    assert (found.state, found.disputed_by, found.dispute_round) == ("disputed", "seller", 1)
    assert order.state == "superseded"  # the buyer has not used up a dispute


def test_our_own_unsent_dispute_is_not_sent_after_the_wallets_was_withdrawn(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    dispute(desk, escrow)
    wallet_dispute(desk, escrow, Side.BUYER)
    desk.engine.mine(5)
    desk.duties()
    assert desk.state(escrow) == "disputed"
    desk.as_party(BUYER_ADDRESS, calls.withdraw_dispute(desk.terms(escrow)))
    desk.engine.mine()
    desk.settle()
    assert desk.state(escrow) == "funded"
    assert not Call.objects.filter(outcome__in=["waiting", "sent"]).exists()


def test_a_release_mined_before_the_dispute_wins(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    deliver(desk, escrow)
    desk.settle()
    release(desk, escrow)
    desk.engine.send()
    order = dispute(desk, escrow)
    desk.settle()
    order.refresh_from_db()
    assert (desk.state(escrow), order.state) == ("released", "superseded")
    assert desk.balance(SELLER_ADDRESS) == 247_500_000


def test_a_dispute_mined_before_the_release_wins_and_nothing_was_paid(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    deliver(desk, escrow)
    desk.settle()
    release(desk, escrow)
    wallet_dispute(desk, escrow, Side.BUYER)
    desk.engine.mine()  # the wallet's transaction is mined, ours is not even sent
    desk.engine.send()
    desk.settle()
    assert desk.state(escrow) == "disputed"
    assert desk.legs(escrow) == []
    assert escrow.orders.get(kind="pay").state == "superseded"
    assert desk.balance(SELLER_ADDRESS) == 0
    rule(desk, escrow, 0, 250 * USDT)
    desk.settle()
    assert desk.balance(BUYER_ADDRESS) == 250 * USDT


@pytest.mark.parametrize("first", ["dispute", "release"])
def test_f42_dispute_and_release_in_one_block_and_the_first_of_them_decides(desk: Desk, first: str) -> None:
    """F42, both orders: the release is the platform's, the dispute a wallet's."""
    escrow = desk.funded(250 * USDT)
    deliver(desk, escrow)
    desk.settle()
    release(desk, escrow)
    desk.engine.send()
    data = calls.dispute(desk.terms(escrow), side=Side.BUYER, evidence_hash=EVIDENCE_BYTES)
    tx_hash = paying(desk, BUYER_ADDRESS, data, early=first == "dispute")
    number = desk.engine.chain.mine()
    block = desk.engine.chain.rpc("eth_getBlockByNumber", hex(number), False)["transactions"]
    assert len(block) == 2
    assert block.index(tx_hash) == (0 if first == "dispute" else 1)
    desk.settle()
    order = escrow.orders.get(kind="pay")
    if first == "dispute":
        assert (desk.state(escrow), order.state, desk.legs(escrow)) == ("disputed", "superseded", [])
        assert desk.balance(SELLER_ADDRESS) == 0
        return
    assert (desk.state(escrow), order.state) == ("released", "done")
    assert desk.balance(SELLER_ADDRESS) == 247_500_000
    assert int(desk.engine.chain.receipt(tx_hash)["status"], 16) == 0


@pytest.mark.parametrize("over", [False, True], ids=["in time", "too late"])
@pytest.mark.parametrize("first", ["dispute", "claim"])
def test_f42_dispute_and_a_strangers_claim_in_one_block_are_parted_by_its_clock(
    desk: Desk, first: str, over: bool
) -> None:
    """F42: at the chain's last instant a dispute still counts, a second later only the claim does, in
    whatever order they stand in the block."""
    escrow = desk.funded(250 * USDT)
    deliver(desk, escrow)
    desk.settle()
    until = desk.fresh(escrow).marked_until
    assert until is not None
    chain, terms = desk.engine.chain, desk.terms(escrow)
    data = calls.dispute(terms, side=Side.BUYER, evidence_hash=EVIDENCE_BYTES)
    hashes = {
        "dispute": paying(desk, BUYER_ADDRESS, data, early=first == "dispute"),
        "claim": paying(desk, chain.accounts[7], calls.claim_delivered(terms), early=first == "claim"),
    }
    chain.rpc("evm_setNextBlockTimestamp", int(until.timestamp()) + over)
    number = chain.mine()
    block = chain.rpc("eth_getBlockByNumber", hex(number), False)["transactions"]
    assert block == [hashes[first], *(entry for name, entry in hashes.items() if name != first)]
    desk.settle()
    assert desk.state(escrow) == ("released" if over else "disputed")
    assert desk.balance(SELLER_ADDRESS) == (247_500_000 if over else 0)
    assert {name: int(chain.receipt(entry)["status"], 16) for name, entry in hashes.items()} == {
        "dispute": int(not over),
        "claim": int(over),
    }


def paying(desk: Desk, wallet: str, data: bytes, *, early: bool) -> str:
    """A transaction of a wallet to the escrow contract; the node takes the highest offer first."""
    chain = desk.engine.chain
    base = int(chain.rpc("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)
    chain.rpc("anvil_impersonateAccount", wallet)
    chain.rpc("anvil_setBalance", wallet, hex(10**20))
    request = {
        "from": wallet,
        "to": desk.engine.network.escrow_contract,
        "data": "0x" + data.hex(),
        "gas": hex(900_000),
        "maxFeePerGas": hex(10**12 if early else base * 9 // 8 + 2),
        "maxPriorityFeePerGas": "0x1",
    }
    return str(chain.rpc("eth_sendTransaction", request))


def test_a_ruling_splits_exactly_with_the_signatures_of_the_seats(desk: Desk) -> None:
    escrow = disputed(desk, 2_500 * USDT)  # four eyes: two seats sign
    assert escrow.arbiters_threshold == 2
    rule(desk, escrow, 1_000 * USDT, 1_500 * USDT)
    assert desk.state(escrow) == "settling"
    desk.settle()
    assert desk.state(escrow) == "settled"
    assert desk.state(escrow.deal) == "completed"
    assert desk.balance(SELLER_ADDRESS) == 990 * USDT
    assert desk.balance(FEE_ADDRESS) == 10 * USDT
    assert desk.balance(BUYER_ADDRESS) == 1_500 * USDT
    found = desk.fresh(escrow)
    assert (found.decided_seller, found.decided_buyer) == (1_000 * USDT, 1_500 * USDT)


def test_a_ruling_that_does_not_sum_to_the_remainder_is_refused(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    release(desk, escrow, 50 * USDT)
    desk.settle()
    dispute(desk, escrow)
    desk.settle()
    for wrong in ((250 * USDT, 0), (100 * USDT, 99 * USDT)):
        with pytest.raises(Invalid):
            rule(desk, escrow, *wrong)
    assert desk.state(escrow) == "disputed"
    rule(desk, escrow, 100 * USDT, 100 * USDT)
    desk.settle()
    assert desk.state(escrow) == "settled"
    assert desk.balance(SELLER_ADDRESS) == 148_500_000


def test_a_ruling_of_too_few_seats_never_pays_and_a_person_is_called(desk: Desk) -> None:
    escrow = disputed(desk, 2_500 * USDT)
    order = rule(desk, escrow, 2_500 * USDT, 0, seats=1)
    desk.until(lambda: desk.state(order) == "needs_human")
    assert type(order).objects.get(pk=order.pk).attempts == 3
    assert desk.balance(SELLER_ADDRESS) == 0
    orders.resume(order_id=order.pk, acting=actor(desk.cast.stranger))
    desk.until(lambda: desk.state(order) == "needs_human")
    assert type(order).objects.get(pk=order.pk).attempts == 4
    assert desk.state(escrow) == "settling"


def test_a_part_conceded_while_the_ruling_is_on_its_way_scales_the_ruling(desk: Desk) -> None:
    escrow = disputed(desk, 250 * USDT)
    desk.as_party(
        SELLER_ADDRESS, calls.pay(desk.terms(escrow), to_seller=0, to_buyer=50 * USDT, left=escrow.amount)
    )
    desk.engine.mine(5)  # final, but not applied yet
    rule(desk, escrow, 125 * USDT, 125 * USDT)
    desk.settle()
    assert desk.state(escrow) == "settled"
    assert desk.balance(BUYER_ADDRESS) == 150 * USDT
    assert desk.balance(SELLER_ADDRESS) == 99 * USDT


def test_a_party_that_concedes_everything_with_its_wallet_ends_the_dispute(desk: Desk) -> None:
    escrow = disputed(desk, 250 * USDT)
    desk.as_party(
        BUYER_ADDRESS, calls.pay(desk.terms(escrow), to_seller=escrow.amount, to_buyer=0, left=escrow.amount)
    )
    desk.settle()
    assert desk.state(escrow) == "released"
    assert desk.balance(SELLER_ADDRESS) == 247_500_000


def test_the_opener_can_withdraw_on_chain_before_the_ruling_is_there(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    wallet_dispute(desk, escrow, Side.BUYER)
    desk.settle()
    order = rule(desk, escrow, 0, 250 * USDT)
    desk.as_party(BUYER_ADDRESS, calls.withdraw_dispute(desk.terms(escrow)))
    desk.engine.mine()
    desk.settle()
    order.refresh_from_db()
    assert (desk.state(escrow), order.state) == ("funded", "superseded")
    release(desk, escrow)
    desk.settle()
    assert desk.state(escrow) == "released"


def test_a_dispute_that_the_chain_refuses_for_good_leaves_everything_as_it_was(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    desk.engine.chain.travel(25 * 86_400)  # past the chain's deliver-by, while the platform's clock lags
    desk.engine.index()
    order = dispute(desk, escrow)
    assert not deadlines.waiting(escrow.pk).exists()
    desk.until(lambda: desk.state(order) == "failed")
    assert type(order).objects.get(pk=order.pk).attempts == 3
    found = desk.fresh(escrow)
    assert (found.state, found.state_before_dispute) == ("funded", "")
    assert deadlines.waiting(escrow.pk).filter(kind=clocks.DELIVER).exists()
    assert "escrow.dispute_failed" in desk.events(escrow)
    refund(desk, escrow)
    desk.settle()
    assert desk.state(escrow) == "refunded"


def test_nobody_rules_or_withdraws_where_nothing_is_disputed(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    with pytest.raises(Conflict):
        rule(desk, escrow, 0, 250 * USDT)
    with pytest.raises(Conflict):
        withdraw(desk, escrow)
    with pytest.raises(Forbidden):
        payouts.release(escrow_id=escrow.pk, role="seller", acting=actor(desk.cast.seller))


def test_after_the_arbitration_period_anyone_executes_the_named_split(desk: Desk) -> None:
    escrow = disputed(desk, 250 * USDT)
    desk.engine.chain.travel(121 * 86_400)
    desk.engine.chain.send(desk.engine.network.escrow_contract, calls.claim_fallback(desk.terms(escrow)))
    desk.settle()
    assert desk.state(escrow) == "settled"
    assert desk.balance(BUYER_ADDRESS) == 125 * USDT
    assert desk.balance(SELLER_ADDRESS) == 123_750_000
