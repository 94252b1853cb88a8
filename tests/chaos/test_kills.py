"""`kill -9` of the real Celery worker between signing, committing, broadcasting and marking."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from chain import states
from chain.models import Call, Transaction
from payments.models import Escrow
from payments.services import payouts
from payments.services.projection import is_caught_up
from tests.chain.fixtures import USDT
from tests.chaos import once
from tests.chaos.workers import Crew, mine_when_read, until
from tests.payments.fixtures import Desk, actor

TIMES = 10
POINTS = (
    "assign:signed",
    "assign:committed",
    "broadcast:sent",
    "broadcast:marked",
    "confirm:before_commit",
    "project:before_commit",
)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("point", POINTS)
def test_f01_f02_f03_a_worker_killed_ten_times_pays_each_escrow_once(
    desk: Desk, crew: Callable[..., Crew], tmp_path: Path, point: str
) -> None:
    """The whole worker dies, pool process and all, and is started again by its supervisor."""
    escrows = ten_funded(desk)
    flag = tmp_path / "armed"
    team = crew(CRASH_POINT=point, CRASH_POINT_FLAG=str(flag), CRASH_POINT_SCOPE="group")
    team.beat()
    worker = team.worker()

    for number, escrow in enumerate(escrows, start=1):
        flag.touch()
        release(desk, escrow)
        until(
            lambda number=number: len(worker.deaths) == number,
            f"kill {number} at {point}",
            meanwhile=lambda: (mine_when_read(desk), team.tend()),
        )
        assert not flag.exists()
        if point.startswith("project"):
            wait_quiet(desk, team)  # so that the next event to be projected is the next decision
    finish(desk, team, escrows)

    assert worker.deaths == [-signal.SIGKILL] * TIMES
    once.check_paid_once(desk, escrows)
    assert once.check_nonces(desk) == TIMES


@pytest.mark.timeout(600)
def test_f03_a_task_killed_ten_times_under_a_living_worker_pays_each_escrow_once(
    desk: Desk, crew: Callable[..., Crew], tmp_path: Path
) -> None:
    """Only the pool process dies: the worker replaces it and puts the task back into its queue."""
    escrows = ten_funded(desk)
    flag = tmp_path / "armed"
    team = crew(CRASH_POINT="broadcast:sent", CRASH_POINT_FLAG=str(flag))
    team.beat()
    worker = team.worker()

    for number, escrow in enumerate(escrows, start=1):
        flag.touch()
        release(desk, escrow)
        until(
            lambda number=number: team.pool_kills() == number and not flag.exists(),
            f"kill {number}",
            meanwhile=lambda: mine_when_read(desk),
        )
    finish(desk, team, escrows)

    assert team.pool_kills() == TIMES
    assert worker.deaths == []
    once.check_paid_once(desk, escrows)
    assert once.check_nonces(desk) == TIMES


def ten_funded(desk: Desk) -> list[Escrow]:
    """Ten escrows with their money, each of another amount."""
    found = []
    for number in range(TIMES):
        escrow = desk.agreed((100 + number) * USDT).escrows.get()
        desk.pay(escrow)
        found.append(escrow)
    desk.settle()
    assert set(Escrow.objects.values_list("state", flat=True)) == {"funded"}
    return found


def release(desk: Desk, escrow: Escrow) -> None:
    """The buyer releases all of it."""
    payouts.release(escrow_id=escrow.pk, role="buyer", acting=actor(desk.cast.buyer))


def finish(desk: Desk, team: Crew, escrows: list[Escrow]) -> None:
    """The workers alone, without the test's hand, bring every escrow to its end."""
    wait_quiet(desk, team)
    assert set(Escrow.objects.values_list("state", flat=True)) == {"released"}
    assert len(escrows) == Escrow.objects.count()


def wait_quiet(desk: Desk, team: Crew) -> None:
    """Until the workers have nothing under way."""
    until(
        lambda: is_quiet(desk),
        "the workers finished everything",
        meanwhile=lambda: (mine_when_read(desk), team.tend()),
    )


def is_quiet(desk: Desk) -> bool:
    """No call waits or is on its way, everything final is projected, and every nonce is decided."""
    if Call.objects.filter(outcome__in=["waiting", "sent"]).exists() or not is_caught_up(desk.engine.network):
        return False
    return not Transaction.objects.filter(state__in=states.OPEN_TRANSACTIONS).exists()
