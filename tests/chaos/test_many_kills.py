"""F9: two real workers on one sender, a hundred calls, `kill -9` at random moments."""

import random
import sys
from collections.abc import Callable

import pytest

from chain.models import Call
from tests.chain.helpers import order, stock
from tests.chaos import once
from tests.chaos.workers import Crew, mine_when_read, until
from tests.payments.fixtures import Desk

CALLS = 100
SEED = 9
MOST_KILLS = 24


@pytest.mark.timeout(600)
def test_f09_two_workers_killed_at_random_send_a_hundred_calls_once_each(
    desk: Desk, crew: Callable[..., Crew]
) -> None:
    """F9: see `rules_off` for the rule that is switched off."""
    sys.stdout.write(f"seed {SEED}\n")
    chance = random.Random(SEED)
    stock(desk.engine)
    team = crew()
    team.beat()
    names = [team.worker(name).name for name in ("left", "right")]
    for number in range(CALLS):
        order(desk.engine, f"pay-{number}", units=number + 1)
    pool_kills = 0

    def meanwhile() -> None:
        nonlocal pool_kills
        mine_when_read(desk)
        if len(team.deaths()) + pool_kills < MOST_KILLS and chance.random() < 0.15:
            name = chance.choice(names)
            if chance.random() < 0.5:
                team.kill(name)
            else:
                pool_kills += team.kill_pool_process(name)
        team.tend()

    until(
        lambda: not Call.objects.exclude(outcome="done").exists(),
        "every call was done",
        meanwhile=meanwhile,
        limit=400,
    )
    assert len(team.deaths()) >= 3
    assert pool_kills >= 3
    once.check_transfers_once(desk, range(1, CALLS + 1))
