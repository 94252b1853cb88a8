"""Amounts: whole base units that never travel without their unit, so that two assets cannot be added.

Base units become an `Amount` where their token is known for certain: on the row that holds both (`Money`), or
where a text is read. Only an `Amount` can be shown; there is no way to format a bare number of base units.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Self, overload

from core.errors import Invalid

_LONGEST = 60
_PLAIN = re.compile(r"(?=.*[0-9])(?P<whole>[0-9]*)(?:\.(?P<places>[0-9]*))?")
_GROUPED = re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]*)?")
# One separator before exactly three digits: thousands to one half of the world, decimals to the other.
_EITHER = re.compile(r"(?P<before>[1-9][0-9]{0,2})[.,](?P<after>[0-9]{3})")


@dataclass(frozen=True, slots=True)
class Unit:
    """A token on a network. `key` is what identifies it; two units are one only if all parts agree.

    `network` is the network's name for people, `slug` its name for programs.
    """

    key: str
    symbol: str
    decimals: int
    network: str
    slug: str


class UnitMismatch(TypeError):
    """Amounts of two different tokens or networks met in one sum or comparison."""


@dataclass(frozen=True, slots=True)
class Amount:
    """`units` base units of `unit`. Never a float; a decimal only at the edge."""

    units: int
    unit: Unit

    def __post_init__(self) -> None:
        if type(self.units) is not int:
            raise TypeError(f"base units are int, not {type(self.units).__name__}")

    def _same(self, other: "Amount") -> int:
        if self.unit != other.unit:
            raise UnitMismatch(f"{self.unit} and {other.unit} do not mix")
        return other.units

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.units + self._same(other), self.unit)

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(self.units - self._same(other), self.unit)

    def __lt__(self, other: "Amount") -> bool:
        return self.units < self._same(other)

    def __le__(self, other: "Amount") -> bool:
        return self.units <= self._same(other)

    def __bool__(self) -> bool:
        return self.units != 0

    def share(self, basis_points: int) -> "Amount":
        """The part that is `basis_points` of ten thousand, rounded down."""
        return Amount(share(self.units, basis_points), self.unit)

    @property
    def decimal(self) -> str:
        """Plain decimal string with all digits of the token, as the API shows it: `250.000000`."""
        sign, digits = (
            ("-" if self.units < 0 else ""),
            str(abs(self.units)).rjust(self.unit.decimals + 1, "0"),
        )
        places = self.unit.decimals
        return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"

    @property
    def figure(self) -> str:
        """For people: thousands separated, at least two places, no further trailing zeros: `1,250.50`."""
        whole, places = self._grouped()
        return f"{whole}.{places.rstrip('0').ljust(2, '0')}"

    @property
    def exact(self) -> str:
        """For accounts: thousands separated, every digit, and the symbol: `1,250.500000 USDT`."""
        whole, places = self._grouped()
        return f"{whole}.{places} {self.unit.symbol}" if places else f"{whole} {self.unit.symbol}"

    def _grouped(self) -> tuple[str, str]:
        sign, (whole, _, places) = (
            ("-" if self.units < 0 else ""),
            self.decimal.removeprefix("-").partition("."),
        )
        return f"{sign}{int(whole):,}", places

    def __str__(self) -> str:
        return f"{self.figure} {self.unit.symbol}"


def total(amounts: Iterable[Amount], unit: Unit) -> Amount:
    """The sum in `unit`, nothing for none. Raises `UnitMismatch` if one of them is of another token."""
    found = Amount(0, unit)
    for amount in amounts:
        found += amount
    return found


class Money:
    """A column of base units as an `Amount` of the row's own token.

    `money = Money("amount")` beside a column `amount` and a relation `token`; `of` is the way to the token
    where the row has none of its own. `unit` of the token is read, so load the token with its network.
    """

    def __init__(self, column: str, of: str = "token") -> None:
        self.column = column
        self._unit = attrgetter(f"{of}.unit" if of else "unit")
        # What the console writes above a column of these.
        self.short_description = column.replace("_", " ")

    @overload
    def __get__(self, row: None, owner: type[Any]) -> Self: ...

    @overload
    def __get__(self, row: object, owner: type[Any]) -> Amount: ...

    def __get__(self, row: object | None, owner: type[Any]) -> Self | Amount:
        return self if row is None else Amount(getattr(row, self.column), self._unit(row))


def parse(text: str, decimals: int) -> int:
    """Base units of a plain decimal string, as programs write it: `2500`, `2500.00`. Exact at any size.

    Raises `Invalid` for anything that is not a plain positive decimal with at most `decimals` places, and for
    every comma: what a person types is read by `parse_typed`.
    """
    cleaned = text.strip()
    found = _PLAIN.fullmatch(cleaned) if len(cleaned) <= _LONGEST else None
    if found is None:
        how = "Write it without commas, like 2500.00." if "," in text else "Write it like 250.00."
        raise Invalid("amount_malformed", f"“{text[:_LONGEST]}” is not an amount. {how}")
    places = (found["places"] or "").rstrip("0")
    if len(places) > decimals:
        raise Invalid("amount_too_precise", f"This token has {decimals} decimal places; use no more.")
    units = int((found["whole"] or "0") + places.ljust(decimals, "0"))
    if not units:
        raise Invalid("amount_not_positive", "The amount must be more than zero.")
    return units


def parse_typed(text: str, decimals: int) -> int:
    """Base units of an amount that a person typed; `1,234,567.50` is read as the pages write it.

    Raises `Invalid` `amount_ambiguous` with both readings for “2,500” and “2.500”, which half of the world
    reads as the other; otherwise as `parse`, also for “12,50”.
    """
    cleaned = text.strip()
    either = _EITHER.fullmatch(cleaned)
    if either:
        many, few = either["before"] + either["after"], _one_reading(either["before"], either["after"])
        message = f"“{cleaned}” can be read in two ways. Did you mean {many} or {few}? Write that instead."
        raise Invalid("amount_ambiguous", message)
    grouped = len(cleaned) <= _LONGEST and _GROUPED.fullmatch(cleaned)
    return parse(cleaned.replace(",", "") if grouped else cleaned, decimals)


def _one_reading(whole: str, places: str) -> str:
    """`2` and `500` are `2.5`, `2` and `125` are `2.1250`: a decimal that nobody reads as thousands."""
    kept = places.rstrip("0")
    return f"{whole}.{kept}{'0' * (len(kept) == 3)}" if kept else whole


def for_input(amount: Amount) -> str:
    """For a field that people change: its figure, with a fourth place where three could be thousands."""
    shown = amount.figure
    return shown + "0" if _EITHER.fullmatch(shown) else shown


def is_typed(text: str, amount: Amount) -> bool:
    """Whether a person typed exactly this amount, to confirm it: as shown, or in a form with one reading."""
    try:
        return text.strip() == amount.figure or parse_typed(text, amount.unit.decimals) == amount.units
    except Invalid:
        return False


def share(units: int, basis_points: int) -> int:
    """The part of `units` that is `basis_points` of ten thousand, rounded down."""
    return units * basis_points // 10_000
