"""Runs the symbolic proofs (`test/proofs`) with halmos and judges what it answers.

A property is proven when halmos found no counterexample on any path, gave up on none and cut no loop
short. The properties named `check_false_...` are false: halmos must refute them, or it proves nothing.
`reach` asks for each other property whether the line before its assertions can be reached at all: an
assertion that never runs always holds.
"""

import json
import re
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts import forge
from contracts.proving import tools

PROOFS = Path("contracts/test/proofs")
OUT = Path("contracts/out/prove")
LOOP = 4
BRANCH_TIMEOUT = "1ms"
ASSERT_TIMEOUT = "120s"
BOUNDS = (
    f"loops unrolled {LOOP} times (none cut short), {ASSERT_TIMEOUT} per assertion, no limit on paths; "
    "arguments take every value of their type that the property's assumptions leave"
)
_PASS, _COUNTEREXAMPLE = 0, 1
_MEANING = {0: "proven", 1: "refuted", 2: "out of time", 3: "stuck", 4: "every path reverts", 5: "broken"}
_DECLARED = re.compile(r"function (check_\w+)")
_REACHED = re.compile(r"function reached\(\) internal pure \{\}")


@dataclass(frozen=True, slots=True)
class Property:
    """One property as halmos judged it. `wanted`: what it must answer."""

    contract: str
    signature: str
    code: int
    paths: int
    seconds: float
    cut: int
    wanted: int

    @property
    def name(self) -> str:
        """The function's name, which says what holds."""
        return self.signature.partition("(")[0]

    @property
    def good(self) -> bool:
        """Judged as it must be, and no loop was cut short."""
        return self.code == self.wanted and (self.cut == 0 or self.wanted == _COUNTEREXAMPLE)

    def line(self) -> str:
        """One row for a reader: what was shown, over which arguments, at what cost."""
        verdict = _MEANING.get(self.code, str(self.code))
        mark = "ok  " if self.good else "FAIL"
        return (
            f"{mark} {verdict:<12} {self.contract}.{self.signature}  paths {self.paths}, {self.seconds:.1f} s"
        )


def contracts(root: Path = forge.ROOT) -> dict[str, list[str]]:
    """The properties that stand in the sources, per contract: none may go missing from the answers."""
    found = {}
    for path in sorted((root / PROOFS).glob("*.t.sol")):
        found[f"{path.name.removesuffix('.t.sol')}Proof"] = _DECLARED.findall(path.read_text())
    return found


def prove(
    names: Sequence[str], root: Path = forge.ROOT, *, workers: int = 2, early: bool = False
) -> list[Property]:
    """Asks halmos about the named contracts. Raises ToolFailed when it did not answer for every property.

    `early`: the first counterexample is enough.
    """
    _build(root)
    with ThreadPoolExecutor(workers) as pool:
        answers = list(pool.map(lambda name: _ask(name, root, early), names))
    found = [prop for answer in answers for prop in answer]
    declared = contracts(root)
    missing = {p for name in names for p in declared[name]} - {prop.name for prop in found}
    if missing:
        raise tools.ToolFailed(f"halmos said nothing of {', '.join(sorted(missing))}")
    return found


def reach(names: Sequence[str], *, workers: int = 2) -> list[Property]:
    """The same with `reached()` failing: every property that calls it must be refuted."""
    with tempfile.TemporaryDirectory(prefix="reach-") as scratch:
        root = Path(scratch)
        tools.copy_tree(root)
        base = root / PROOFS / "ProofBase.sol"
        text, times = _REACHED.subn("function reached() internal pure { assert(false); }", base.read_text())
        if times != 1:
            raise tools.ToolFailed("ProofBase.reached() is not where it was")
        base.write_text(text)
        asked = {name: _calling(root, name) for name in names}
        found = prove([name for name in names if asked[name]], root, workers=workers, early=True)
    return [_refuted(prop) for prop in found if prop.name in asked[prop.contract]]


def _calling(root: Path, contract: str) -> set[str]:
    text = (root / PROOFS / f"{contract.removesuffix('Proof')}.t.sol").read_text()
    bodies = re.split(r"(?=function )", text)
    return {m.group(1) for body in bodies if "reached();" in body and (m := _DECLARED.match(body))}


def _refuted(prop: Property) -> Property:
    return Property(
        prop.contract, prop.signature, prop.code, prop.paths, prop.seconds, prop.cut, _COUNTEREXAMPLE
    )


def _build(root: Path) -> None:
    done = subprocess.run(
        ["forge", "build", "--ast", "--extra-output", "storageLayout", "metadata"],
        cwd=root,
        env=tools.environment("prove"),
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise tools.ToolFailed(done.stdout + done.stderr)


def _ask(contract: str, root: Path, early: bool) -> list[Property]:
    with tempfile.TemporaryDirectory() as scratch:
        answer = Path(scratch) / "answer.json"
        done = subprocess.run(
            [
                str(tools.BIN / "halmos"),
                *_arguments(contract, root, answer),
                *(["--early-exit"] if early else []),
            ],
            cwd=root,
            env=tools.environment("prove"),
            text=True,
            capture_output=True,
            check=False,
        )
        if not answer.exists():
            raise tools.ToolFailed(done.stdout + done.stderr)
        results = json.loads(answer.read_text())["test_results"]
    return [_property(contract, row) for rows in results.values() for row in rows]


def _arguments(contract: str, root: Path, answer: Path) -> list[str]:
    solver = f"{tools.BIN / 'yices-smt2'} --smt2-model-format"
    return [
        *("--root", str(root), "--forge-build-out", str(OUT), "--contract", contract, "--loop", str(LOOP)),
        *("--solver-command", solver, "--solver-threads", "1", "--no-status", "--json-output", str(answer)),
        *("--solver-timeout-branching", BRANCH_TIMEOUT, "--solver-timeout-assertion", ASSERT_TIMEOUT),
    ]


def _property(contract: str, row: dict[str, Any]) -> Property:
    wanted = _COUNTEREXAMPLE if row["name"].startswith("check_false_") else _PASS
    return Property(
        contract=contract,
        signature=row["name"],
        code=row["exitcode"],
        paths=(row["num_paths"] or [0])[0],
        seconds=float((row["time"] or [0])[0]),
        cut=row["num_bounded_loops"] or 0,
        wanted=wanted,
    )
