"""Appeals on the chain, disputes that wallets raise, and the end of an arbitration without a ruling."""

import pytest

from chain.models import Call, Sender
from contracts import calls
from contracts.calls import Side
from core import deadlines
from core.errors import Conflict
from payments.models import Escrow
from payments.services import clocks, controls
from tests.chain.fixtures import USDT
from tests.payments.acts import DAY, EVIDENCE, deliver, dispute, rule
from tests.payments.fixtures import BUYER_ADDRESS, FEE_ADDRESS, SELLER_ADDRESS, Desk, actor

ARBITRATION = 120 * DAY


def disputed(desk: Desk, amount: int = 250 * USDT) -> Escrow:
    escrow = desk.funded(amount)
    dispute(desk, escrow)
    desk.settle()
    assert desk.state(escrow) == "disputed"
    return escrow


def wallet_appeals(desk: Desk, escrow: Escrow, side: Side) -> None:
    address = BUYER_ADDRESS if side == Side.BUYER else SELLER_ADDRESS
    desk.as_party(address, calls.appeal(desk.terms(escrow), side=side))


def test_an_appeal_raises_the_round_that_a_ruling_binds(desk: Desk) -> None:
    escrow = disputed(desk)
    wallet_appeals(desk, escrow, Side.SELLER)
    desk.settle()
    found = desk.fresh(escrow)
    assert (found.state, found.dispute_round, found.raised_round) == ("disputed", 2, 1)
    assert "escrow.appealed" in desk.events(escrow)
    rule(desk, escrow, 100 * USDT, 150 * USDT)
    desk.settle()
    assert desk.state(escrow) == "settled"


def test_an_appeal_before_the_ordered_ruling_is_mined_voids_it(desk: Desk) -> None:
    escrow = disputed(desk)
    order = rule(desk, escrow, 250 * USDT, 0)
    wallet_appeals(desk, escrow, Side.BUYER)
    desk.engine.mine()
    desk.settle()
    assert (desk.state(escrow), desk.state(order)) == ("disputed", "superseded")
    assert desk.legs(escrow) == []
    assert desk.balance(SELLER_ADDRESS) == 0
    assert not Call.objects.filter(outcome__in=["waiting", "sent"]).exists()
    rule(desk, escrow, 0, 250 * USDT)
    desk.settle()
    assert desk.balance(BUYER_ADDRESS) == 250 * USDT


def test_an_appeal_in_the_block_before_a_sent_ruling_reverts_it_and_nothing_is_repeated(desk: Desk) -> None:
    escrow = disputed(desk)
    order = rule(desk, escrow, 250 * USDT, 0)
    desk.engine.send()
    call = Call.objects.get(pk=order.call_id)
    assert call.transaction is not None
    raw = bytes(call.transaction.attempts.get().raw)
    chain = desk.engine.chain
    chain.rpc("anvil_dropTransaction", call.transaction.attempts.get().hash)
    wallet_appeals(desk, escrow, Side.BUYER)
    chain.mine()
    chain.rpc("eth_sendRawTransaction", "0x" + raw.hex())
    desk.settle()
    assert (desk.state(escrow), desk.state(order)) == ("disputed", "superseded")
    assert Call.objects.get(pk=order.call_id).outcome == "superseded"
    assert desk.balance(SELLER_ADDRESS) == 0


def test_disputes_that_a_wallet_raised_count_towards_the_two_of_its_side(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    for _ in range(2):
        raised = calls.dispute(desk.terms(escrow), side=Side.BUYER, evidence_hash=bytes.fromhex(EVIDENCE[2:]))
        desk.as_party(BUYER_ADDRESS, raised)
        desk.settle()
        desk.as_party(BUYER_ADDRESS, calls.withdraw_dispute(desk.terms(escrow)))
        desk.settle()
    found = desk.fresh(escrow)
    assert (found.state, found.buyer_disputes, found.seller_disputes) == ("funded", 2, 0)
    with pytest.raises(Conflict, match="twice"):
        dispute(desk, escrow)
    dispute(desk, escrow, "seller")
    desk.settle()
    assert desk.state(escrow) == "disputed"


def test_the_platform_executes_the_fallback_when_no_ruling_came(desk: Desk) -> None:
    escrow = disputed(desk)
    wait = deadlines.waiting(escrow.pk).get(kind=clocks.FALLBACK)
    assert wait.due_at == desk.fresh(escrow).fallback_after
    desk.travel(ARBITRATION - DAY)
    assert desk.state(escrow) == "disputed"
    desk.travel(2 * DAY)
    order = escrow.orders.get(kind="claim_fallback")
    assert (desk.state(escrow), desk.state(order)) == ("settled", "done")
    assert desk.balance(BUYER_ADDRESS) == 125 * USDT
    assert desk.balance(SELLER_ADDRESS) + desk.balance(FEE_ADDRESS) == 125 * USDT
    carrier = Call.objects.select_related("transaction__sender").get(pk=order.call_id).transaction
    assert carrier is not None
    assert carrier.sender == Sender.objects.get(network=desk.engine.network, purpose="deadlines")


def test_a_stranger_who_executes_the_fallback_first_pays_it_once(desk: Desk) -> None:
    escrow = disputed(desk)
    desk.travel(ARBITRATION - DAY)
    desk.engine.chain.travel(2 * 86_400)
    claim = calls.claim_fallback(desk.terms(escrow))
    desk.engine.chain.send(desk.engine.network.escrow_contract, claim)
    desk.engine.chain.mine()
    desk.platform_travels(2 * DAY)
    desk.settle()
    assert desk.state(escrow) == "settled"
    assert desk.balance(BUYER_ADDRESS) == 125 * USDT
    assert not escrow.orders.filter(kind="claim_fallback", state="done").exists()
    assert not Call.objects.filter(outcome__in=["waiting", "sent"]).exists()


def test_a_part_that_is_conceded_before_the_fallback_is_mined_leaves_the_rest_to_the_split(
    desk: Desk,
) -> None:
    escrow = disputed(desk)
    desk.travel(ARBITRATION - DAY)
    desk.platform_travels(2 * DAY)
    desk.engine.chain.travel(2 * 86_400)
    desk.engine.index()
    desk.duties()
    assert escrow.orders.get(kind="claim_fallback").state == "live"
    give = calls.pay(desk.terms(escrow), to_seller=0, to_buyer=50 * USDT, left=250 * USDT)
    desk.as_party(SELLER_ADDRESS, give)
    desk.engine.chain.mine()
    desk.settle()
    assert desk.state(escrow) == "settled"
    assert desk.balance(BUYER_ADDRESS) == 150 * USDT


def test_a_ruling_that_never_got_through_gives_way_to_the_fallback(desk: Desk) -> None:
    escrow = disputed(desk, 2_500 * USDT)
    order = rule(desk, escrow, 2_500 * USDT, 0, seats=1)
    desk.until(lambda: desk.state(order) == "needs_human")
    desk.travel(ARBITRATION + DAY)
    assert (desk.state(escrow), desk.state(order)) == ("settled", "superseded")
    assert desk.balance(BUYER_ADDRESS) == 1_250 * USDT


def test_a_hold_keeps_the_platform_from_executing_the_fallback_until_it_is_lifted(desk: Desk) -> None:
    escrow = disputed(desk)
    acting = actor(desk.cast.stranger)
    controls.place_hold(escrow_id=escrow.pk, reason="a hit on a list", acting=acting)
    desk.travel(ARBITRATION + DAY)
    assert desk.state(escrow) == "disputed"
    controls.lift_hold(escrow_id=escrow.pk, acting=acting)
    desk.platform_travels(DAY / 24)
    desk.settle()
    assert desk.state(escrow) == "settled"


def test_a_withdrawn_dispute_has_no_fallback(desk: Desk) -> None:
    from tests.payments.acts import withdraw

    escrow = desk.funded(250 * USDT)
    deliver(desk, escrow)
    desk.settle()
    dispute(desk, escrow)
    desk.settle()
    withdraw(desk, escrow)
    desk.settle()
    assert not deadlines.waiting(escrow.pk).filter(kind=clocks.FALLBACK).exists()
