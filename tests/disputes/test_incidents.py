"""Deadlines of disputes stand still in an incident, and get their time back before the arbitration ends."""

from datetime import timedelta

import pytest

from chain.models import Alarm
from core import clock, deadlines
from core.models import OutboxEvent, StateTransition
from disputes import tasks, timing
from disputes.models import Ruling
from payments.models import Escrow
from payments.services import clocks
from tests.chain.fixtures import USDT
from tests.disputes import cast as stage
from tests.disputes.test_appeals import ruled
from tests.disputes.test_on_chain import WINDOW, opened, people, settle, under_review, window
from tests.payments.acts import DAY
from tests.payments.fixtures import Desk
from tests.payments.test_incidents import begin, due, end, give

__all__ = ["people", "window"]


def test_silence_is_not_marked_while_clocks_stand_still(desk: Desk, people: stage.Cast) -> None:
    dispute = opened(desk, desk.funded(250 * USDT), people)
    before, incident = due(dispute, timing.ANSWER), begin(desk)
    desk.travel(6 * DAY)
    assert stage.reread(dispute).state == "opened"
    lasted = end(desk, incident)
    give()
    assert due(dispute, timing.ANSWER) == before + lasted
    assert OutboxEvent.objects.filter(type="dispute.time_given_back", subject_id=dispute.pk).exists()
    desk.travel(4 * DAY)
    assert stage.reread(dispute).state == "opened"
    desk.travel(DAY + timedelta(minutes=5))
    found = stage.reread(dispute)
    assert (found.state, found.answer_overdue) == ("evidence", True)


def test_an_arbitrators_time_moves_as_well_and_nobody_is_told_of_it(desk: Desk, people: stage.Cast) -> None:
    dispute = under_review(desk, desk.funded(250 * USDT), people)
    before, incident = due(dispute, timing.RULING), begin(desk, None)
    desk.travel(20 * DAY)
    assert not OutboxEvent.objects.filter(type="dispute.overdue").exists()
    lasted = end(desk, incident)
    give()
    assert due(dispute, timing.RULING) == before + lasted
    assert not OutboxEvent.objects.filter(type="dispute.time_given_back").exists()


def test_a_ruling_is_not_final_before_the_appeal_has_its_time_back(desk: Desk, people: stage.Cast) -> None:
    dispute = ruled(desk, people)
    before, incident = due(dispute, timing.APPEAL), begin(desk)
    desk.travel(WINDOW + DAY)
    settle(desk)
    assert stage.reread(dispute).state == "ruled"
    lasted = end(desk, incident)
    give()
    assert due(dispute, timing.APPEAL) == before + lasted
    # What the seats sign: not before this instant.
    assert Ruling.objects.get().appeal_until == before + lasted
    desk.travel(WINDOW - timedelta(hours=1))
    assert stage.reread(dispute).state == "ruled"
    desk.travel(timedelta(hours=2))
    settle(desk)
    assert stage.reread(dispute).state == "executed"


def test_no_deadline_of_a_dispute_moves_past_the_end_of_the_arbitration(
    desk: Desk, people: stage.Cast
) -> None:
    escrow = desk.funded(250 * USDT)
    dispute = opened(desk, escrow, people)
    incident = begin(desk)
    desk.travel(116 * DAY)
    end(desk, incident)
    give()
    last = desk.fresh(escrow).fallback_after
    assert last is not None
    assert due(dispute, timing.ANSWER) == last - DAY
    assert StateTransition.objects.filter(subject_id=escrow.pk, target="given_in_part").exists()


def test_a_ruling_keeps_the_week_in_which_it_is_executed(desk: Desk, people: stage.Cast) -> None:
    dispute = ruled(desk, people)
    incident = begin(desk)
    last = desk.fresh(dispute.escrow).fallback_after
    assert last is not None
    desk.travel(last - clock.now() - 6 * DAY)
    deadlines.run_due()
    assert Alarm.objects.get(kind="incident_unprotected").subject == dispute.escrow_id
    end(desk, incident)
    give()
    assert due(dispute, timing.APPEAL) == last - 7 * DAY
    desk.platform_travels(timedelta(minutes=10))
    settle(desk)
    assert stage.reread(dispute).state == "executed"


def test_a_ruling_that_is_final_is_executed_while_clocks_stand_still(desk: Desk, people: stage.Cast) -> None:
    dispute = ruled(desk, people)
    desk.platform_travels(WINDOW + timedelta(minutes=1))
    deadlines.run_due()
    assert stage.reread(dispute).state == "final"
    begin(desk)
    desk.engine.chain.travel(max(0, int(clock.now().timestamp()) - desk.engine.chain.now) + 1)
    tasks.sweep()
    settle(desk)
    assert stage.reread(dispute).state == "executed"


@pytest.mark.parametrize("ended", [False, True])
def test_the_fallback_waits_for_the_end_of_an_incident(desk: Desk, people: stage.Cast, ended: bool) -> None:
    escrow = desk.funded(250 * USDT)
    opened(desk, escrow, people)
    incident = begin(desk)
    desk.travel(121 * DAY)
    assert desk.state(escrow) == "disputed"
    assert not Alarm.objects.filter(kind="incident_unprotected").exists()
    if ended:
        end(desk, incident)
        give()
        desk.platform_travels(timedelta(minutes=10))
        desk.settle()
    assert desk.state(escrow) == ("settled" if ended else "disputed")
    assert Escrow.objects.get(pk=escrow.pk).fallback_after == desk.fresh(escrow).fallback_after
    assert ended != deadlines.waiting(escrow.pk).filter(kind=clocks.FALLBACK).exists()
