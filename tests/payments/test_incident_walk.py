"""Giving time back in portions: twice, at once, dying half way; what the database keeps of an incident."""

import signal
import threading
import time
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connections, transaction

from core import clock, deadlines
from core.errors import Conflict, Invalid, NotFound
from core.models import AuditEntry, Deadline
from payments.models import Incident, TimeGiven
from payments.services import clocks, deals, incidents
from tests.chain.fixtures import USDT
from tests.chain.helpers import manage
from tests.payments.acts import DAY
from tests.payments.fixtures import Desk, actor
from tests.payments.test_concurrency import at_once
from tests.payments.test_incidents import begin, due, elsewhere, end, give, wait_of


def test_nothing_is_given_twice_however_often_and_however_many_at_once(desk: Desk) -> None:
    escrows = [desk.funded(250 * USDT) for _ in range(3)]
    before = [due(escrow, clocks.DELIVER) for escrow in escrows]
    incident = begin(desk)
    desk.travel(DAY)
    lasted = end(desk, incident)
    at_once(*[incidents.carry_on] * 4)
    give()
    Incident.objects.update(settled_at=None, position="")
    give()
    assert [due(escrow, clocks.DELIVER) for escrow in escrows] == [instant + lasted for instant in before]
    assert set(TimeGiven.objects.values_list("lost", "given")) == {(lasted, lasted)}


def test_portions_visit_every_wait_and_store_how_far_they_came(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incidents, "PORTION", 2)
    proposed = [desk.proposed() for _ in range(5)]
    before = [due(deal, deals.ACCEPT) for deal in proposed]
    incident = begin(desk)
    desk.platform_travels(DAY)
    lasted = end(desk, incident)
    visited = [incidents.carry_on()]
    assert Incident.objects.get().position == wait_of(proposed[1], deals.ACCEPT).pk
    visited += [incidents.carry_on() for _ in range(2)]
    assert (visited, incidents.carry_on()) == ([2, 2, 1], 0)
    assert [due(deal, deals.ACCEPT) for deal in proposed] == [instant + lasted for instant in before]


def test_one_wait_that_fails_stops_no_other_and_gets_its_time_when_it_is_due(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from payments.services import pausing

    one, other = desk.proposed(), desk.proposed()
    before = due(one, deals.ACCEPT)
    incident = begin(desk)
    desk.platform_travels(6 * DAY)
    lasted = end(desk, incident)
    broken, real = wait_of(one, deals.ACCEPT).pk, pausing.note

    def note(wait: Deadline, *args: Any) -> bool:
        if wait.pk == broken:
            raise RuntimeError("for once")
        return real(wait, *args)

    with monkeypatch.context() as patched:
        patched.setattr(pausing, "note", note)
        give()
    assert (due(one, deals.ACCEPT), TimeGiven.objects.count()) == (before, 1)
    deadlines.run_due()
    assert due(one, deals.ACCEPT) == before + lasted
    assert (desk.state(one), desk.state(other)) == ("proposed", "proposed")


def test_who_dies_half_way_leaves_nothing_out_and_gives_nothing_twice(desk: Desk) -> None:
    proposed = [desk.proposed() for _ in range(3)]
    before = [due(deal, deals.ACCEPT) for deal in proposed]
    incident = begin(desk)
    time.sleep(1.1)
    lasted = end(desk, incident)
    assert manage("sweep", CRASH_POINT="incident:settled_one") == -signal.SIGKILL
    assert (TimeGiven.objects.count(), Incident.objects.get().position) == (1, "")
    assert manage("sweep") == 0
    assert [due(deal, deals.ACCEPT) for deal in proposed] == [instant + lasted for instant in before]
    assert (TimeGiven.objects.count(), Incident.objects.get().settled_at is not None) == (3, True)


def test_an_incident_waits_for_who_is_acting_by_the_clock_already(desk: Desk) -> None:
    """So that nothing that had not seen it happens after it was opened."""
    deal = desk.proposed()

    def opens() -> None:
        begin(desk)
        connections.close_all()

    thread = threading.Thread(target=opens)
    with transaction.atomic():
        assert not deadlines.stands_still(wait_of(deal, deals.ACCEPT))
        thread.start()
        thread.join(1)
        assert thread.is_alive() and not Incident.objects.exists()
    thread.join(30)
    assert Incident.objects.filter(ended_at__isnull=True).exists()


def test_one_is_open_for_each_scope_and_both_ends_say_why(desk: Desk) -> None:
    first = begin(desk)
    begin(desk, None)
    for scope in (desk.engine.network, None):
        with pytest.raises(Conflict):
            begin(desk, scope)
    with pytest.raises(Invalid):
        begin(desk, elsewhere(), " ")
    acting = actor(desk.cast.stranger)
    with pytest.raises(Invalid):
        incidents.end_incident(incident_id=first.pk, reason=" ", acting=acting)
    with pytest.raises(NotFound):
        incidents.end_incident(incident_id="inc_none", reason="x", acting=acting)
    end(desk, first)
    with pytest.raises(Conflict):
        end(desk, first)
    begin(desk)
    story = AuditEntry.objects.filter(subject_id=first.pk).order_by("id")
    assert [(entry.action, entry.data["reason"]) for entry in story] == [
        ("incident.opened", "a provider is down"),
        ("incident.ended", "it is back"),
    ]


def test_the_database_keeps_incidents_as_they_were(desk: Desk) -> None:
    incident = begin(desk)
    end(desk, incident)
    rows = Incident.objects.filter(pk=incident.pk)
    for change in ({"reason": "another"}, {"opened_at": clock.now()}, {"ended_at": None}, {"ended_by": "me"}):
        with pytest.raises(DatabaseError), transaction.atomic():
            rows.update(**change)
    with pytest.raises(DatabaseError), transaction.atomic():
        rows.delete()
    begin(desk, None)
    with pytest.raises(IntegrityError), transaction.atomic():
        Incident.objects.create(reason="a second", opened_at=clock.now(), opened_by="me")
