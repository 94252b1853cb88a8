"""Business time: Monday to Friday, UTC."""

from datetime import UTC, datetime, timedelta

import pytest

from disputes.timing import after_business_time


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        ("2026-11-02T09:00", 3, "2026-11-05T09:00"),  # Monday to Thursday
        ("2026-11-06T15:00", 1, "2026-11-09T15:00"),  # Friday to Monday
        ("2026-11-07T15:00", 1, "2026-11-10T00:00"),  # Saturday counts from Monday
        ("2026-11-06T00:00", 1, "2026-11-09T00:00"),  # a whole Friday ends when Monday begins
        ("2026-11-02T09:00", 10, "2026-11-16T09:00"),
    ],
)
def test_weekends_do_not_count(start: str, days: int, end: str) -> None:
    assert after_business_time(_at(start), timedelta(days=days)) == _at(end)


def test_seconds_inside_a_day_are_seconds() -> None:
    assert after_business_time(_at("2026-11-02T09:00"), timedelta(seconds=15)) == _at("2026-11-02T09:00:15")
