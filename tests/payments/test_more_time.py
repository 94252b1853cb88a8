"""The chain's clocks moved later: by both sides, by the operator; what expired and was revived."""

from datetime import datetime, timedelta

import pytest
from django.contrib.admin.utils import quote

from accounts.models import User
from chain.models import Call
from contracts import calls
from contracts.calls import Side, relayed
from core import clock, deadlines
from core.errors import Conflict, Invalid
from core.models import AuditEntry, StateTransition
from payments.models import Escrow, EscrowPolicy, Order
from payments.services import clocks, extending
from tests.browser import Browser
from tests.chain.fixtures import USDT
from tests.payments.acts import DAY, ask_refund, both_sign, deliver, dispute
from tests.payments.fixtures import BUYER_ADDRESS, Desk, actor

MINUTES = timedelta(minutes=5)


def waits(escrow: Escrow) -> dict[str, datetime]:
    return {wait.kind: wait.due_at for wait in deadlines.waiting(escrow.pk)}


def backstops(escrow: Escrow) -> dict[str, datetime | None]:
    return {wait.kind: wait.backstop_at for wait in deadlines.waiting(escrow.pk)}


def both_extend(desk: Desk, escrow: Escrow, until: datetime) -> None:
    both_sign(desk, escrow, relayed.extend(until=int(until.timestamp())))


def give_time(desk: Desk, escrow: Escrow, days: int) -> Order | None:
    return extending.give_time(
        escrow_id=escrow.pk, days=days, reason="an outage", acting=actor(desk.cast.stranger)
    )


def end_of(escrow: Escrow) -> datetime:
    end = escrow.marked_until or escrow.deliver_by
    assert end is not None
    return end


def expired(desk: Desk) -> Escrow:
    escrow = desk.agreed(250 * USDT).escrows.get()
    desk.travel(DAY + MINUTES)
    desk.platform_travels(MINUTES)
    desk.settle()
    assert desk.state(escrow) == "expired"
    return escrow


def test_both_sides_give_the_seller_more_time_and_every_instant_follows(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    before, until = waits(escrow), end_of(escrow) + 5 * DAY
    both_extend(desk, escrow, until)
    desk.settle()
    found = desk.fresh(escrow)
    assert (found.state, found.deliver_by, found.operator_days) == ("funded", until, 0)
    assert waits(escrow)[clocks.DELIVER] == before[clocks.DELIVER] + 5 * DAY
    assert waits(escrow)[clocks.UNDELIVERED] == until
    assert backstops(escrow)[clocks.DELIVER] == until
    assert "escrow.extended" in desk.events(escrow)
    written = StateTransition.objects.get(subject_id=escrow.pk, target="extended")
    assert written.why.startswith("by both sides") and written.tx_hash
    desk.travel(25 * DAY)  # past the first end of the chain
    assert desk.state(escrow) == "funded"


def test_both_sides_give_the_buyer_more_time_to_look(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    deliver(desk, escrow)
    desk.settle()
    found = desk.fresh(escrow)
    assert found.marked_until is not None
    before, until = waits(escrow)[clocks.INSPECT], found.marked_until + 6 * DAY
    both_extend(desk, escrow, until)
    desk.settle()
    assert desk.fresh(escrow).marked_until == until
    assert waits(escrow)[clocks.INSPECT] == before + 6 * DAY
    assert backstops(escrow)[clocks.INSPECT] == until
    desk.travel(12 * DAY)
    assert desk.state(escrow) == "delivered"
    desk.travel(DAY + MINUTES)
    assert desk.state(escrow) == "released"


def test_time_given_while_the_inspection_is_paused_is_there_when_it_goes_on(desk: Desk) -> None:
    from tests.payments.acts import answer_refund

    escrow = desk.funded(250 * USDT)
    deliver(desk, escrow)
    desk.settle()
    desk.travel(3 * DAY)
    ask_refund(desk, escrow)
    desk.settle()
    found = desk.fresh(escrow)
    assert found.marked_until is not None
    both_extend(desk, escrow, found.marked_until + 2 * DAY)
    desk.settle()
    answer_refund(desk, escrow, accept=False)
    left = waits(escrow)[clocks.INSPECT] - clock.now()
    assert timedelta(days=5, hours=23) < left < timedelta(days=6, minutes=5)


def test_an_overdue_seller_with_more_time_is_not_overdue_any_more(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    desk.travel(18 * DAY)
    assert desk.fresh(escrow).take_back_open
    both_extend(desk, escrow, end_of(escrow) + 10 * DAY)
    desk.settle()
    assert not desk.fresh(escrow).take_back_open
    assert waits(escrow)[clocks.DELIVER] == end_of(desk.fresh(escrow)) - 7 * DAY


def test_an_expired_escrow_that_both_extend_is_funded_by_the_money_that_came_late(desk: Desk) -> None:
    escrow = expired(desk)
    desk.pay(escrow)
    desk.settle()
    assert (desk.state(escrow), desk.state(escrow.deal)) == ("expired", "expired")
    both_extend(desk, escrow, end_of(escrow) + 3 * DAY)
    desk.settle()
    assert (desk.state(escrow), desk.state(escrow.deal)) == ("funded", "active")
    assert clocks.LATE_MONEY not in waits(escrow)
    desk.travel(3 * DAY)
    assert desk.state(escrow) == "funded"
    assert desk.fresh(escrow).closed_at is None
    deliver(desk, escrow)
    desk.travel(8 * DAY)
    assert desk.state(escrow) == "released"


def test_an_expired_escrow_that_both_extend_first_is_funded_when_it_is_paid(desk: Desk) -> None:
    escrow = expired(desk)
    both_extend(desk, escrow, end_of(escrow) + 3 * DAY)
    desk.settle()
    assert desk.state(escrow) == "expired"
    desk.pay(escrow, 100 * USDT)
    desk.settle()
    assert desk.state(escrow) == "expired"
    desk.pay(escrow, 150 * USDT)
    desk.settle()
    assert (desk.state(escrow), desk.state(escrow.deal)) == ("funded", "active")


def test_a_return_that_is_ordered_gives_way_to_both_sides_reviving_it(desk: Desk) -> None:
    from payments.services import payouts

    escrow = expired(desk)
    desk.pay(escrow)
    desk.settle()
    payouts.return_late_money(escrow_id=escrow.pk, role="buyer", acting=actor(desk.cast.buyer))
    both_extend(desk, escrow, end_of(escrow) + 3 * DAY)
    desk.engine.mine(5)
    desk.duties()
    assert desk.state(escrow) == "funded"
    desk.settle()
    assert (desk.state(escrow), desk.balance(BUYER_ADDRESS)) == ("funded", 0)
    assert escrow.orders.get().state == "superseded"


def test_the_operator_gives_time_on_the_chain_before_it_is_given_here(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    before, end = waits(escrow), end_of(escrow)
    order = give_time(desk, escrow, 9)
    assert order is not None
    assert waits(escrow) == before
    with pytest.raises(Conflict, match="being changed"):
        give_time(desk, escrow, 1)
    desk.settle()
    found = desk.fresh(escrow)
    assert (desk.state(order), found.deliver_by, found.operator_days) == ("done", end + 9 * DAY, 9)
    assert waits(escrow)[clocks.DELIVER] == before[clocks.DELIVER] + 9 * DAY
    assert AuditEntry.objects.get(action="clock.extended").data == {"days": 9, "reason": "an outage"}
    with pytest.raises(Conflict, match="5 more days"):
        give_time(desk, escrow, 6)
    give_time(desk, escrow, 5)
    desk.settle()
    assert (desk.fresh(escrow).deliver_by, desk.fresh(escrow).operator_days) == (end + 14 * DAY, 14)


def test_the_operator_gives_no_time_without_a_reason_or_where_no_clock_runs(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    acting = actor(desk.cast.stranger)
    with pytest.raises(Invalid):
        extending.give_time(escrow_id=escrow.pk, days=1, reason=" ", acting=acting)
    for days in (0, 15):
        with pytest.raises(Invalid):
            give_time(desk, escrow, days)
    dispute(desk, escrow)
    with pytest.raises(Conflict, match="disputing"):
        give_time(desk, escrow, 1)


def test_before_the_mark_only_the_platforms_own_instant_moves(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    EscrowPolicy.objects.update(mark_at_once=False)
    deliver(desk, escrow)
    desk.settle()
    due = waits(escrow)[clocks.INSPECT]
    assert give_time(desk, escrow, 3) is None
    assert waits(escrow)[clocks.INSPECT] == due + 3 * DAY
    assert not escrow.orders.exists()


def test_an_extension_that_a_dispute_overtakes_is_not_sent(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    order = give_time(desk, escrow, 3)
    assert order is not None
    raised = calls.dispute(desk.terms(escrow), side=Side.BUYER, evidence_hash=bytes(32))
    desk.as_party(BUYER_ADDRESS, raised)
    desk.engine.chain.mine()
    desk.settle()
    assert (desk.state(escrow), desk.state(order)) == ("disputed", "superseded")
    desk.as_party(BUYER_ADDRESS, calls.withdraw_dispute(desk.terms(escrow)))
    desk.settle()
    found = desk.fresh(escrow)
    assert (found.state, found.operator_days) == ("funded", 0)
    assert not Call.objects.filter(outcome__in=["waiting", "sent"]).exists()


def test_an_operator_gives_time_in_the_console(desk: Desk) -> None:
    client = Browser()
    escrow = desk.funded(250 * USDT)
    client.force_login(User.objects.create_superuser(email="op@example.com", password="a long password"))
    address = f"/admin/payments/escrow/{quote(escrow.pk)}/time/"
    client.post(address, {"_form_submitted": "on", "days": "20", "reason": "an outage"})
    client.post(address, {"_form_submitted": "on", "days": "2", "reason": " "})
    assert not escrow.orders.exists()
    answer = client.post(address, {"_form_submitted": "on", "days": "2", "reason": "an outage"})
    assert "2 more days" in answer.content.decode()
    assert escrow.orders.get().kind == "extend"
    refused = client.post(address, {"_form_submitted": "on", "days": "2", "reason": "an outage"})
    assert "being changed" in refused.content.decode()
