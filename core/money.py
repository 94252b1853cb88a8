"""Amounts: whole base units that never travel without their unit, so that two assets cannot be added."""

import re
from dataclasses import dataclass

from core.errors import Invalid

_LONGEST = 60
_PLAIN = re.compile(r"(?=.*[0-9])(?P<whole>[1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]*)(?:\.(?P<places>[0-9]*))?")


@dataclass(frozen=True, slots=True)
class Unit:
    """A token on a network. `key` is what identifies it; two units are one only if all parts agree."""

    key: str
    symbol: str
    decimals: int
    network: str


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

    @property
    def decimal(self) -> str:
        """Plain decimal string with all digits of the token, as the API shows it: `250.000000`."""
        return to_decimal(self.units, self.unit.decimals)

    def __str__(self) -> str:
        return f"{display(self.units, self.unit.decimals)} {self.unit.symbol}"


def to_decimal(units: int, decimals: int) -> str:
    """`250000000` at 6 decimals is `250.000000`; exact at any size."""
    sign, digits = ("-" if units < 0 else ""), str(abs(units)).rjust(decimals + 1, "0")
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}" if decimals else f"{sign}{digits}"


def display(units: int, decimals: int) -> str:
    """For people: thousands separated, at least two places, no further trailing zeros: `1,250.50`."""
    whole, _, places = to_decimal(abs(units), decimals).partition(".")
    kept = places.rstrip("0").ljust(2, "0")
    return f"{'-' if units < 0 else ''}{int(whole):,}.{kept}"


def parse(text: str, decimals: int) -> int:
    """Base units of a decimal string typed by a person or sent by a partner.

    Commas are read only where they part whole groups of thousands, as the pages write them: “12,50” may mean
    twelve and a half, and is refused. Raises `Invalid` for anything that is not a plain positive decimal with
    at most `decimals` places. Exact at any size.
    """
    cleaned = text.strip()
    found = _PLAIN.fullmatch(cleaned) if len(cleaned) <= _LONGEST else None
    if found is None:
        raise Invalid("amount_malformed", f"“{text[:_LONGEST]}” is not an amount. Write it like 250.00.")
    whole, places = found["whole"].replace(",", ""), (found["places"] or "").rstrip("0")
    if len(places) > decimals:
        raise Invalid("amount_too_precise", f"This token has {decimals} decimal places; use no more.")
    units = int((whole or "0") + places.ljust(decimals, "0"))
    if not units:
        raise Invalid("amount_not_positive", "The amount must be more than zero.")
    return units


def share(units: int, basis_points: int) -> int:
    """The part of `units` that is `basis_points` of ten thousand, rounded down."""
    return units * basis_points // 10_000
