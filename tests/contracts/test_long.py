"""The long run of the invariants says what happened, and refuses to call too little a proof."""

import json
from pathlib import Path
from typing import Any

import pytest

from contracts import artifacts, long
from contracts.long import Count

ENOUGH = {
    "act_buyer_releases": Count(400_000, 200_000),
    "bad_message_twice": Count(100_000, 0),
    "env_time": Count(200, 200),
}


def _suite(**calls: tuple[int, int]) -> dict[str, Any]:
    seen = {f"a.sol:A.{name}": {"calls": tried, "reverts": no} for name, (tried, no) in calls.items()}
    result = {"status": "Success", "kind": {"Invariant": {"metrics": seen}}}
    return {"test_results": {"invariant_x()": result}}


def test_what_the_runner_counts_in_several_suites_is_added_up() -> None:
    suites = {"a": _suite(act_x=(10, 4), bad_y=(5, 5)), "b": _suite(act_x=(1, 0))}
    assert long.tally(suites) == {"act_x": Count(11, 7), "bad_y": Count(5, 0)}


def test_enough_of_everything_is_no_problem() -> None:
    assert long.problems(ENOUGH) == []


@pytest.mark.parametrize(
    ("counts", "problem"),
    [
        ({"act_buyer_releases": Count(399_999, 200_000)}, "499,999 calls"),
        ({"act_buyer_releases": Count(400_000, 149_999)}, "30.0% of the calls"),
        ({"act_seats_rule": Count(5_000, 99)}, "act_seats_rule was accepted 99 times"),
        ({"env_loss": Count(5_000, 99)}, "env_loss was accepted 99 times"),
        ({"bad_message_twice": Count(100_000, 1)}, "bad_message_twice was accepted 1 times"),
        ({"bad_ruling": Count(99, 0)}, "bad_ruling was tried 99 times"),
    ],
)
def test_too_little_or_an_attack_that_worked_is_a_problem(counts: dict[str, Count], problem: str) -> None:
    (found,) = long.problems({**ENOUGH, **counts})
    assert problem in found


def test_what_happens_without_the_escrow_is_not_counted_as_calls() -> None:
    assert long.total(ENOUGH) == Count(500_000, 200_000)


def test_a_short_run_is_printed_and_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(long, "RESULT", tmp_path / "result.json")
    assert long.main(["--runs", "1"]) == 1
    said = capsys.readouterr()
    assert "buyer releases" in said.out
    assert "at least 500,000 are wanted" in said.err
    assert not (tmp_path / "result.json").exists()


def test_the_result_names_what_it_belongs_to(tmp_path: Path) -> None:
    path = tmp_path / "results" / "long.json"
    long.write(ENOUGH, path)
    result = json.loads(path.read_text())
    assert result["sources"] == artifacts.load("Escrow").source_hash
    assert result["commit"]
    assert (result["calls"], result["accepted"]) == (500_000, 200_000)
    assert result["acts"]["bad_message_twice"] == {"tried": 100_000, "accepted": 0}
