"""Rounds too long for one task: finished by those that follow, each row once, none left out."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now

from core import clock, rounds
from core.models import LongRound

pytestmark = pytest.mark.django_db
ROWS = ["a", "b", "c", "d", "e"]
DAY = timedelta(days=1)


def portion_of(done: list[str]) -> "rounds.Portion":
    """Works on one row at a time, in order."""

    def portion(after: str) -> str | None:
        left = [row for row in ROWS if row > after]
        done.extend(left[:1])
        return left[0] if left else None

    return portion


def breaks(after: str) -> str | None:
    raise ConnectionError(after)


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
    with pytest.raises(ConnectionError):
        rounds.go_on("round", breaks, seconds=60)
    assert rounds.go_on("round", portion_of(done), seconds=60)
    assert done == ROWS


def test_a_round_whose_first_portion_fails_has_not_begun() -> None:
    """Else it would count as done, and its rows would wait for the next one."""
    done: list[str] = []
    with pytest.raises(ConnectionError):
        rounds.go_on("round", breaks, seconds=60, pause=DAY)
    assert LongRound.objects.get().began_at is None
    assert rounds.go_on("round", portion_of(done), seconds=60, pause=DAY)
    LongRound.objects.update(began_at=F("began_at") - DAY)
    with pytest.raises(ConnectionError):
        rounds.go_on("round", breaks, seconds=60, pause=DAY)
    assert rounds.go_on("round", portion_of(done), seconds=60, pause=DAY)
    assert done == ROWS * 2


def test_a_new_round_waits_for_its_time_and_a_begun_one_does_not() -> None:
    done: list[str] = []
    rounds.go_on("round", portion_of(done), seconds=0, pause=DAY)
    began = LongRound.objects.get().began_at
    assert rounds.go_on("round", portion_of(done), seconds=60, pause=DAY)
    assert LongRound.objects.get().began_at == began
    assert not rounds.go_on("round", portion_of(done), seconds=60, pause=DAY)
    assert done == ROWS
    LongRound.objects.update(began_at=F("began_at") - DAY)
    assert rounds.go_on("round", portion_of(done), seconds=60, pause=DAY)
    assert done == ROWS * 2
    assert LongRound.objects.get().after == ""


def test_the_clocks_of_hosts_neither_hasten_nor_hinder_a_round() -> None:
    """Only the database's clock counts, and a beginning that lies ahead of it (it was set back) is no reason
    to wait.
    """
    done: list[str] = []
    rounds.go_on("round", portion_of(done), seconds=60, pause=DAY)
    for off in (DAY * 2, -DAY * 2):
        with clock.travelled(off):
            assert not rounds.go_on("round", portion_of(done), seconds=60, pause=DAY)
    LongRound.objects.update(began_at=F("began_at") + DAY / 2)
    assert rounds.go_on("round", portion_of(done), seconds=60, pause=DAY)
    assert done == ROWS * 2


def test_a_slow_worker_never_takes_the_round_back() -> None:
    """While it works on one portion, another does this one and the next."""
    done: list[str] = []

    def slow(after: str) -> str | None:
        for _ in range(2):
            rounds.go_on("round", portion_of(done), seconds=0)
        return portion_of(done)(after)

    rounds.go_on("round", portion_of(done), seconds=0)
    assert not rounds.go_on("round", slow, seconds=60), "the round is the other's now"
    assert LongRound.objects.get().after == "c"
    rounds.go_on("round", portion_of(done), seconds=60)
    assert done == ["a", "b", "c", "b", "d", "e"]


def test_a_round_that_does_not_come_to_its_end_is_known() -> None:
    limit, local = timedelta(days=3), rounds.of("local", "round")
    done: list[str] = []
    with pytest.raises(ConnectionError):
        rounds.go_on(local, breaks, seconds=0)
    rounds.go_on(rounds.of("local2", "round"), portion_of(done), seconds=0)
    assert rounds.unended("local", limit) == []
    LongRound.objects.update(ended_at=Now() - limit)
    assert rounds.unended("local", limit) == [local]
    rounds.go_on(local, portion_of(done), seconds=0)
    assert rounds.unended("local", limit) == [local], "it goes on, but has not ended"
    rounds.go_on(local, portion_of(done), seconds=60)
    assert rounds.unended("local", limit) == []
