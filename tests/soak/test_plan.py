"""A seed and a number of lives decide everything, so that a soak can be played again."""

from collections import Counter

import pytest

from tests.soak.plan import FAULTS, make


def test_a_plan_is_decided_by_its_seed_and_its_number_of_lives() -> None:
    first, again = make(1234, 30), make(1234, 30)
    assert first == again
    assert first.digest() == again.digest()


def test_another_seed_or_another_number_is_another_plan() -> None:
    digests = {make(seed, lives).digest() for seed in range(5) for lives in (30, 31)}
    assert len(digests) == 10


def test_a_plan_is_the_same_in_every_process() -> None:
    """Nothing in it may hang on the order of a set, or on a process: this digest was written down once."""
    assert make(1234, 300).digest() == "a741c3112502fc4b"


@pytest.mark.parametrize("lives", [6, 30, 300])
def test_a_third_of_the_lives_is_disputed_and_every_kind_of_fault_comes(lives: int) -> None:
    plan = make(7, lives)
    assert len(plan.lives) == lives
    assert Counter(life.kind for life in plan.lives)["ruled"] == lives // 3
    assert {fault.kind for fault in plan.faults} == set(FAULTS)


@pytest.mark.parametrize("seed", range(20))
def test_what_goes_in_comes_out_to_the_base_unit(seed: int) -> None:
    for life in make(seed, 60).lives:
        assert sum(units for _, units in life.legs()) == sum(life.payments)


def test_every_fault_comes_while_lives_go_on() -> None:
    """Progress counts two steps for each life; a fault that waits for more would never come."""
    for lives in (6, 7, 30, 300):
        assert all(2 <= fault.at < 2 * lives for fault in make(3, lives).faults)


def test_a_calm_plan_has_the_same_lives() -> None:
    assert make(5, 12, faults=False).lives == make(5, 12).lives


def test_too_few_lives_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 6"):
        make(1, 5)
