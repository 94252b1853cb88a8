"""Incidents: while one is open no deadline acts; afterwards every wait has back exactly what it lost."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from chain.models import Alarm, Network
from contracts import calls
from core import clock, deadlines
from core.models import Deadline, StateTransition
from payments.agreement import Milestone
from payments.models import Escrow, EscrowPolicy, Incident, TimeGiven
from payments.services import clocks, controls, deals, incidents, orders
from payments.states import OrderState
from tests.chain.fixtures import USDT
from tests.payments.acts import (
    DAY,
    answer_refund,
    ask_refund,
    deliver,
    dispute,
    release,
    request_changes,
    withdraw,
)
from tests.payments.fixtures import SELLER_ADDRESS, Desk, actor

MINUTES = timedelta(minutes=10)
_ALL = object()


def begin(desk: Desk, network: Any = _ALL, reason: str = "a provider is down") -> Incident:
    """On the desk's network unless told; None: everywhere."""
    chosen = desk.engine.network if network is _ALL else network
    return incidents.open_incident(network=chosen, reason=reason, acting=actor(desk.cast.stranger))


def end(desk: Desk, incident: Incident) -> timedelta:
    """How long it lasted."""
    acting = actor(desk.cast.stranger)
    ended = incidents.end_incident(incident_id=incident.pk, reason="it is back", acting=acting)
    assert ended.ended_at is not None
    return ended.ended_at - incident.opened_at


def give(rounds: int = 50) -> None:
    """All portions."""
    for _ in range(rounds):
        if not incidents.carry_on():
            break
    assert not Incident.objects.filter(ended_at__isnull=False, settled_at__isnull=True).exists()


def wait_of(row: Any, kind: str) -> Deadline:
    return deadlines.waiting(row.pk).get(kind=kind)


def due(row: Any, kind: str) -> datetime:
    return wait_of(row, kind).due_at


def delivered(desk: Desk) -> Escrow:
    escrow = desk.funded(250 * USDT)
    deliver(desk, escrow)
    desk.settle()
    assert desk.fresh(escrow).marked_until
    return escrow


def elsewhere() -> Network:
    return Network.objects.create(slug="other", name="Other", chain_id=99, escrow_contract=SELLER_ADDRESS)


def test_no_release_by_silence_while_it_is_open_and_exactly_the_time_back_afterwards(desk: Desk) -> None:
    escrow = delivered(desk)
    before = due(escrow, clocks.INSPECT)
    desk.travel(5 * DAY)
    incident = begin(desk)
    desk.travel(3 * DAY)
    assert (desk.state(escrow), due(escrow, clocks.INSPECT)) == ("delivered", before)
    lasted = end(desk, incident)
    assert lasted > 3 * DAY
    give()
    assert due(escrow, clocks.INSPECT) == before + lasted
    desk.travel(DAY)
    assert desk.state(escrow) == "delivered"
    desk.travel(DAY + MINUTES)
    assert desk.state(escrow) == "released"


def test_a_wait_that_nobody_came_to_yet_does_not_run_out_between_the_end_and_its_turn(desk: Desk) -> None:
    escrow = delivered(desk)
    desk.travel(6 * DAY)
    before, incident = due(escrow, clocks.INSPECT), begin(desk)
    desk.travel(3 * DAY)
    lasted = end(desk, incident)
    wait = wait_of(escrow, clocks.INSPECT)
    assert not deadlines.claim(wait)
    desk.platform_travels(MINUTES)
    assert deadlines.run_due() == 0  # and gives what the walk has not given
    assert (desk.state(escrow), due(escrow, clocks.INSPECT)) == ("delivered", before + lasted)
    give()
    assert due(escrow, clocks.INSPECT) == before + lasted


def test_every_wait_of_deals_and_escrows_stands_still_and_moves(desk: Desk) -> None:
    proposed, unpaid = desk.proposed(), desk.agreed(250 * USDT).escrows.get()
    funded, asked = desk.funded(250 * USDT), desk.funded(90 * USDT)
    request = ask_refund(desk, asked)
    late = desk.agreed(70 * USDT, pay_seconds=3_600).escrows.get()
    desk.travel(timedelta(hours=2))
    desk.pay(late)
    desk.settle()
    waits = [
        (proposed, deals.ACCEPT),
        (unpaid, clocks.PAY),
        (funded, clocks.DELIVER),
        (asked, clocks.ANSWER_REFUND),
        (late, clocks.LATE_MONEY),
    ]
    before = [due(row, kind) for row, kind in waits]
    incident = begin(desk, None)
    desk.travel(8 * DAY)
    request.refresh_from_db()
    assert request.state == "asked"
    states = [desk.state(row) for row, _ in waits]
    assert states == ["proposed", "awaiting_deposit", "funded", "funded", "expired"]
    lasted = end(desk, incident)
    give()
    desk.settle()  # one of them needs more room on the chain
    assert [due(row, kind) for row, kind in waits] == [instant + lasted for instant in before]
    assert "escrow.time_given_back" in desk.events(funded)
    assert "deal.time_given_back" in desk.events(proposed)


def test_money_that_comes_within_the_time_given_back_is_in_time(desk: Desk) -> None:
    escrow = desk.agreed(250 * USDT).escrows.get()
    incident = begin(desk)
    desk.travel(2 * DAY)
    assert desk.state(escrow) == "awaiting_deposit"
    end(desk, incident)
    give()
    desk.travel(timedelta(hours=12))  # the chain's own pay-by is long over
    assert desk.state(escrow) == "awaiting_deposit"
    desk.pay(escrow)
    desk.settle()
    assert (desk.state(escrow), escrow.deposits.get().flags) == ("funded", [])


def test_pay_by_moves_no_nearer_to_the_chains_end_than_a_delivery_takes(desk: Desk) -> None:
    """Who is told three days for the delivery has them, before the chain gives the money back."""
    soon = Milestone(title="It", amount=250 * USDT, deliver_at=clock.now() + 2 * DAY)
    escrow = desk.agreed(milestones=(soon,)).escrows.get()
    incident = begin(desk)
    desk.travel(8 * DAY)
    end(desk, incident)
    give()
    last = desk.fresh(escrow).deliver_by
    assert last is not None
    assert due(escrow, clocks.PAY) == last - 4 * DAY
    assert StateTransition.objects.filter(subject_id=escrow.pk, target="given_in_part").exists()


def test_who_is_paid_late_in_an_incident_is_shown_no_delivery_after_the_chains_end(desk: Desk) -> None:
    soon = Milestone(title="It", amount=250 * USDT, deliver_at=clock.now() + 2 * DAY)
    escrow = desk.agreed(milestones=(soon,)).escrows.get()
    begin(desk)
    desk.travel(10 * DAY)
    desk.pay(escrow)
    desk.settle()
    assert (desk.state(escrow), escrow.deposits.get().flags) == ("funded", [])
    last = desk.fresh(escrow).deliver_by
    assert last is not None
    assert due(escrow, clocks.DELIVER) <= last - DAY


def test_an_escrow_that_nobody_pays_expires_after_the_time_given_back(desk: Desk) -> None:
    escrow = desk.agreed(250 * USDT).escrows.get()
    incident = begin(desk)
    desk.travel(2 * DAY)
    end(desk, incident)
    give()
    desk.travel(DAY - timedelta(hours=1))
    assert desk.state(escrow) == "awaiting_deposit"
    desk.travel(timedelta(hours=2))
    desk.platform_travels(MINUTES)
    desk.settle()
    assert desk.state(escrow) == "expired"


def test_only_a_final_block_past_the_new_instant_expires_an_escrow(desk: Desk) -> None:
    """A host's clock that runs ahead takes no time that was given back."""
    escrow = desk.agreed(250 * USDT).escrows.get()
    incident = begin(desk)
    desk.travel(2 * DAY)
    end(desk, incident)
    give()
    desk.platform_travels(2 * DAY)
    desk.settle()
    assert desk.state(escrow) == "awaiting_deposit"


def test_people_go_on_while_clocks_stand_still(desk: Desk) -> None:
    paid, disputed = delivered(desk), desk.funded(90 * USDT)
    incident = begin(desk)
    release(desk, paid)
    dispute(desk, disputed)
    desk.settle()
    assert (desk.state(paid), desk.state(disputed)) == ("released", "disputed")
    end(desk, incident)
    give()


def test_what_protects_people_on_the_chain_goes_on(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    EscrowPolicy.objects.update(mark_at_once=False)
    deliver(desk, escrow)
    begin(desk)
    controls.place_hold(escrow_id=escrow.pk, reason="a look", acting=actor(desk.cast.stranger))
    desk.travel(22 * DAY)  # of the 24 until the chain would give the money back
    assert desk.fresh(escrow).marked_until  # marked
    desk.travel(13 * DAY)  # of the 14 after which anyone could claim it
    found = desk.fresh(escrow)
    assert (found.state, found.marked_until) == ("delivered", None)  # reopened


def test_what_protects_people_does_not_wait_behind_all_that_stands_still(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    for _ in range(3):
        desk.proposed()
    begin(desk)
    desk.platform_travels(6 * DAY)  # the proposals are long due
    deliver(desk, escrow)
    deadlines.run_due(limit=1)
    assert escrow.orders.get().kind == "mark"
    desk.settle()


def test_a_wait_that_begins_during_it_gets_the_time_from_its_beginning(desk: Desk) -> None:
    incident = begin(desk)
    desk.travel(DAY)
    escrow = delivered(desk)
    wait = wait_of(escrow, clocks.INSPECT)
    desk.travel(2 * DAY)
    assert end(desk, incident) > 3 * DAY
    give()
    ended = Incident.objects.get().ended_at
    assert ended is not None
    assert due(escrow, clocks.INSPECT) == wait.due_at + (ended - wait.created)
    assert due(escrow, clocks.INSPECT) - wait.due_at < 2 * DAY + timedelta(hours=1)


def test_a_wait_that_begins_after_it_gets_nothing(desk: Desk) -> None:
    end(desk, begin(desk))
    escrow = delivered(desk)
    before = due(escrow, clocks.INSPECT)
    give()
    assert due(escrow, clocks.INSPECT) == before
    assert not TimeGiven.objects.filter(deadline=wait_of(escrow, clocks.INSPECT)).exists()


def test_changes_after_it_take_no_time_from_the_seller_that_was_given_back(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    before, incident = due(escrow, clocks.DELIVER), begin(desk)
    desk.travel(5 * DAY)
    lasted = end(desk, incident)
    give()
    deliver(desk, escrow)
    request_changes(desk, escrow)
    assert due(escrow, clocks.DELIVER) == before + lasted


@pytest.mark.parametrize("outer_first", [True, False])
def test_incidents_of_one_network_and_of_all_that_overlap_give_their_time_once(
    desk: Desk, outer_first: bool
) -> None:
    escrow = desk.funded(250 * USDT)
    before = due(escrow, clocks.DELIVER)
    scopes = [None, desk.engine.network] if outer_first else [desk.engine.network, None]
    first = begin(desk, scopes[0])
    desk.travel(DAY)
    second = begin(desk, scopes[1])
    desk.travel(DAY)
    end(desk, first)
    give()
    assert due(escrow, clocks.DELIVER) == before  # it still stands still
    desk.travel(DAY)
    end(desk, second)
    give()
    ended = Incident.objects.get(pk=second.pk).ended_at
    assert ended is not None
    assert due(escrow, clocks.DELIVER) == before + (ended - first.opened_at)
    third = begin(desk)
    desk.travel(DAY)
    lasted = end(desk, third)
    give()
    assert due(escrow, clocks.DELIVER) == before + (ended - first.opened_at) + lasted


def test_an_incident_inside_a_longer_one_gives_nothing_of_its_own(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    before = due(escrow, clocks.DELIVER)
    outer = begin(desk, None)
    desk.travel(DAY)
    end(desk, begin(desk))
    give()
    desk.travel(DAY)
    lasted = end(desk, outer)
    give()
    assert due(escrow, clocks.DELIVER) == before + lasted


def test_another_networks_incident_stops_nothing_here(desk: Desk) -> None:
    escrow = delivered(desk)
    before = due(escrow, clocks.INSPECT)
    incident = begin(desk, elsewhere())
    desk.travel(8 * DAY)
    assert desk.state(escrow) == "released"
    end(desk, incident)
    give()
    assert Deadline.objects.get(kind=clocks.INSPECT).due_at == before


def test_a_hold_during_it_gives_no_time_of_its_own(desk: Desk) -> None:
    escrow = delivered(desk)
    before = due(escrow, clocks.INSPECT)
    acting = actor(desk.cast.stranger)
    controls.place_hold(escrow_id=escrow.pk, reason="a hit", acting=acting)
    desk.travel(DAY)
    incident = begin(desk)
    desk.travel(2 * DAY)
    controls.lift_hold(escrow_id=escrow.pk, acting=acting)
    desk.travel(DAY)
    lasted = end(desk, incident)
    give()
    assert due(escrow, clocks.INSPECT) == before + lasted


def test_a_dispute_during_it_keeps_what_was_left_when_the_clocks_stopped(desk: Desk) -> None:
    escrow = delivered(desk)
    desk.travel(2 * DAY)
    left = due(escrow, clocks.INSPECT) - clock.now()
    incident = begin(desk)
    desk.travel(DAY)
    dispute(desk, escrow)
    desk.settle()
    kept = timedelta(seconds=desk.fresh(escrow).paused_clocks[clocks.INSPECT])
    assert left - MINUTES < kept <= left
    desk.travel(DAY)
    end(desk, incident)
    give()
    withdraw(desk, escrow)
    desk.settle()
    assert abs(due(escrow, clocks.INSPECT) - clock.now() - kept) < MINUTES


def test_a_refund_request_during_it_keeps_what_was_left_when_the_clocks_stopped(desk: Desk) -> None:
    escrow = delivered(desk)
    desk.travel(2 * DAY)
    left = due(escrow, clocks.INSPECT) - clock.now()
    incident = begin(desk)
    desk.travel(3 * DAY)
    ask_refund(desk, escrow)
    desk.settle()
    end(desk, incident)
    give()
    answer_refund(desk, escrow, accept=False)
    assert left - MINUTES < due(escrow, clocks.INSPECT) - clock.now() <= left


def test_where_the_chain_is_too_near_it_is_extended_before_the_time_is_given(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    before, last = due(escrow, clocks.DELIVER), desk.fresh(escrow).deliver_by
    assert last is not None
    incident = begin(desk)
    desk.travel(18 * DAY)
    assert not desk.fresh(escrow).take_back_open
    lasted = end(desk, incident)
    give()
    order = escrow.orders.get()
    assert (order.kind, order.state, due(escrow, clocks.DELIVER)) == ("extend", "live", before)
    assert not deadlines.claim(wait_of(escrow, clocks.DELIVER))
    desk.settle()
    wait, found = wait_of(escrow, clocks.DELIVER), desk.fresh(escrow)
    assert (desk.state(order), wait.due_at, wait.backstop_at) == ("done", before + lasted, found.deliver_by)
    assert found.deliver_by is not None
    assert DAY <= found.deliver_by - wait.due_at < DAY + timedelta(seconds=2)
    assert (found.operator_days, found.deliver_by > last) == (13, True)  # a begun day counts whole
    given = TimeGiven.objects.get(deadline=wait)
    assert given.lost == given.given == lasted


def test_where_the_chain_cannot_be_extended_the_wait_moves_to_the_bound_and_the_escrow_says_so(
    desk: Desk,
) -> None:
    escrow = desk.funded(250 * USDT)
    Escrow.objects.filter(pk=escrow.pk).update(operator_days=14)
    incident = begin(desk)
    desk.travel(18 * DAY)
    end(desk, incident)
    give()
    last = desk.fresh(escrow).deliver_by
    assert last is not None
    assert due(escrow, clocks.DELIVER) == last - DAY
    assert not escrow.orders.exists()
    written = StateTransition.objects.get(subject_id=escrow.pk, target="given_in_part")
    assert "deliver" in written.why
    given = TimeGiven.objects.get(deadline=wait_of(escrow, clocks.DELIVER))
    assert given.given < given.lost
    give()
    assert StateTransition.objects.filter(target="given_in_part").count() == 1


def test_where_the_contract_lets_the_chain_be_extended_by_a_part_that_part_is_given(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    incident = begin(desk)
    desk.travel(21 * DAY)
    end(desk, incident)
    give()
    desk.settle()
    found, wait = desk.fresh(escrow), wait_of(escrow, clocks.DELIVER)
    assert found.deliver_by is not None
    assert (found.operator_days, wait.due_at) == (14, found.deliver_by - DAY)
    given = TimeGiven.objects.get(deadline=wait)
    assert 19 * DAY < given.given < given.lost
    assert StateTransition.objects.filter(subject_id=escrow.pk, target="given_in_part").count() == 1


def test_an_extension_that_came_to_nothing_leaves_no_wait_standing_for_ever(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    incident = begin(desk)
    desk.travel(18 * DAY)
    end(desk, incident)
    give()
    with transaction.atomic():
        orders.close(escrow.orders.select_for_update().get(), OrderState.SUPERSEDED, why="given up")
    desk.platform_travels(MINUTES)
    desk.settle()
    last = desk.fresh(escrow).deliver_by
    assert last is not None
    assert due(escrow, clocks.DELIVER) == last - DAY
    assert escrow.orders.count() == 1
    assert StateTransition.objects.filter(subject_id=escrow.pk, target="given_in_part").exists()


def test_a_long_incident_moves_the_chain_before_anyone_could_act_past_it(desk: Desk) -> None:
    escrow = delivered(desk)
    before, first = due(escrow, clocks.INSPECT), desk.fresh(escrow).marked_until
    assert first is not None
    incident = begin(desk)
    desk.travel(11 * DAY)
    assert desk.fresh(escrow).marked_until == first
    desk.travel(DAY + timedelta(hours=12))
    assert desk.fresh(escrow).marked_until == first + 2 * DAY
    desk.travel(2 * DAY)
    claim = calls.claim_delivered(desk.terms(escrow))
    desk.engine.chain.send(desk.engine.network.escrow_contract, claim)
    desk.settle()
    assert (desk.state(escrow), desk.balance(SELLER_ADDRESS)) == ("delivered", 0)
    assert due(escrow, clocks.INSPECT) == before
    lasted = end(desk, incident)
    give()
    desk.settle()
    assert due(escrow, clocks.INSPECT) == before + lasted
    end_of_chain = desk.fresh(escrow).marked_until
    assert end_of_chain is not None and end_of_chain - before - lasted >= DAY


def test_a_person_is_called_when_a_long_incident_can_move_the_chain_no_more(desk: Desk) -> None:
    escrow = delivered(desk)
    Escrow.objects.filter(pk=escrow.pk).update(operator_days=14)
    begin(desk)
    desk.travel(13 * DAY)
    assert Alarm.objects.filter(kind="incident_unprotected", subject=escrow.pk).exists()
