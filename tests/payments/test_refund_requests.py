"""A refund that the buyer asks for: accepted, declined, unanswered; and what it does to the clocks."""

from datetime import timedelta

import pytest

from core import deadlines
from core.errors import Conflict, Invalid
from payments.models import RefundRequest
from payments.services import clocks, payouts
from tests.chain.fixtures import USDT
from tests.payments.acts import DAY, answer_refund, ask_refund, deliver, dispute, release, request_changes
from tests.payments.fixtures import BUYER_ADDRESS, SELLER_ADDRESS, Desk, actor


def test_an_accepted_refund_request_gives_everything_back(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    ask_refund(desk, escrow)
    with pytest.raises(Conflict, match="already asked"):
        ask_refund(desk, escrow)
    answer_refund(desk, escrow, accept=True)
    desk.settle()
    assert desk.state(escrow) == "refunded"
    assert desk.balance(BUYER_ADDRESS) == 250 * USDT
    assert escrow.orders.get(kind="pay").reason == "refund request accepted"


def test_a_declined_refund_request_gives_the_inspection_back_the_time_it_had(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    deliver(desk, escrow)
    desk.travel(3 * DAY)
    ask_refund(desk, escrow)
    desk.travel(5 * DAY)  # past the end of the inspection, which stands still
    assert desk.state(escrow) == "delivered"
    answer_refund(desk, escrow, accept=False)
    left = deadlines.waiting(escrow.pk).get(kind=clocks.INSPECT).due_at - clocks.clock.now()
    assert timedelta(days=3, hours=23) < left < timedelta(days=4, minutes=1)
    desk.travel(4 * DAY + timedelta(minutes=5))
    assert desk.state(escrow) == "released"


def test_silence_to_a_refund_request_refunds(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    deliver(desk, escrow)
    ask_refund(desk, escrow)
    desk.travel(7 * DAY + timedelta(minutes=5))
    assert desk.state(escrow) == "refunded"
    assert RefundRequest.objects.get().state == "silent"


def test_a_delivery_while_a_request_is_open_is_inspected_after_it_is_declined(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    ask_refund(desk, escrow)
    deliver(desk, escrow)
    assert not deadlines.waiting(escrow.pk).filter(kind=clocks.INSPECT).exists()
    desk.settle()
    answer_refund(desk, escrow, accept=False)
    desk.travel(7 * DAY + timedelta(minutes=5))
    assert desk.state(escrow) == "released"


def test_a_delivery_does_not_silence_an_open_request(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    ask_refund(desk, escrow)
    deliver(desk, escrow)
    desk.travel(7 * DAY + timedelta(minutes=5))
    assert desk.state(escrow) == "refunded"


def test_a_request_shortly_before_the_chains_last_instant_leaves_the_seller_the_time_to_answer(
    desk: Desk,
) -> None:
    policy = desk.engine.network.policy
    policy.mark_at_once = False
    policy.save()
    escrow = desk.funded(250 * USDT)
    desk.travel(17 * DAY)
    deliver(desk, escrow)
    ask_refund(desk, escrow)
    desk.travel(5 * DAY)  # the mark was due meanwhile
    assert desk.fresh(escrow).marked_until is not None
    desk.travel(timedelta(days=1, hours=23))  # past the chain's deliver-by; the answer is still due
    answer_refund(desk, escrow, accept=False)
    assert desk.state(escrow) == "delivered"
    release(desk, escrow)
    desk.settle()
    assert desk.state(escrow) == "released"


def test_a_mark_that_would_end_before_the_answer_is_reopened_on_chain(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT, inspect_seconds=86_400)  # eight days on chain
    deliver(desk, escrow)
    desk.travel(timedelta(hours=20))
    ask_refund(desk, escrow)
    desk.settle()
    assert escrow.orders.get(kind="reopen").state == "done"
    assert desk.state(escrow) == "delivered"
    answer_refund(desk, escrow, accept=False)
    desk.settle()
    assert desk.fresh(escrow).marked_until is not None  # marked again for the seller's backstop
    desk.travel(DAY + timedelta(minutes=5))
    assert desk.state(escrow) == "released"


def test_a_release_or_a_dispute_closes_the_request(desk: Desk) -> None:
    one, other = desk.funded(250 * USDT), desk.funded(90 * USDT)
    ask_refund(desk, one)
    ask_refund(desk, other)
    release(desk, one)
    dispute(desk, other)
    desk.settle()
    assert {request.state for request in RefundRequest.objects.all()} == {"closed"}
    with pytest.raises(Conflict):
        answer_refund(desk, other, accept=True)
    assert desk.balance(SELLER_ADDRESS) == 247_500_000


def test_a_buyer_asks_at_most_three_times(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    for _ in range(3):
        ask_refund(desk, escrow)
        answer_refund(desk, escrow, accept=False)
    with pytest.raises(Conflict, match="three times"):
        ask_refund(desk, escrow)


def test_a_request_needs_a_reason_and_money_that_nobody_decides_on(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    facts = {"escrow_id": escrow.pk, "role": "buyer", "acting": actor(desk.cast.buyer)}
    with pytest.raises(Invalid):
        payouts.ask_refund(party_id=desk.party(escrow.deal, "buyer").pk, reason="no", **facts)
    release(desk, escrow, 50 * USDT)
    with pytest.raises(Conflict, match="under way"):
        ask_refund(desk, escrow)


def test_changes_may_be_requested_while_a_refund_request_is_open(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    deliver(desk, escrow)
    ask_refund(desk, escrow)
    request_changes(desk, escrow)
    answer_refund(desk, escrow, accept=False)
    desk.settle()
    assert desk.state(escrow) == "funded"
    deliver(desk, escrow)
    desk.travel(7 * DAY + timedelta(minutes=5))
    assert desk.state(escrow) == "released"
