"""An instant is read only with its offset: nobody's time zone is guessed."""

from datetime import UTC, datetime

import pytest

from core import instants


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-24T18:00:00Z",
        "2026-12-24t18:00:00z",
        "2026-12-24T18:00Z",
        "2026-12-24T20:00:00+02:00",
        "2026-12-24T13:00:00.000000-05:00",
    ],
)
def test_every_way_to_write_an_offset_is_read(text: str) -> None:
    assert instants.read(text) == datetime(2026, 12, 24, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-24T18:00:00",
        "2026-12-24",
        "2026-12-24 18:00:00Z",
        "2026-12-24T18:00:00 02:00",
        "20261224T180000Z",
        "2026-W52-4T18:00:00Z",
        "2026-13-24T18:00:00Z",
        "2026-12-24T25:00:00Z",
        "0001-01-01T00:00:00+02:00",
        "٢٠٢٦-12-24T18:00:00Z",
        "1798135200",
        "",
    ],
)
def test_a_time_that_could_be_several_instants_or_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Z or an offset|out of range|must be in|[Ii]nvalid"):
        instants.read(text)
