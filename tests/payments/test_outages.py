"""Dead times that nobody declared: no default happens before they are found, and each wait gets them back."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chain.models import Network, ScanCursor
from core import clock, deadlines
from core.errors import Conflict, Invalid
from core.models import Heartbeat
from escrow_platform import lifespan
from escrow_platform.sweep import sweep_once
from payments.models import Escrow, Incident, Pulse
from payments.services import clocks, incidents, pausing, pulses
from payments.tasks import run_deadlines
from tests.disputes import cast as stage
from tests.disputes.conftest import escrow, people, token
from tests.payments.acts import DAY
from tests.payments.fixtures import Desk
from tests.payments.pages.conftest import Clients, clients, url
from tests.payments.test_concurrency import at_once
from tests.payments.test_incidents import delivered, due, elsewhere, give, wait_of

__all__ = ["clients", "escrow", "people", "token"]
HOUR = timedelta(hours=1)
Passing = Callable[[timedelta], None]
pytestmark = pytest.mark.django_db


def living() -> None:
    """One round of everything that leaves signs of life."""
    lifespan.leave_sign()
    run_deadlines()


@pytest.fixture
def passing() -> Iterator[Passing]:
    """Time passes for the platform."""
    with ExitStack() as stack:
        yield lambda by: stack.enter_context(clock.travelled(by))


def ran(cause: str) -> None:
    """It left signs of life all the time."""
    Pulse.objects.filter(cause=cause).update(alive_at=clock.now())


def read_to(network: Network, number: int) -> None:
    """The safe lane of a network that has no node here."""
    facts = {"number": number, "hash": f"0x{number:064x}", "timestamp": clock.now()}
    ScanCursor.objects.update_or_create(network=network, lane="safe", defaults=facts)


def test_after_nine_dead_days_nothing_is_released_by_silence_and_the_nine_days_come_back(
    desk: Desk, clients: Clients
) -> None:
    shown = delivered(desk)
    before = due(shown, clocks.INSPECT)
    living()
    desk.platform_travels(9 * DAY)
    desk.engine.chain.travel(9 * 86_400)
    for _ in range(3):
        run_deadlines()
    assert (desk.state(shown), shown.orders.filter(kind="pay").count()) == ("delivered", 0)
    living()
    give()
    desk.settle()  # the chain is extended first
    assert desk.state(shown) == "delivered"
    assert before + 9 * DAY <= due(shown, clocks.INSPECT) < before + 9 * DAY + HOUR
    assert set(Incident.objects.values_list("cause", "network", "opened_by")) == {
        ("deadlines", None, "Holdfast"),
        ("web", None, "Holdfast"),
    }
    page = clients.buyer.get(url(shown)).content.decode()
    assert "The clock was given 9 days" in page and "because Holdfast could not be reached from" in page


def test_what_was_given_back_runs_and_then_the_default_happens(escrow: Escrow, passing: Passing) -> None:
    before = due(escrow, clocks.DELIVER)
    living()
    passing(4 * DAY)
    living()
    give()
    assert before + 4 * DAY <= due(escrow, clocks.DELIVER) < before + 4 * DAY + HOUR
    passing(6 * DAY)
    for cause in ("deadlines", "web"):
        ran(cause)
    run_deadlines()
    assert Escrow.objects.get(pk=escrow.pk).take_back_open


def test_the_sweeper_finds_it_as_the_workers_do(escrow: Escrow, passing: Passing) -> None:
    before = due(escrow, clocks.DELIVER)
    sweep_once()
    passing(4 * DAY)
    sweep_once()
    sweep_once()
    assert due(escrow, clocks.DELIVER) >= before + 4 * DAY
    assert Incident.objects.get().cause == "deadlines"


def test_a_short_silence_is_not_given_and_stops_nothing(escrow: Escrow, passing: Passing) -> None:
    before = due(escrow, clocks.DELIVER)
    living()
    for _ in range(3):
        passing(timedelta(minutes=9))
        living()
    assert not Incident.objects.exists()
    assert due(escrow, clocks.DELIVER) == before
    assert not deadlines.stands_still(wait_of(escrow, clocks.DELIVER))


def test_pages_that_are_away_stop_the_clocks_while_duties_run_and_say_so(
    people: stage.Cast, escrow: Escrow, passing: Passing
) -> None:
    before = due(escrow, clocks.DELIVER)
    living()
    passing(7 * DAY)
    ran("deadlines")
    run_deadlines()
    assert not Escrow.objects.get(pk=escrow.pk).take_back_open
    standing = Incident.objects.get(ended_at=None)
    assert (standing.cause, standing.reason) == ("web", "Holdfast could not be reached")
    assert "could not be reached" in Client().get("/").content.decode()
    with pytest.raises(Conflict) as error:
        incidents.end_incident(incident_id=standing.pk, reason="over", acting=stage.actor(people.stranger))
    assert error.value.code == "incident_lasts"
    lifespan.leave_sign()
    ended = Incident.objects.get().ended_at
    assert ended is not None
    lost = ended - standing.opened_at
    assert pausing.lost(wait_of(escrow, clocks.DELIVER), escrow.network_id) == lost > 7 * DAY
    assert due(escrow, clocks.DELIVER) == before


def test_a_network_that_makes_nothing_final_stops_its_own_clocks_alone(
    escrow: Escrow, passing: Passing, settings: Any
) -> None:
    settings.OUTAGES = settings.OUTAGES | {"finality": 1800}
    other = elsewhere()
    for network in (escrow.network, other):
        read_to(network, 5)
    living()
    before = due(escrow, clocks.DELIVER)
    passing(4 * DAY)
    ran("deadlines")
    ran("web")
    read_to(other, 6)
    Pulse.objects.filter(network=other).update(alive_at=clock.now())
    run_deadlines()
    here = Incident.objects.get()
    assert (here.cause, here.network, here.ended_at) == ("finality", escrow.network, None)
    read_to(escrow.network, 6)
    run_deadlines()
    here.refresh_from_db()
    assert here.ended_at is not None
    give()
    assert due(escrow, clocks.DELIVER) == before + (here.ended_at - here.opened_at)


def test_a_network_that_nobody_uses_stops_nothing(escrow: Escrow, passing: Passing, settings: Any) -> None:
    settings.OUTAGES = settings.OUTAGES | {"finality": 1800}
    other = elsewhere()
    read_to(other, 5)
    Network.objects.filter(pk=other.pk).update(enabled=False)
    living()
    passing(DAY)
    Pulse.objects.exclude(network=other).update(alive_at=clock.now())
    run_deadlines()
    assert not Incident.objects.exists()


def test_clocks_stopped_before_any_duty_ran_again_keep_what_the_dead_days_took(
    escrow: Escrow, passing: Passing
) -> None:
    left = due(escrow, clocks.DELIVER) - clock.now()
    living()
    passing(8 * DAY)
    lifespan.leave_sign()
    clocks.pause(escrow)  # as a dispute does
    kept = timedelta(seconds=escrow.paused_clocks[clocks.DELIVER])
    assert left - HOUR < kept <= left


def test_an_incident_written_down_late_counts_for_the_time_before_another_that_was_given(
    people: stage.Cast, escrow: Escrow, passing: Passing
) -> None:
    before, person = due(escrow, clocks.DELIVER), stage.actor(people.stranger)
    passing(2 * DAY)
    since = clock.now() - DAY
    first = incidents.open_incident(network=escrow.network, reason="a provider is down", acting=person)
    passing(HOUR)
    incidents.end_incident(incident_id=first.pk, reason="it is back", acting=person)
    give()
    assert before + HOUR <= due(escrow, clocks.DELIVER) < before + 2 * HOUR
    late = incidents.open_incident(network=None, reason="mail was down", since=since, acting=person)
    ended = incidents.end_incident(incident_id=late.pk, reason="it is back", acting=person).ended_at
    assert ended is not None
    for _ in range(2):
        give()
        assert due(escrow, clocks.DELIVER) == before + (ended - since)


def test_an_operators_incident_begins_neither_ahead_nor_too_early_nor_within_the_last(
    people: stage.Cast, passing: Passing
) -> None:
    person, now = stage.actor(people.stranger), clock.now()
    last = incidents.open_incident(network=None, reason="x", acting=person)
    passing(HOUR)
    incidents.end_incident(incident_id=last.pk, reason="x", acting=person)
    for since, code in (
        (now + 2 * HOUR, "since_ahead"),
        (now - 15 * DAY, "since_too_early"),
        (now, "since_covered"),
    ):
        with pytest.raises(Invalid) as error:
            incidents.open_incident(network=None, reason="x", since=since, acting=person)
        assert error.value.code == code
    assert Incident.objects.count() == 1


def test_many_processes_that_come_back_at_once_write_one_incident(transactional_db: None) -> None:
    living()
    since = clock.now() - 3 * HOUR
    with connection.cursor() as cursor:  # the database itself lets no sign of life move back
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE payments_pulse SET alive_at = %s", [since])
        cursor.execute("SET session_replication_role = origin")
    at_once(*[lifespan.leave_sign] * 4)
    incident = Incident.objects.get()
    assert (incident.cause, incident.opened_at, incident.ended_at is None) == ("web", since, False)


def test_a_host_whose_clock_is_behind_takes_no_sign_of_life_back(transactional_db: None) -> None:
    with clock.travelled(timedelta(minutes=5)):
        living()
    ahead: datetime = Pulse.objects.get(cause="web").alive_at
    living()
    assert Pulse.objects.get(cause="web").alive_at == ahead
    assert not Incident.objects.exists()


def test_what_nobody_watches_keeps_nobody_waiting(settings: Any) -> None:
    living()
    settings.OUTAGES = dict.fromkeys(settings.OUTAGES, 0)
    with CaptureQueriesContext(connection) as queries:
        living()
    assert not [query for query in queries if "pg_advisory_xact_lock(" in query["sql"]]


def test_a_host_whose_clock_is_wrong_neither_hides_a_silence_nor_makes_one_up(
    passing: Passing, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = timezone.now
    living()
    with monkeypatch.context() as host:
        host.setattr(timezone, "now", lambda: right() + HOUR)
        assert clock.now() > right() + HOUR / 2
        assert pulses.silent() == []
        living()
    assert not Incident.objects.exists()
    passing(timedelta(minutes=11))
    assert {pulse.cause for pulse in pulses.silent()} == {"web", "deadlines"}


def test_the_web_process_leaves_a_sign_of_life_from_its_start_on(transactional_db: None) -> None:
    def seen() -> bool:
        found = Heartbeat.objects.filter(name="web").exists()
        connection.close()
        return found

    async def serve() -> list[str]:
        inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        sent: list[str] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message["type"])

        await inbox.put({"type": "lifespan.startup"})
        served = asyncio.create_task(lifespan.lifespan({"type": "lifespan"}, inbox.get, send))
        while not await asyncio.to_thread(seen):
            await asyncio.sleep(0.02)
        await inbox.put({"type": "lifespan.shutdown"})
        await served
        return sent

    sent = asyncio.run(asyncio.wait_for(serve(), 20))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert Pulse.objects.get().cause == "web"
