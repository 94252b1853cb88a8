"""What every path costs is written down, and stays below its target."""

import json

import pytest

from contracts import gas


@pytest.fixture(scope="module")
def committed() -> dict[str, dict[str, int | None]]:
    rows: dict[str, dict[str, int | None]] = json.loads(gas.GAS_FILE.read_text())
    return rows


def test_the_written_measurements_are_true(committed: dict[str, dict[str, int | None]]) -> None:
    assert gas.measure() == committed


@pytest.mark.parametrize("key", gas.TARGETS)
def test_no_path_costs_more_than_its_target(committed: dict[str, dict[str, int | None]], key: str) -> None:
    measured = committed[key]["gas"]
    assert measured is None or measured <= gas.TARGETS[key]


@pytest.mark.parametrize("key", gas.ANCHORS)
def test_the_test_token_costs_what_the_real_one_costs(
    committed: dict[str, dict[str, int | None]], key: str
) -> None:
    measured = committed[key]["gas"]
    assert measured is not None
    assert abs(measured - gas.ANCHORS[key]) <= gas.ANCHORS[key] // 100
