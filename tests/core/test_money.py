"""Typed amounts: what can be read in two ways is refused, and no digit is ever rounded away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import money
from core.errors import Invalid


@pytest.mark.parametrize(
    ("text", "units"),
    [("250", 250_000_000), (" 1,250.5 ", 1_250_500_000), ("1,234,567", 1_234_567_000_000), ("0.000001", 1)],
)
def test_plain_decimals_and_whole_groups_of_thousands_are_read(text: str, units: int) -> None:
    assert money.parse(text, 6) == units


@pytest.mark.parametrize(
    "text", ["12,50", "1,2,3", "0,5", ",5", "1250,000", "1.250,00", "1,250,5", "1.5,000"]
)
def test_a_comma_that_may_be_a_decimal_point_is_refused_not_dropped(text: str) -> None:
    with pytest.raises(Invalid):
        money.parse(text, 6)


@pytest.mark.parametrize(
    "text", ["1_000", "+5", "-5", "1e3", "NaN", "Infinity", "0x10", "٣", "१२", "1 000", ""]
)
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        money.parse(text, 6)


def test_more_places_than_the_token_has_are_refused_however_many() -> None:
    with pytest.raises(Invalid, match="6 decimal places"):
        money.parse("1." + "0" * 40 + "1", 6)


@given(st.integers(1, 2**255), st.sampled_from([0, 6, 18]))
def test_every_digit_survives(units: int, decimals: int) -> None:
    text = money.to_decimal(units, decimals)
    if len(text) <= 60:
        assert money.parse(text, decimals) == units


@given(st.integers(1, 2**100), st.sampled_from([6, 18]))
def test_what_a_page_displays_can_be_typed_again(units: int, decimals: int) -> None:
    assert money.parse(money.display(units, decimals), decimals) == units


@given(st.text(max_size=80))
def test_no_text_fails_otherwise_than_by_a_refusal(text: str) -> None:
    try:
        assert money.parse(text, 6) > 0
    except Invalid as refused:
        assert len(refused.message) < 200
