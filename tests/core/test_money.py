"""Typed amounts: what can be read in two ways is refused, and no digit is ever rounded away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import money
from core.errors import Invalid
from core.money import Amount, Money, Unit, UnitMismatch


def unit(decimals: int, network: str = "Local") -> Unit:
    return Unit("local:0x1", "USDT", decimals, network, "local")


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
    text = Amount(units, unit(decimals)).decimal
    if len(text) <= 60:
        assert money.parse(text, decimals) == units


@given(st.integers(1, 2**100), st.sampled_from([6, 18]))
def test_what_a_page_displays_can_be_typed_again(units: int, decimals: int) -> None:
    assert money.parse(Amount(units, unit(decimals)).figure, decimals) == units


@given(st.text(max_size=80))
def test_no_text_fails_otherwise_than_by_a_refusal(text: str) -> None:
    try:
        assert money.parse(text, 6) > 0
    except Invalid as refused:
        assert len(refused.message) < 200


def test_amounts_of_two_tokens_do_not_add_subtract_or_compare() -> None:
    here, there = Amount(1, unit(6)), Amount(1, unit(6, "Elsewhere"))
    for meet in (
        lambda: here + there,
        lambda: here - there,
        lambda: here < there,
        lambda: here <= there,
        lambda: max(here, there),
        lambda: money.total([here, there], here.unit),
    ):
        with pytest.raises(UnitMismatch):
            meet()
    assert money.total([here, here], here.unit) == Amount(2, unit(6))


def test_a_row_shows_its_units_in_its_own_token() -> None:
    class Token:
        unit = unit(18)

    class Row:
        amount, token = 5 * 10**17, Token()
        money = Money("amount")

    row = Row()
    assert (str(row.money), row.money.exact) == ("0.50 USDT", "0.500000000000000000 USDT")
    assert str(Amount(-1_250_500_000, unit(6))) == "-1,250.50 USDT"
    assert Amount(-5, unit(6)).exact == "-0.000005 USDT"
    assert (Amount(7, unit(0)).exact, Amount(7, unit(0)).decimal) == ("7 USDT", "7")
    assert Amount(1_000_001, unit(6)).share(5_000) == Amount(500_000, unit(6))
