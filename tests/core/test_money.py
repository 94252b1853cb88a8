"""Typed amounts: what can be read in two ways is refused, and no digit is ever rounded away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import money
from core.errors import Invalid
from core.money import Amount, Money, Unit, UnitMismatch


def unit(decimals: int, network: str = "Local") -> Unit:
    return Unit("local:0x1", "USDT", decimals, network, "local")


BOTH = (money.parse, money.parse_typed)


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("250", 250_000_000),
        (" 1,250.5 ", 1_250_500_000),
        ("1,234,567", 1_234_567_000_000),
        ("1,234,567.50", 1_234_567_500_000),
        ("2,500.00", 2_500_000_000),
        ("1234.500", 1_234_500_000),
        ("0.500", 500_000),
        ("2.5000", 2_500_000),
        ("0.000001", 1),
    ],
)
def test_what_a_person_can_mean_in_one_way_only_is_read(text: str, units: int) -> None:
    assert money.parse_typed(text, 6) == units


@pytest.mark.parametrize(
    ("text", "many", "few"),
    [
        ("2,500", "2500", "2.5"),
        ("2.500", "2500", "2.5"),
        (" 250.000 ", "250000", "250"),
        ("12,345", "12345", "12.3450"),
    ],
)
def test_what_half_of_the_world_reads_as_the_other_half_does_not_is_asked_back(
    text: str, many: str, few: str
) -> None:
    with pytest.raises(Invalid, match=f"Did you mean {many} or {few}") as asked:
        money.parse_typed(text, 6)
    assert asked.value.code == "amount_ambiguous"
    assert money.parse_typed(many, 6) == int(many) * 10**6
    money.parse_typed(few, 6)


@pytest.mark.parametrize("text", ["2,500", "1,250.50", "1,234,567", "2,5", ",5"])
def test_a_program_writes_no_comma(text: str) -> None:
    with pytest.raises(Invalid, match="without commas"):
        money.parse(text, 6)


@pytest.mark.parametrize(
    "text", ["12,50", "1,2,3", "0,5", ",5", "1250,000", "1.250,00", "1,250,5", "1.5,000"]
)
def test_a_comma_that_may_be_a_decimal_point_is_refused_not_dropped(text: str) -> None:
    for read in BOTH:
        with pytest.raises(Invalid):
            read(text, 6)


@pytest.mark.parametrize(
    "text", ["1_000", "+5", "-5", "1e3", "NaN", "Infinity", "0x10", "٣", "१२", "1 000", ""]
)
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    for read in BOTH:
        with pytest.raises(Invalid):
            read(text, 6)


def test_more_places_than_the_token_has_are_refused_however_many() -> None:
    with pytest.raises(Invalid, match="6 decimal places"):
        money.parse("1." + "0" * 40 + "1", 6)


@given(st.integers(1, 2**255), st.sampled_from([0, 6, 18]))
def test_every_digit_survives(units: int, decimals: int) -> None:
    text = Amount(units, unit(decimals)).decimal
    if len(text) <= 60:
        assert money.parse(text, decimals) == units


@given(st.integers(1, 2**100), st.sampled_from([3, 6, 18]))
def test_what_a_page_puts_into_a_field_is_read_as_the_same_amount(units: int, decimals: int) -> None:
    assert money.parse_typed(money.for_input(Amount(units, unit(decimals))), decimals) == units


@given(st.integers(1, 2**100), st.sampled_from([3, 6, 18]))
def test_what_a_page_displays_confirms_that_amount_and_no_other(units: int, decimals: int) -> None:
    amount = Amount(units, unit(decimals))
    assert money.is_typed(amount.figure, amount)
    assert not money.is_typed(amount.figure, Amount(units + 1, unit(decimals)))
    assert not money.is_typed("", amount)


@given(st.text(max_size=80))
def test_no_text_fails_otherwise_than_by_a_refusal(text: str) -> None:
    for read in BOTH:
        try:
            assert read(text, 6) > 0
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
