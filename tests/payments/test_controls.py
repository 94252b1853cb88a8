"""Holds and kill switches: money stays, clocks ask again, and only what was stopped is stopped."""

from datetime import timedelta

import pytest

from core.errors import Held, Invalid
from core.models import AuditEntry
from payments.services import controls, payouts
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
