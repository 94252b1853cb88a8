"""Rounds too long for one task: finished by those that follow, each row once, none left out."""

from datetime import timedelta

import pytest

from core import clock, rounds
from core.models import LongRound

pytestmark = pytest.mark.django_db
ROWS = ["a", "b", "c", "d", "e"]


def portion_of(done: list[str]) -> "rounds.Portion":
    """Works on one row at a time, in order."""

    def portion(after: str) -> str | None:
        left = [row for row in ROWS if row > after]
        done.extend(left[:1])
        return left[0] if left else None

    return portion


def test_the_next_turn_goes_on_where_the_last_one_ended() -> None:
    done: list[str] = []
    turns = [rounds.go_on("round", portion_of(done), seconds=0) for _ in range(6)]
    assert done == ROWS
    assert turns == [False] * 5 + [True]
    rounds.go_on("round", portion_of(done), seconds=0)
    assert done == [*ROWS, "a"], "and then it begins anew"


def test_a_turn_with_time_does_all_that_is_left() -> None:
    done: list[str] = []
    rounds.go_on("round", portion_of(done), seconds=0)
    assert rounds.go_on("round", portion_of(done), seconds=60)
    assert done == ROWS


def test_what_fails_is_done_again() -> None:
    done: list[str] = []
    rounds.go_on("round", portion_of(done), seconds=0)

    def breaks(after: str) -> str | None:
        raise ConnectionError(after)

    with pytest.raises(ConnectionError):
        rounds.go_on("round", breaks, seconds=60)
    assert rounds.go_on("round", portion_of(done), seconds=60)
    assert done == ROWS


def test_a_new_round_waits_for_its_time_and_a_begun_one_does_not() -> None:
    done: list[str] = []
    day = timedelta(days=1)
    rounds.go_on("round", portion_of(done), seconds=0, pause=day)
    assert rounds.go_on("round", portion_of(done), seconds=60, pause=day)
    assert not rounds.go_on("round", portion_of(done), seconds=60, pause=day)
    assert done == ROWS
    with clock.travelled(day + timedelta(minutes=1)):
        assert rounds.go_on("round", portion_of(done), seconds=60, pause=day)
    assert done == ROWS * 2
    assert LongRound.objects.get().after == ""
