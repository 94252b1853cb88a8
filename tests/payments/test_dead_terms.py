"""Cancelled on the chain: everything is the buyer's, now and later, and the platform knows it."""

from datetime import timedelta

import pytest

from chain.models import Call
from contracts import calls
from contracts.artifacts import ESCROW_ADDRESS
from contracts.calls import Side, relayed
from core.errors import Conflict
from payments.books import balances
from payments.models import AccountKind, Escrow
from payments.services import escrows, payouts
from tests.chain.fixtures import USDT
from tests.payments.acts import (
    DAY,
    both_sign,
    deliver,
    dispute,
    pay_many,
    refuse_recipient,
    release,
)
from tests.payments.fixtures import BUYER_ADDRESS, SELLER_ADDRESS, Desk, actor


def seller_cancels(desk: Desk, escrow: Escrow) -> None:
    desk.as_party(SELLER_ADDRESS, calls.cancel(desk.terms(escrow)))


def cancelled_unpaid(desk: Desk) -> Escrow:
    escrow = desk.agreed(250 * USDT).escrows.get()
    escrows.cancel_unpaid(escrow_id=escrow.pk, acting=actor(desk.cast.buyer))
    return escrow


@pytest.mark.parametrize("delivered", [False, True])
def test_a_seller_who_cancels_with_a_wallet_refunds_the_buyer(desk: Desk, delivered: bool) -> None:
    escrow = desk.funded(250 * USDT)
    if delivered:
        deliver(desk, escrow)
        desk.settle()
    seller_cancels(desk, escrow)
    desk.settle()
    found = desk.fresh(escrow)
    assert (found.state, found.remainder, found.decided_buyer) == ("refunded", 0, 250 * USDT)
    assert desk.balance(BUYER_ADDRESS) == 250 * USDT
    assert desk.legs(escrow) == [("refund", 250 * USDT, "paid")]
    assert desk.state(escrow.deal) == "completed"
    assert desk.events(escrow).count("escrow.cancelled") == 1
    assert not Call.objects.filter(outcome__in=["waiting", "sent"]).exists()
    for kind in (AccountKind.HELD, AccountKind.SURPLUS, AccountKind.VAULT):
        assert balances.balance(found, kind) == 0


def test_terms_cancelled_before_any_money_send_whatever_comes_to_the_buyer(desk: Desk) -> None:
    escrow = desk.agreed(250 * USDT).escrows.get()
    seller_cancels(desk, escrow)
    desk.settle()
    assert (desk.state(escrow), desk.state(escrow.deal)) == ("cancelled", "cancelled")
    for _ in range(2):
        desk.pay(escrow)
        desk.travel(DAY + timedelta(minutes=5))  # surplus goes back once a day
    assert desk.balance(BUYER_ADDRESS) == 500 * USDT
    assert desk.legs(escrow) == [("surplus", 250 * USDT, "paid")] * 2
    assert desk.state(escrow) == "cancelled"


def test_a_part_payment_and_a_surplus_go_back_when_the_terms_are_cancelled(desk: Desk) -> None:
    part = desk.agreed(250 * USDT).escrows.get()
    desk.pay(part, 100 * USDT)
    over = desk.agreed(90 * USDT).escrows.get()
    pay_many(desk, (over.vault_address, 90 * USDT), (over.vault_address, 10 * USDT))
    desk.engine.mine(5)
    desk.duties()  # the surplus is ordered back, and not sent yet
    for escrow in (part, over):
        seller_cancels(desk, escrow)
        desk.engine.chain.mine()
    desk.settle()
    assert (desk.state(part), desk.state(over)) == ("refunded", "refunded")
    assert desk.legs(part) == [("refund", 100 * USDT, "paid")]
    assert desk.legs(over) == [("refund", 90 * USDT, "paid"), ("surplus", 10 * USDT, "paid")]
    assert desk.balance(BUYER_ADDRESS) == 200 * USDT


def test_a_seller_who_cancels_what_is_disputed_ends_the_dispute(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    dispute(desk, escrow)
    desk.settle()
    seller_cancels(desk, escrow)
    desk.settle()
    assert desk.state(escrow) == "refunded"
    assert desk.balance(BUYER_ADDRESS) == 250 * USDT


def test_a_cancel_that_is_mined_before_the_ordered_release_wins(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    release(desk, escrow)
    desk.engine.send()
    both_sign(desk, escrow, relayed.cancel())
    chain = desk.engine.chain
    ours = Call.objects.get().transaction
    assert ours is not None
    chain.rpc("anvil_dropTransaction", ours.attempts.get().hash)
    chain.mine()
    desk.settle()
    assert desk.state(escrow) == "refunded"
    assert escrow.orders.get(kind="pay").state == "superseded"
    assert escrow.orders.get(kind="foreign").reason == "cancelled by both sides"
    assert (desk.balance(SELLER_ADDRESS), desk.balance(BUYER_ADDRESS)) == (0, 250 * USDT)


def test_a_refund_that_the_token_refused_waits_and_is_paid_by_a_retry_once(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    refuse_recipient(desk, BUYER_ADDRESS)
    seller_cancels(desk, escrow)
    desk.settle()
    assert desk.state(escrow) == "refunded"
    assert desk.legs(escrow) == [("refund", 250 * USDT, "blocked")]
    refuse_recipient(desk, None)
    leg = escrow.legs.get()
    payouts.retry_leg(leg_id=leg.pk, acting=actor(desk.cast.buyer))
    with pytest.raises(Conflict):
        payouts.retry_leg(leg_id=leg.pk, acting=actor(desk.cast.buyer))
    desk.settle()
    assert desk.legs(escrow) == [("refund", 250 * USDT, "paid")]
    assert desk.balance(BUYER_ADDRESS) == 250 * USDT


def test_a_stranger_who_rescues_a_refund_that_was_refused_pays_it(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    refuse_recipient(desk, BUYER_ADDRESS)
    seller_cancels(desk, escrow)
    desk.settle()
    refuse_recipient(desk, None)
    rescue = calls.rescue(desk.terms(escrow), token=desk.token.address)
    desk.engine.chain.send(desk.engine.network.escrow_contract, rescue)
    desk.settle()
    assert desk.legs(escrow) == [("refund", 250 * USDT, "paid")]


@pytest.mark.parametrize(("units", "kind"), [(100 * USDT, "claim_unfunded"), (250 * USDT, "cancel")])
def test_f46_money_on_a_cancelled_deal_goes_back_and_kills_the_terms_on_the_chain(
    desk: Desk, units: int, kind: str
) -> None:
    """Alive, the terms would let the seller's wallet mark or dispute what still comes. A part goes back past
    the gate, which would count the whole amount to its cap of the day."""
    escrow = cancelled_unpaid(desk)
    desk.pay(escrow, units)
    desk.settle()
    desk.travel(2 * DAY + DAY / 24)
    assert desk.state(escrow) == "cancelled"
    assert desk.balance(BUYER_ADDRESS) == units
    (order,) = escrow.orders.select_related("call").filter(state="done")
    target = desk.terms(escrow).operator if kind == "cancel" else ESCROW_ADDRESS
    assert (order.kind, order.call.target) == (kind, target)
    assert desk.legs(escrow) == [("refund", units, "paid")]
    desk.as_party(SELLER_ADDRESS, calls.mark_delivered(desk.terms(escrow)))
    desk.pay(escrow)
    desk.settle()
    assert desk.fresh(escrow).marked_until is None
    assert desk.balance(BUYER_ADDRESS) == units + 250 * USDT


def test_money_that_comes_while_a_cancel_is_on_its_way_is_returned_with_it(desk: Desk) -> None:
    escrow = cancelled_unpaid(desk)
    desk.pay(escrow, 100 * USDT)
    desk.settle()
    payouts.return_late_money(escrow_id=escrow.pk, role="buyer", acting=actor(desk.cast.buyer))
    desk.pay(escrow, 60 * USDT)
    desk.settle()
    desk.travel(2 * DAY + DAY / 24)
    assert desk.balance(BUYER_ADDRESS) == 160 * USDT
    assert sum(units for _, units, state in desk.legs(escrow) if state == "paid") == 160 * USDT


def test_a_part_that_the_seller_gave_back_first_does_not_stop_the_return_of_the_rest(desk: Desk) -> None:
    escrow = cancelled_unpaid(desk)
    desk.pay(escrow)
    desk.settle()
    payouts.return_late_money(escrow_id=escrow.pk, role="buyer", acting=actor(desk.cast.buyer))
    give = calls.pay(desk.terms(escrow), to_seller=0, to_buyer=50 * USDT, left=250 * USDT)
    desk.as_party(SELLER_ADDRESS, give)
    desk.engine.chain.mine()
    desk.settle()
    desk.travel(3 * DAY)
    assert desk.balance(BUYER_ADDRESS) == 250 * USDT


def test_a_wallets_dispute_overtakes_the_cancel(desk: Desk) -> None:
    escrow = cancelled_unpaid(desk)
    desk.pay(escrow)
    desk.settle()
    payouts.return_late_money(escrow_id=escrow.pk, role="buyer", acting=actor(desk.cast.buyer))
    raised = calls.dispute(desk.terms(escrow), side=Side.SELLER, evidence_hash=bytes(32))
    desk.as_party(SELLER_ADDRESS, raised)
    desk.engine.chain.mine()
    desk.settle()
    assert desk.state(escrow) == "disputed"
    assert escrow.orders.get(kind="cancel").state == "superseded"
