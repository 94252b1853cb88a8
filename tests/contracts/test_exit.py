"""Parties get their money without the platform: the terms file, `cast`, and the README's commands."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from contracts import exit, exit_play, forge
from contracts.devchain import DevChain
from contracts.exit_play import COMMANDS, Desk, Failed, Stage
from contracts.terms import Terms
from tests.contracts.test_terms import any_terms

README = forge.ROOT / "contracts" / "README.md"


def test_every_way_out_works_without_the_platform() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "contracts.exit_play"],
        cwd=forge.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ways = len(exit_play.SCENES) + len(exit_play.ELSEWHERE)
    assert done.stdout.count("\n== ") == ways
    assert f"{ways} ways out" in done.stdout


def test_a_step_that_fails_ends_the_play(chain: DevChain, tmp_path: Path) -> None:
    """The canary: a claim before its time is not told as a success."""
    stage = Stage(chain, 99)
    stage.deposit()
    with pytest.raises(Failed, match="claimUndelivered"):
        Desk(stage, tmp_path, print).sends("buyer", "claimUndelivered")


def test_money_in_the_wrong_place_ends_the_play(chain: DevChain, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(stage: Stage, desk: Desk) -> None:
        """Nobody does anything and the buyer should have the money."""
        exit_play._got(stage, buyer=1)

    monkeypatch.setattr(exit_play, "SCENES", (nothing,))
    monkeypatch.setattr(sys, "argv", ["exit_play"])
    with pytest.raises(SystemExit, match="holds 0 and not 1"):
        exit_play.main()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_shows_the_commands_that_ran(name: str) -> None:
    assert COMMANDS[name] in README.read_text()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(terms=any_terms())
def test_the_file_alone_gives_the_words_of_the_terms(terms: Terms) -> None:
    given_words = exit.words(json.loads(json.dumps(terms.to_json()))).strip("()").split(",")
    packed = [int(word, 16) for word in given_words]
    assert packed == [
        word if isinstance(word, int) else int.from_bytes(word, "big") for word in terms.as_abi()
    ]


@pytest.mark.parametrize("damage", [{"amount": str(1 << 96)}, {"token": "0x12"}, {"buyer": "0x" + "zz" * 20}])
def test_a_damaged_file_is_refused(chain: DevChain, tmp_path: Path, damage: dict[str, str]) -> None:
    file = Stage(chain).file()
    file["terms"] |= damage
    (tmp_path / "terms.json").write_text(json.dumps(file))
    with pytest.raises(SystemExit, match="is not a terms file"):
        exit.main([str(tmp_path / "terms.json")])


def test_the_file_is_read_without_anything_but_python(chain: DevChain, tmp_path: Path) -> None:
    """The one module, copied to an empty folder, run without any package."""
    (tmp_path / "exit.py").write_text(Path(exit.__file__).read_text())
    stage = Stage(chain)
    (tmp_path / "terms.json").write_text(json.dumps(stage.file()))
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(tmp_path / "exit.py"), str(tmp_path / "terms.json")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"ID={stage.terms.escrow_id}\n" in done.stdout
