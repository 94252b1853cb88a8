"""The judgement of a soak can fail: each kind of harm makes it red, and names it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.soak.checks import Found, Leg, WantedLife, judge, without_effect

VAULT, BUYER, SELLER, FEE = "0xvault", "0xbuyer", "0xseller", "0xfee"
LIFE = WantedLife(
    number=1,
    escrow="esc_1",
    vault=VAULT,
    end="settled",
    deposits={"0xd1": 60, "0xd2": 40},
    payouts=((SELLER, 69), (FEE, 1), (BUYER, 30)),
)


def healthy() -> Found:
    """What a life leaves behind when nothing went wrong."""
    return Found(
        states={"esc_1": "settled"},
        transfers=[
            ("0xm", ("0x0", BUYER, 100)),
            ("0xd1", (BUYER, VAULT, 60)),
            ("0xd2", (BUYER, VAULT, 40)),
            ("0xp", (VAULT, SELLER, 69)),
            ("0xp", (VAULT, FEE, 1)),
            ("0xp", (VAULT, BUYER, 30)),
        ],
        legs=[
            Leg("esc_1", SELLER, 69, "paid"),
            Leg("esc_1", FEE, 1, "paid"),
            Leg("esc_1", BUYER, 30, "paid"),
            Leg("esc_1", BUYER, 100, "superseded"),
        ],
        deposits={"0xd1": [60], "0xd2": [40]},
        balances={VAULT: 0},
        books={VAULT: 0},
        accounts={("esc_1", "held"): 0},
        open_work={"open calls": 0},
    )


def test_a_healthy_end_is_green() -> None:
    assert judge([LIFE], healthy()).sentences == []


Harm = Callable[[Found], Found]


def _without_payment(found: Found) -> Found:
    return replace(found, transfers=[row for row in found.transfers if row[1][1] != SELLER])


def _doubled(found: Found) -> Found:
    return replace(found, transfers=[*found.transfers, ("0xq", (VAULT, SELLER, 69))])


def _stranger(found: Found) -> Found:
    return replace(found, transfers=[*found.transfers, ("0xq", (VAULT, "0xstranger", 5))])


def _one_unit_less(found: Found) -> Found:
    rows = [("0xp", (VAULT, SELLER, 68)) if row[1][1] == SELLER else row for row in found.transfers]
    return replace(found, transfers=rows)


def _leg(state: str) -> Harm:
    def harm(found: Found) -> Found:
        return replace(found, legs=[replace(found.legs[0], state=state), *found.legs[1:]])

    return harm


HARMS: dict[str, tuple[str, Harm]] = {
    "a payment is missing": ("lost", _without_payment),
    "a payment was made twice": ("doubled", _doubled),
    "money went to a stranger": ("doubled", _stranger),
    "a payment is a unit short": ("lost", _one_unit_less),
    "a leg waits": ("lost", _leg("ordered")),
    "a leg is not in our tables": ("different", lambda found: replace(found, legs=found.legs[1:])),
    "a leg is twice in our tables": (
        "different",
        lambda found: replace(found, legs=[*found.legs, found.legs[0]]),
    ),
    "an escrow never ended": ("lost", lambda found: replace(found, states={"esc_1": "disputed"})),
    "an escrow is gone": ("lost", lambda found: replace(found, states={})),
    "an escrow too many": (
        "other",
        lambda found: replace(found, states={**found.states, "esc_2": "released"}),
    ),
    "a deposit is not on chain": ("lost", lambda found: replace(found, transfers=found.transfers[2:])),
    "a deposit was not credited": ("lost", lambda found: replace(found, deposits={"0xd1": [60]})),
    "a deposit was credited twice": (
        "doubled",
        lambda found: replace(found, deposits={"0xd1": [60, 60], "0xd2": [40]}),
    ),
    "a deposit was credited with another amount": (
        "different",
        lambda found: replace(found, deposits={"0xd1": [61], "0xd2": [40]}),
    ),
    "money nobody sent came in": (
        "other",
        lambda found: replace(found, transfers=[*found.transfers, ("0xs", ("0xs", VAULT, 9))]),
    ),
    "a line of the books is wrong": ("different", lambda found: replace(found, books={VAULT: 1})),
    "money stayed in the vault": (
        "lost",
        lambda found: replace(found, balances={VAULT: 1}, books={VAULT: 1}),
    ),
    "an account was not emptied": (
        "different",
        lambda found: replace(found, accounts={("esc_1", "held"): 1}),
    ),
    "the books do not sum to zero": ("different", lambda found: replace(found, total=1)),
    "reconciling found a difference": ("different", lambda found: replace(found, differences=["a vault"])),
    "work was left": ("other", lambda found: replace(found, open_work={"open calls": 1})),
}


@pytest.mark.parametrize("name", HARMS)
def test_every_kind_of_harm_makes_the_judgement_red(name: str) -> None:
    kind, harm = HARMS[name]
    verdict = judge([LIFE], harm(healthy()))
    assert getattr(verdict, kind), verdict


def test_a_kind_of_fault_that_never_struck_makes_it_red() -> None:
    assert without_effect({"kill worker": 2, "redis killed": 1}) == []
    assert without_effect({"kill worker": 2, "redis killed": 0}) == ["no “redis killed” had an effect"]
