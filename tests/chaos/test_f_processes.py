"""F35 and F36: workers that are asked to end in the middle of their work; a scheduler that is there twice or
not at all. How each rule is switched off stands in `rules_off`.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from django.conf import settings
from redis import Redis

from chain import tasks
from chain.models import Alarm, Call
from core.models import Heartbeat
from escrow_platform.routing import queue_of
from escrow_platform.sweep import sweep_once
from payments.models import Escrow
from payments.services import payouts
from payments.tasks import drain_outbox, project_network, run_deadlines
from tests.chain.fixtures import USDT, Engine
from tests.chain.helpers import later
from tests.chaos import once, stories
from tests.chaos.test_kills import POINTS, is_quiet, wait_quiet
from tests.chaos.workers import Crew, mine_when_read, until
from tests.payments.fixtures import Desk, actor

DUTY_STOPPED = "duty_stopped"


@pytest.mark.timeout(600)
def test_f35_a_worker_asked_to_end_at_each_step_finishes_it_and_pays_each_escrow_once(
    desk: Desk, crew: Callable[..., Crew], tmp_path: Path
) -> None:
    """F35: SIGTERM lets the step end, gives the rest back, and another worker goes on with it.

    The step that is interrupted sleeps for a second after the signal, so that it is still under way when the
    worker hears of it: a worker that ended at once would leave no trace of the step's end.
    """
    escrows = [desk.agreed((100 + number) * USDT).escrows.get() for number in range(len(POINTS))]
    for escrow in escrows:
        desk.pay(escrow)
    desk.settle()
    flag = tmp_path / "armed"
    team = crew(CRASH_POINT=POINTS[0], CRASH_POINT_FLAG=str(flag), CRASH_POINT_SCOPE="ask")
    worker = team.worker()

    def meanwhile() -> None:
        mine_when_read(desk)
        ring_when_idle(desk)
        team.tend()

    for place, (point, escrow) in enumerate(zip(POINTS, escrows, strict=True), start=1):
        before = len(team.log("worker"))
        flag.touch()
        payouts.release(escrow_id=escrow.pk, role="buyer", acting=actor(desk.cast.buyer))
        # Who takes over is armed for the next step.
        team.environment["CRASH_POINT"] = POINTS[place % len(POINTS)]
        until(
            lambda place=place: len(worker.deaths) == place,
            f"the worker ended at {point}",
            meanwhile=meanwhile,
        )
        assert not flag.exists()
        told = team.log("worker")[before:]
        assert "Warm shutdown" in told, told[-2000:]
        assert finished_after(told, "Warm shutdown"), told[-3000:]
        until(lambda: is_quiet(desk), "the next worker finished everything", meanwhile=meanwhile)
    assert worker.deaths == [0] * len(POINTS), "each ended by itself, and nobody had to be killed"
    assert set(Escrow.objects.values_list("state", flat=True)) == {"released"}
    once.check_paid_once(desk, escrows)
    once.check_nonces(desk)
    assert not Call.objects.exclude(outcome="done").exists()


def ring_when_idle(desk: Desk) -> None:
    """All duties once, as soon as the workers took the last: as fast as they are, and no faster."""
    network = desk.engine.network.pk
    with Redis.from_url(settings.REDIS_URL) as redis:
        if redis.llen("celery") or redis.llen(queue_of(network)):
            return
    for duty in (tasks.index, tasks.send_due, tasks.confirm, project_network):
        duty.delay(network)
    run_deadlines.delay()
    drain_outbox.delay()


def finished_after(told: str, words: str) -> bool:
    """Whether a task was reported as done after these words: the one that the signal met."""
    return " succeeded in " in told.split(words, 1)[1]


def sent_by(team: Crew, name: str) -> bool:
    """Whether this scheduler has sent a task."""
    return "Sending due task" in team.log(name)


@pytest.mark.timeout(600)
def test_f36_two_schedulers_at_once_do_nothing_twice(desk: Desk, crew: Callable[..., Crew]) -> None:
    """F36: every duty comes twice, to two workers; each finds what the other has left."""
    team = crew()
    for name in ("beat", "second beat"):
        team.beat(name)
    for name in ("left", "right"):
        team.worker(name)
    for name in ("beat", "second beat"):
        sends = partial(sent_by, team, name)
        until(sends, f"{name} sends what is due", meanwhile=team.tend)
    for what, done in stories.released(desk):
        until(done, what, meanwhile=lambda: mine_when_read(desk))
    team.tend()
    assert team.deaths() == []
    wait_quiet(desk, team)
    once.check_paid_once(desk, list(Escrow.objects.all()))
    once.check_nonces(desk)


def test_f36_a_dead_scheduler_is_noticed_by_whoever_still_works(engine: Engine) -> None:
    """F36: the heartbeats age; a worker that is rung by a new head, and the sweeper, call a human."""
    duties = (tasks.index, tasks.send_due, tasks.confirm)
    for duty in duties:
        duty(engine.network.pk)
    run_deadlines()
    drain_outbox()
    assert Heartbeat.objects.count() == 5
    with later(200):
        tasks.index(engine.network.pk)
        assert stopped() == set(), "nobody is called for a slow round"
    slug = engine.network.slug
    silent = {"deadlines", "outbox", f"chain.send:{slug}", f"chain.confirm:{slug}"}
    with later(900):
        tasks.index(engine.network.pk)
        assert stopped() == silent
        for duty in duties:
            duty(engine.network.pk)
        run_deadlines()
        drain_outbox()
        tasks.index(engine.network.pk)
        assert stopped() == set()
    with later(1800):
        sweep_once()
        assert stopped() == silent | {f"chain.index:{slug}"}


def stopped() -> set[str]:
    """The duties for which a human is called."""
    open_alarms = Alarm.objects.filter(kind=DUTY_STOPPED, resolved_at=None)
    return set(open_alarms.values_list("subject", flat=True))
