"""Several things, done whichever of them fails."""

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from structlog.testing import capture_logs

from core import tries


def fails(error: Exception) -> None:
    raise error


def test_all_are_done_the_first_failure_is_raised_and_no_other_is_lost() -> None:
    done: list[int] = []
    with capture_logs() as logs, pytest.raises(KeyError):
        tries.each(lambda: fails(KeyError(1)), lambda: fails(ValueError(2)), lambda: done.append(3))
    assert done == [3]
    assert [entry["event"] for entry in logs] == ["failed_as_well"]


def test_the_end_of_the_tasks_time_ends_it_at_once() -> None:
    done: list[int] = []
    with pytest.raises(SoftTimeLimitExceeded):
        tries.each(lambda: fails(SoftTimeLimitExceeded()), lambda: done.append(1))
    assert done == []
