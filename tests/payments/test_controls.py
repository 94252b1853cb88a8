"""Holds and kill switches: money stays, clocks ask again, and only what was stopped is stopped."""

from datetime import timedelta

import pytest

from chain.models import Alarm, Call
from contracts import calls
from core import deadlines
from core.errors import Held, Invalid
from core.models import AuditEntry
from payments.models import Escrow
from payments.services import clocks, controls, payouts
from tests.chain.fixtures import USDT
from tests.payments.acts import DAY, deliver, dispute, refund, release, rule
from tests.payments.fixtures import BUYER_ADDRESS, SELLER_ADDRESS, Desk, actor

MINUTES = timedelta(minutes=5)


def switch(desk: Desk, kind: str, *, stopped: bool) -> None:
    controls.set_switch(
        network=desk.engine.network,
        kind=kind,
        stopped=stopped,
        reason="a test",
        acting=actor(desk.cast.stranger),
    )


def hold(desk: Desk, escrow) -> None:
    controls.place_hold(escrow_id=escrow.pk, reason="a hit on a list", acting=actor(desk.cast.stranger))


def lift(desk: Desk, escrow) -> None:
    controls.lift_hold(escrow_id=escrow.pk, acting=actor(desk.cast.stranger))


def test_a_hold_stops_every_order_that_pays_and_lifting_it_lets_them_go_on(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    with pytest.raises(Invalid):
        controls.place_hold(escrow_id=escrow.pk, reason=" ", acting=actor(desk.cast.stranger))
    hold(desk, escrow)
    for attempt in (release, refund):
        with pytest.raises(Held):
            attempt(desk, escrow)
    assert escrow.orders.count() == 0
    lift(desk, escrow)
    release(desk, escrow)
    desk.settle()
    assert desk.state(escrow) == "released"
    assert {"hold.placed", "hold.lifted"} <= set(AuditEntry.objects.values_list("action", flat=True))


def test_a_timer_that_a_hold_stopped_asks_again_and_pays_when_it_is_lifted(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    deliver(desk, escrow)
    hold(desk, escrow)
    desk.travel(8 * DAY)
    assert desk.state(escrow) == "delivered"
    lift(desk, escrow)
    desk.platform_travels(MINUTES)
    desk.settle()
    assert desk.state(escrow) == "released"


def test_a_held_dispute_is_not_ruled_until_the_hold_is_lifted(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    dispute(desk, escrow)
    desk.settle()
    hold(desk, escrow)
    with pytest.raises(Held):
        rule(desk, escrow, 0, 250 * USDT)
    assert desk.state(escrow) == "disputed"


def test_a_stopped_release_stops_no_refund_and_the_other_way_round(desk: Desk) -> None:
    one, other = desk.funded(250 * USDT), desk.funded(90 * USDT)
    deliver(desk, one)
    switch(desk, "release", stopped=True)
    with pytest.raises(Held):
        release(desk, one)
    refund(desk, other)
    desk.travel(8 * DAY)
    assert (desk.state(one), desk.state(other)) == ("delivered", "refunded")
    switch(desk, "release", stopped=False)
    switch(desk, "refund", stopped=True)
    desk.platform_travels(MINUTES)
    desk.settle()
    assert desk.state(one) == "released"


def test_late_money_waits_for_the_refund_switch_and_then_goes_back(desk: Desk) -> None:
    escrow = desk.agreed(250 * USDT).escrows.get()
    desk.travel(DAY + MINUTES)
    desk.platform_travels(MINUTES)
    desk.settle()
    desk.pay(escrow)
    desk.settle()
    switch(desk, "refund", stopped=True)
    assert payouts.return_late_money(escrow_id=escrow.pk, role="buyer", acting=actor(desk.cast.buyer)) is None
    desk.travel(3 * DAY)
    assert desk.balance(BUYER_ADDRESS) == 0
    switch(desk, "refund", stopped=False)
    desk.platform_travels(MINUTES)
    desk.settle()
    assert desk.balance(BUYER_ADDRESS) == 250 * USDT


def test_surplus_of_a_held_escrow_waits_and_goes_back_by_itself_after_the_hold(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    hold(desk, escrow)
    desk.pay(escrow, 40 * USDT)
    desk.settle()
    assert desk.balance(BUYER_ADDRESS) == 0
    lift(desk, escrow)
    desk.platform_travels(MINUTES)
    desk.settle()
    assert desk.balance(BUYER_ADDRESS) == 40 * USDT


def test_a_dispute_is_still_raised_while_everything_is_stopped(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    hold(desk, escrow)
    for kind in ("intake", "release", "refund"):
        switch(desk, kind, stopped=True)
    dispute(desk, escrow)
    desk.settle()
    assert desk.state(escrow) == "disputed"
    assert desk.balance(SELLER_ADDRESS) == 0


def test_a_hold_stops_a_release_that_is_ordered_but_not_signed(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    release(desk, escrow)
    hold(desk, escrow)
    assert Call.objects.get().held
    desk.settle()
    assert (desk.state(escrow), desk.balance(SELLER_ADDRESS)) == ("releasing", 0)
    lift(desk, escrow)
    desk.settle()
    assert desk.state(escrow) == "released"
    assert Call.objects.get().outcome == "done"


def test_a_hold_does_not_pretend_to_stop_what_is_signed(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    release(desk, escrow)
    desk.engine.send()
    hold(desk, escrow)
    assert not Call.objects.get().held
    desk.settle()
    assert desk.state(escrow) == "released"


def test_a_switch_stops_what_waits_to_be_signed_of_its_kind_alone(desk: Desk) -> None:
    out, back = desk.funded(250 * USDT), desk.funded(90 * USDT)
    release(desk, out)
    refund(desk, back)
    switch(desk, "release", stopped=True)
    desk.settle()
    assert (desk.state(out), desk.state(back)) == ("releasing", "refunded")
    switch(desk, "release", stopped=False)
    desk.settle()
    assert desk.state(out) == "released"


def test_a_hold_and_a_switch_are_each_lifted_on_their_own(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    release(desk, escrow)
    hold(desk, escrow)
    switch(desk, "release", stopped=True)
    lift(desk, escrow)
    desk.settle()
    assert desk.state(escrow) == "releasing"
    hold(desk, escrow)
    switch(desk, "release", stopped=False)
    desk.settle()
    assert desk.state(escrow) == "releasing"
    lift(desk, escrow)
    desk.settle()
    assert desk.state(escrow) == "released"


def test_a_decision_that_is_renewed_under_a_hold_waits_for_it(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    release(desk, escrow)
    hold(desk, escrow)
    give = calls.pay(desk.terms(escrow), to_seller=0, to_buyer=30 * USDT, left=escrow.amount)
    desk.as_party(SELLER_ADDRESS, give)
    desk.settle()
    assert (desk.state(escrow), desk.fresh(escrow).remainder) == ("releasing", 220 * USDT)
    lift(desk, escrow)
    desk.settle()
    assert desk.state(escrow) == "released"


def test_a_ruling_is_executed_while_payouts_are_switched_off(desk: Desk) -> None:
    """Not executed in time it would become the fallback."""
    escrow = desk.funded(250 * USDT)
    dispute(desk, escrow)
    desk.settle()
    for kind in ("release", "refund"):
        switch(desk, kind, stopped=True)
    rule(desk, escrow, 100 * USDT, 150 * USDT)
    desk.settle()
    assert desk.state(escrow) == "settled"


def marked_and_held(desk: Desk) -> Escrow:
    escrow = desk.funded(250 * USDT)
    deliver(desk, escrow)
    desk.settle()
    assert desk.fresh(escrow).marked_until
    hold(desk, escrow)
    return escrow


def stranger_claims(desk: Desk, escrow: Escrow) -> None:
    desk.engine.chain.send(desk.engine.network.escrow_contract, calls.claim_delivered(desk.terms(escrow)))
    desk.settle()


def test_a_held_delivery_is_reopened_before_anyone_could_claim_it(desk: Desk) -> None:
    escrow = marked_and_held(desk)
    assert not escrow.orders.filter(kind="reopen").exists()
    desk.travel(11 * DAY)  # of the fourteen that the chain's inspection has
    assert not escrow.orders.filter(kind="reopen").exists()
    desk.travel(timedelta(days=1, hours=12))
    found = desk.fresh(escrow)
    assert (found.state, found.marked_until) == ("delivered", None)
    desk.travel(2 * DAY)
    stranger_claims(desk, escrow)
    assert (desk.state(escrow), desk.balance(SELLER_ADDRESS)) == ("delivered", 0)
    lift(desk, escrow)
    desk.platform_travels(MINUTES)
    desk.settle()
    assert desk.state(escrow) == "released"


def test_a_hold_that_is_lifted_in_time_reopens_nothing(desk: Desk) -> None:
    escrow = marked_and_held(desk)
    lift(desk, escrow)
    assert not deadlines.waiting(escrow.pk).filter(kind=clocks.HOLD).exists()
    desk.travel(8 * DAY)
    assert desk.state(escrow) == "released"


def test_a_release_that_a_hold_keeps_back_is_not_claimed_past_it(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    deliver(desk, escrow)
    desk.settle()
    release(desk, escrow)
    hold(desk, escrow)
    desk.travel(13 * DAY)
    desk.travel(2 * DAY)
    stranger_claims(desk, escrow)
    assert (desk.state(escrow), desk.balance(SELLER_ADDRESS)) == ("releasing", 0)
    lift(desk, escrow)
    desk.platform_travels(MINUTES)
    desk.settle()
    assert desk.state(escrow) == "released"


def test_a_held_delivery_that_the_chain_reopens_no_more_is_disputed(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    for _ in range(3):
        desk.as_party(SELLER_ADDRESS, calls.mark_delivered(desk.terms(escrow)))
        desk.settle()
        desk.as_party(BUYER_ADDRESS, calls.reopen_delivery(desk.terms(escrow)))
        desk.settle()
    desk.as_party(SELLER_ADDRESS, calls.mark_delivered(desk.terms(escrow)))
    desk.settle()
    hold(desk, escrow)
    desk.travel(13 * DAY)
    found = desk.fresh(escrow)
    assert (found.state, found.disputed_by) == ("disputed", "buyer")


def test_a_person_is_called_when_a_hold_can_stop_nothing_any_more(desk: Desk) -> None:
    escrow = marked_and_held(desk)
    Escrow.objects.filter(pk=escrow.pk).update(reopens=3, buyer_disputes=2, seller_disputes=2)
    desk.travel(13 * DAY)
    assert Alarm.objects.filter(kind="hold_unprotected", subject=escrow.pk).exists()


def test_a_hold_on_a_disputed_delivery_reopens_nothing_until_the_dispute_is_withdrawn(desk: Desk) -> None:
    from tests.payments.acts import withdraw

    escrow = marked_and_held(desk)
    dispute(desk, escrow)
    desk.settle()
    lift(desk, escrow)
    hold(desk, escrow)
    desk.travel(20 * DAY)
    assert (desk.state(escrow), escrow.orders.filter(kind="reopen").exists()) == ("disputed", False)
    withdraw(desk, escrow)
    desk.settle()
    desk.travel(13 * DAY)
    assert desk.fresh(escrow).marked_until is None
    assert desk.state(escrow) == "delivered"
