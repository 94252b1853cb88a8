"""What every path costs is written down, stays below its target, and does not creep up."""

import json
from pathlib import Path

import pytest

from contracts import gas, gas_report

Rows = dict[str, dict[str, int | None]]


@pytest.fixture(scope="module")
def committed() -> Rows:
    return gas.committed()


def test_the_written_measurements_are_true(committed: Rows) -> None:
    measured = gas.measure()
    assert gas_report.changes(committed, measured) == []
    assert measured == committed


def test_no_path_costs_more_than_its_target(committed: Rows) -> None:
    assert gas_report.over(committed) == []
    assert gas_report.over({**committed, "happy": {"gas": gas_report.TARGETS["happy"] + 1}}) == ["happy"]


def test_the_test_token_costs_what_the_real_one_costs(committed: Rows) -> None:
    assert gas_report.far(committed) == []
    cheap = {"gas": gas_report.ANCHORS["token_approve"] * 98 // 100}
    assert gas_report.far({**committed, "token_approve": cheap}) == ["token_approve"]


def test_the_readme_shows_what_was_measured(committed: Rows) -> None:
    readme = gas.README.read_text()
    assert gas.with_table(readme, committed) == readme


@pytest.mark.parametrize(("more", "worse"), [(0, []), (10, []), (11, ["happy"])])
def test_one_in_a_hundred_more_than_before_is_too_much(more: int, worse: list[str]) -> None:
    assert gas_report.regressions({"happy": {"gas": 1_000}}, {"happy": {"gas": 1_000 + more}}) == worse


def test_a_path_that_is_not_measured_any_more_is_missed() -> None:
    assert gas_report.regressions({"happy": {"gas": 1_000}}, {}) == ["happy"]


@pytest.fixture
def settling_was_cheaper(committed: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older snapshot and an empty README; measuring finds what is committed."""
    before = {**committed, "settle": {"gas": 200_000, "target": 213_500}}
    for name, content in (("GAS_FILE", json.dumps(before)), ("README", f"{gas.BEGIN}{gas.END}")):
        monkeypatch.setattr(gas, name, tmp_path / name)
        (tmp_path / name).write_text(content)
    monkeypatch.setattr(gas, "measure", lambda: committed)


@pytest.mark.usefixtures("settling_was_cheaper")
def test_what_got_worse_is_told_and_not_written(committed: Rows, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="settle"):
        gas.main([])
    assert f"settle: 200,000 -> {committed['settle']['gas']:,}" in capsys.readouterr().out
    assert gas.committed() != committed
    assert "`settle`" not in gas.README.read_text()


@pytest.mark.usefixtures("settling_was_cheaper")
def test_what_got_worse_is_written_when_it_is_accepted(committed: Rows) -> None:
    gas.main(["--accept"])
    assert gas.committed() == committed
    assert "`settle`" in gas.README.read_text()
