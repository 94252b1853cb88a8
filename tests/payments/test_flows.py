"""Lives of paid escrows through the services, on a real chain; every test ends with books = chain."""

from datetime import timedelta

import pytest

from core.errors import Conflict, Forbidden, Invalid
from payments.models import PayoutLeg
from payments.services import delivery, payouts
from tests.chain.fixtures import USDT
from tests.payments.acts import DAY, deliver, refund, release, request_changes
from tests.payments.fixtures import BUYER_ADDRESS, FEE_ADDRESS, SELLER_ADDRESS, Desk, actor


def test_a_paid_delivered_and_released_deal_pays_the_seller_less_the_fee(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    assert escrow.deal.state == "active"
    deliver(desk, escrow)
    release(desk, escrow)
    assert desk.state(escrow) == "releasing"
    desk.settle()
    assert desk.state(escrow) == "released"
    assert desk.state(escrow.deal) == "completed"
    assert desk.balance(SELLER_ADDRESS) == 247_500_000
    assert desk.balance(FEE_ADDRESS) == 2_500_000
    assert desk.balance(escrow.vault_address) == 0
    assert {(leg.kind, leg.state) for leg in PayoutLeg.objects.all()} == {
        ("release", "paid"),
        ("fee", "paid"),
    }


def test_a_partial_release_leaves_the_rest_and_the_fees_add_up_to_the_whole(desk: Desk) -> None:
    escrow = desk.funded(100_000_199)  # a fee of 1 % of the parts would lose a unit, of the whole not
    release(desk, escrow, 50_000_099)
    desk.settle()
    found = desk.fresh(escrow)
    assert (found.state, found.remainder) == ("funded", 50_000_100)
    release(desk, escrow)
    desk.settle()
    assert desk.state(escrow) == "released"
    assert desk.balance(FEE_ADDRESS) == 1_000_001
    assert desk.balance(SELLER_ADDRESS) == 100_000_199 - 1_000_001
    assert [leg.n for leg in escrow.legs.filter(kind="release")] == [1, 2]


def test_a_refund_by_the_seller_gives_everything_back_without_a_fee(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    refund(desk, escrow)
    assert desk.state(escrow) == "refunding"
    desk.settle()
    assert desk.state(escrow) == "refunded"
    assert desk.state(escrow.deal) == "completed"
    assert desk.balance(BUYER_ADDRESS) == 250 * USDT
    assert desk.balance(FEE_ADDRESS) == 0


def test_a_partial_refund_then_a_release_of_the_rest_is_released(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    deliver(desk, escrow)
    refund(desk, escrow, 50 * USDT)
    desk.settle()
    assert desk.state(escrow) == "delivered"
    release(desk, escrow)
    desk.settle()
    assert desk.state(escrow) == "released"
    assert desk.balance(BUYER_ADDRESS) == 50 * USDT
    assert desk.balance(SELLER_ADDRESS) == 198 * USDT


def test_only_one_decision_is_under_way_at_a_time(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    release(desk, escrow, 50 * USDT)
    with pytest.raises(Conflict, match="under way"):
        release(desk, escrow, 50 * USDT)
    with pytest.raises(Conflict, match="under way"):
        refund(desk, escrow)
    desk.settle()
    with pytest.raises(Invalid):
        release(desk, escrow, 201 * USDT)
    assert desk.balance(SELLER_ADDRESS) == 49_500_000


def test_each_side_may_only_give_and_nobody_may_act_for_the_other(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    seller, buyer = actor(desk.cast.seller), actor(desk.cast.buyer)
    for forbidden in (
        lambda: payouts.release(escrow_id=escrow.pk, role="seller", acting=seller),
        lambda: payouts.refund(escrow_id=escrow.pk, role="buyer", acting=buyer),
        lambda: payouts.take_back(escrow_id=escrow.pk, role="seller", acting=seller),
        lambda: delivery.deliver(escrow_id=escrow.pk, role="buyer", acting=buyer, note="Mine."),
        lambda: payouts.answer_refund(
            escrow_id=escrow.pk, role="buyer", accept=True, answer="", acting=buyer
        ),
    ):
        with pytest.raises(Forbidden):
            forbidden()
    assert escrow.orders.count() == 0


def test_a_silent_inspection_releases_to_the_seller(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    deliver(desk, escrow)
    desk.travel(6 * DAY)
    assert desk.state(escrow) == "delivered"
    desk.travel(DAY + timedelta(minutes=5))
    assert desk.state(escrow) == "released"
    assert desk.balance(SELLER_ADDRESS) == 247_500_000
    assert escrow.orders.get(kind="pay").actor_kind == "clock"


def test_changes_are_requested_three_times_and_the_chains_clock_is_reopened_each_time(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    for round_ in range(1, 4):
        deliver(desk, escrow)
        desk.settle()
        assert desk.fresh(escrow).marked_until is not None  # this network marks at once
        request_changes(desk, escrow)
        desk.settle()
        found = desk.fresh(escrow)
        assert (found.state, found.changes_requested, found.marked_until) == ("funded", round_, None)
        assert found.deliver_by is not None and found.deliver_by >= escrow.deliver_by
    deliver(desk, escrow)
    with pytest.raises(Conflict, match="three times"):
        request_changes(desk, escrow)
    desk.travel(8 * DAY)
    assert desk.state(escrow) == "released"
    assert {order.state for order in escrow.orders.filter(kind="reopen")} == {"done"}


def test_nothing_delivered_opens_the_take_back_and_the_buyer_takes_everything(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    with pytest.raises(Conflict):
        payouts.take_back(escrow_id=escrow.pk, role="buyer", acting=actor(desk.cast.buyer))
    desk.travel(17 * DAY + timedelta(minutes=5))  # the date and three days of grace
    assert desk.fresh(escrow).take_back_open
    payouts.take_back(escrow_id=escrow.pk, role="buyer", acting=actor(desk.cast.buyer))
    desk.settle()
    assert desk.state(escrow) == "refunded"
    assert desk.balance(BUYER_ADDRESS) == 250 * USDT


def test_a_late_delivery_still_counts_while_the_buyer_has_not_taken_the_money_back(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    desk.travel(18 * DAY)
    deliver(desk, escrow)
    desk.settle()
    assert not desk.fresh(escrow).take_back_open
    with pytest.raises(Conflict):
        payouts.take_back(escrow_id=escrow.pk, role="buyer", acting=actor(desk.cast.buyer))
    desk.travel(8 * DAY)
    assert desk.state(escrow) == "released"


def test_past_the_chains_last_instant_the_clock_refunds(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    desk.travel(24 * DAY + timedelta(minutes=5))  # date, grace and backstop
    assert desk.state(escrow) == "refunded"
    assert desk.balance(BUYER_ADDRESS) == 250 * USDT
    with pytest.raises(Conflict):
        deliver(desk, escrow)
