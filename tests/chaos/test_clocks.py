"""F34: the host's clock is an hour off, ahead of the chain's or behind it.

Platform deadlines then come an hour early or late; what the chain decides is asked of the chain.
"""

from datetime import timedelta

import pytest

from chain import selectors
from chain.models import Call
from core import clock, deadlines, leases
from core.errors import Conflict
from payments.models import Escrow
from payments.services import clocks, payouts
from tests.chain.fixtures import USDT, Engine
from tests.chain.helpers import order
from tests.payments.acts import DAY, deliver, release
from tests.payments.fixtures import BUYER_ADDRESS, SELLER_ADDRESS, Desk, actor

AHEAD = timedelta(hours=1)
HALF = timedelta(minutes=30)
MINUTES = timedelta(minutes=5)


def test_f34_a_call_that_is_too_early_for_the_chain_alone_waits_instead_of_failing(engine: Engine) -> None:
    """The sender has no tokens, so the chain refuses; before its own instant that proves nothing."""
    with clock.travelled(AHEAD):
        order(engine, not_before=clock.now())
        _try_often(engine)
        waiting = Call.objects.get()
        assert (waiting.outcome, waiting.refusals) == ("waiting", 0)
        assert waiting.reason.startswith("refused")
        engine.chain.travel(int(AHEAD.total_seconds()) + 60)
        engine.index()
        with clock.travelled(timedelta(minutes=30)):
            _try_often(engine)
        assert Call.objects.get().outcome == "failed"


def awaiting(desk: Desk) -> Escrow:
    escrow = desk.agreed(250 * USDT).escrows.get()
    desk.settle()
    return escrow


def chain_alone_travels(desk: Desk, by: timedelta) -> None:
    """The host's clock falls back behind the chain's by this much."""
    desk.engine.chain.travel(int(by.total_seconds()))
    desk.settle()


def test_f34_an_hour_ahead_expires_nothing_before_a_final_block_says_so(desk: Desk) -> None:
    """Whoever pays in the chain's time has paid in time, although it is late by the host's clock."""
    escrow = awaiting(desk)
    assert escrow.fund_by is not None
    desk.travel(escrow.fund_by - clock.now() - HALF)
    desk.platform_travels(AHEAD)
    desk.settle()
    assert clock.now() > escrow.fund_by
    assert desk.state(escrow) == "awaiting_deposit"
    desk.pay(escrow)
    desk.settle()
    assert desk.state(escrow) == "funded"
    assert escrow.deposits.get().flags == []


def test_f34_an_hour_behind_expires_when_the_host_is_there_and_gives_the_money_back(desk: Desk) -> None:
    """By the chain it is over, by the host not yet: a part that comes now is late, and goes back whole."""
    escrow = awaiting(desk)
    assert escrow.fund_by is not None
    desk.travel(escrow.fund_by - clock.now() - HALF)
    chain_alone_travels(desk, AHEAD)
    desk.pay(escrow, 100 * USDT)
    desk.settle()
    assert clock.now() < escrow.fund_by
    assert desk.state(escrow) == "awaiting_deposit"
    assert escrow.deposits.get().flags == ["late", "under"]
    desk.platform_travels(AHEAD)
    desk.settle()
    desk.platform_travels(MINUTES)
    desk.settle()
    assert desk.state(escrow) == "expired"
    assert desk.balance(BUYER_ADDRESS) == 100 * USDT


@pytest.mark.parametrize("off", ["ahead", "behind"])
def test_f34_a_silent_inspection_pays_once_by_a_clock_that_is_an_hour_off(desk: Desk, off: str) -> None:
    """An hour early or late, never twice: the chain's own end is days away from the platform's."""
    escrow = desk.funded(250 * USDT)
    deliver(desk, escrow)
    desk.settle()
    due = deadlines.waiting(escrow.pk).get(kind=clocks.INSPECT)
    assert due.backstop_at is not None
    assert due.backstop_at - due.due_at > 7 * DAY - AHEAD
    desk.travel(due.due_at - clock.now() - HALF)
    if off == "ahead":
        desk.platform_travels(AHEAD)
    else:
        chain_alone_travels(desk, AHEAD)
        assert desk.state(escrow) == "delivered", "the host's clock is the platform's instant"
        desk.platform_travels(AHEAD)
    desk.settle()
    assert desk.state(escrow) == "released"
    assert desk.balance(SELLER_ADDRESS) == 247_500_000


@pytest.mark.parametrize("off", ["ahead", "behind"])
def test_f34_a_mark_is_final_before_the_chains_last_instant(desk: Desk, off: str) -> None:
    """The margins of what must be pushed are days, so that an hour costs nobody a right."""
    escrow = desk.funded(250 * USDT)
    assert escrow.deliver_by is not None
    desk.travel(escrow.deliver_by - clock.now() - timedelta(hours=50))
    if off == "ahead":
        desk.platform_travels(AHEAD)
    else:
        chain_alone_travels(desk, AHEAD)
    deliver(desk, escrow)
    desk.settle()
    found = desk.fresh(escrow)
    final = selectors.final_head(desk.engine.network)
    assert found.marked_until is not None
    assert final is not None
    assert final[2] < escrow.deliver_by - timedelta(hours=48)


def test_f34_a_lease_is_held_by_the_clock_of_the_database(engine: Engine) -> None:
    """A worker whose host is an hour ahead takes nobody's duty away."""
    assert leases.take("duty", "left", timedelta(minutes=1))
    with clock.travelled(AHEAD):
        assert not leases.take("duty", "right", timedelta(minutes=1))
    leases.release("duty", "left")


def test_f34_an_hour_ahead_offers_nothing_that_the_chain_would_refuse(desk: Desk) -> None:
    """The buyer's take-back opens by the host's clock, and the chain takes it: it is the seller's own act
    there. What only a final block opens stays shut."""
    escrow = desk.funded(250 * USDT)
    due = deadlines.waiting(escrow.pk).get(kind=clocks.DELIVER)
    desk.travel(due.due_at - clock.now() - HALF)
    with pytest.raises(Conflict, match="not overdue"):
        payouts.take_back(escrow_id=escrow.pk, role="buyer", acting=actor(desk.cast.buyer))
    desk.platform_travels(AHEAD)
    desk.settle()
    assert desk.fresh(escrow).take_back_open
    release(desk, escrow)
    desk.settle()
    assert desk.state(escrow) == "released"
    assert desk.balance(SELLER_ADDRESS) == 247_500_000


def _try_often(engine: Engine) -> None:
    for round_ in range(6):
        with clock.travelled(timedelta(minutes=2) * (round_ + 1)):
            engine.send()
