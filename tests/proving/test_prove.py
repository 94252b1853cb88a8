"""The provers must be able to say no: each is shown something false, or something wrong."""

import shutil
from pathlib import Path

import pytest

from contracts import forge, mutate, prove
from contracts.proving import report, symbolic
from contracts.proving.bench import Bench, Verdict

OPEN_TO_ALL = """// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

contract OpenToAll {
    function empty(address payable to) external {
        to.transfer(address(this).balance);
    }
}
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The compiler's settings and nothing to compile."""
    (tmp_path / "contracts/src").mkdir(parents=True)
    shutil.copy2(forge.ROOT / "foundry.toml", tmp_path)
    shutil.copy2(forge.ROOT / "contracts/solc.js", tmp_path / "contracts")
    (tmp_path / "node_modules").symlink_to(forge.ROOT / "node_modules")
    return tmp_path


def test_a_false_property_makes_the_proofs_fail(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy2(forge.ROOT / "contracts/src/Slots.sol", tree / "contracts/src")
    (tree / symbolic.PROOFS).mkdir(parents=True)
    proofs = (forge.ROOT / symbolic.PROOFS / "Slots.t.sol").read_text()
    wrong = "function check_canary_amounts_are_even(uint256 word) public pure { assert(word % 2 == 0); }\n"
    (tree / symbolic.PROOFS / "Slots.t.sol").write_text(proofs.rstrip().removesuffix("}") + wrong + "}\n")

    assert not prove.symbolically(["SlotsProof"], root=tree)

    failed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAIL")]
    assert len(failed) == 1
    assert "refuted" in failed[0]
    assert "check_canary_amounts_are_even" in failed[0]


def test_a_finding_that_nobody_explained_makes_the_analysis_fail(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "contracts/src/OpenToAll.sol").write_text(OPEN_TO_ALL)

    assert not prove.statically(tree)

    assert "FAIL not explained: arbitrary-send-eth: OpenToAll.empty" in capsys.readouterr().out


def test_every_proof_contract_also_holds_a_property_that_must_be_refuted() -> None:
    for contract, properties in symbolic.contracts().items():
        assert any(name.startswith("check_false_") for name in properties), contract


def test_the_campaign_stops_when_tests_do_not_notice_that_anyone_may_pay() -> None:
    class Blind(Bench):
        def __init__(self) -> None: ...

        def prepare(self, targets: tuple[str, ...]) -> None: ...

        def judge(self, change: object, *, thorough: bool = False) -> Verdict:
            return Verdict.SURVIVED

    with pytest.raises(mutate.CanaryAlive):
        mutate.canary(Blind())


def test_too_few_caught_or_a_survivor_without_a_reason_fails() -> None:
    mutant = {
        "file": "contracts/src/Slots.sol",
        "line": 1,
        "mutator": "ROR",
        "start": 0,
        "end": 1,
        "new": "x",
    }
    unexplained = report.mutation([(mutant, Verdict.CAUGHT)] * 99 + [(mutant, Verdict.SURVIVED)], "suite")
    few = report.mutation([(mutant, Verdict.CAUGHT)] * 8 + [(mutant, Verdict.SURVIVED)], "suite")
    all_caught = report.mutation([(mutant, Verdict.CAUGHT)], "suite")

    assert report.problems(unexplained, 90.0, complete=True) == 1
    assert report.problems({**few, "survivors": []}, 90.0, complete=True) == 1
    assert report.problems(all_caught, 90.0, complete=True) == 0
