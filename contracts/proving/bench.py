"""A copy of the contracts and their tests in which one file at a time is replaced: do the tests notice?

forge takes 30 seconds to compile everything, a mutant alone half a second. So forge compiles once; then
the code of the contract under test takes the place of what forge built, where the tests deploy it from.
Without optimizer: that takes half of the time and changes no meaning. The bench first sees that the tests
pass on the unchanged code built the same way.
"""

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from contracts import forge
from contracts.proving import tools

SETTINGS: dict[str, Any] = {
    "remappings": ["@openzeppelin/=node_modules/@openzeppelin/"],
    "evmVersion": "cancun",
    "optimizer": {"enabled": False},
    "metadata": {"appendCBOR": False, "bytecodeHash": "none"},
}
FUZZ_RUNS = "16"
# Of processor time, not of the clock: a busy machine must not look like a mutant that hangs.
TEST_SECONDS = 60
_UNOPTIMIZED_SIZE = "100000"


class Verdict(StrEnum):
    """What became of a mutant. `REFUSED` by the compiler and `SAME` code as before do not count."""

    CAUGHT = "caught"
    SURVIVED = "survived"
    REFUSED = "refused"
    SAME = "same"


class BenchBroken(RuntimeError):
    """The tests do not pass on the unchanged code; the message is what they said."""


@dataclass(frozen=True, slots=True)
class Change:
    """`text` in the place of a source file, and the contracts (`file:contract`) whose code it changes."""

    file: str
    text: str
    targets: tuple[str, ...]


class Bench:
    """One scratch tree with one compiler process; not for several threads at once."""

    def __init__(self) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="mutation-")
        self.root = Path(self._scratch.name)
        tools.copy_tree(self.root, "proofs")
        self._compiler = subprocess.Popen(
            ["node", str(forge.ROOT / "contracts/proving/compiler.js"), str(self.root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._original: dict[tuple[str, ...], list[str]] = {}
        self._seen: dict[tuple[str, ...], Verdict] = {}

    def close(self) -> None:
        """Ends the compiler and removes the tree."""
        if self._compiler.stdin is not None:
            self._compiler.stdin.close()
        self._compiler.wait(30)
        self._scratch.cleanup()

    def build(self, other: "Bench | None" = None) -> None:
        """Compiles everything once, or takes what another bench compiled. Raises BenchBroken."""
        if other is not None:
            for made in ("out", "cache"):
                shutil.copytree(other.root / "contracts" / made, self.root / "contracts" / made)
            return
        done = self._forge("build")
        if done.returncode:
            raise BenchBroken(done.stdout + done.stderr)

    def prepare(self, targets: tuple[str, ...]) -> None:
        """Builds the unchanged code of `targets`; all tests must pass on it. Raises BenchBroken."""
        source = targets[0].partition(":")[0]
        text = (self.root / source).read_text()
        codes = self._compile(Change(source, text, targets))
        if codes is None:
            raise BenchBroken(f"{targets} do not compile")
        self._original[targets] = codes
        self._seen.clear()
        self._put(targets, codes)
        done = self._forge("test", "--no-match-contract", "Invariant")
        if done.returncode:
            raise BenchBroken(done.stdout + done.stderr)

    def judge(self, change: Change, *, thorough: bool = False) -> Verdict:
        """Whether the tests fail on the change; `thorough`: the invariants, which take seconds."""
        codes = self._compile(change)
        if codes is None:
            return Verdict.REFUSED
        if codes == self._original[change.targets]:
            return Verdict.SAME
        key = (str(thorough), *codes)
        if key not in self._seen:
            self._put(change.targets, codes)
            selection = (
                ("--match-contract", "Invariant") if thorough else ("--no-match-contract", "Invariant")
            )
            self._seen[key] = Verdict.CAUGHT if self._fails(*selection) else Verdict.SURVIVED
            self._put(change.targets, self._original[change.targets])
        return self._seen[key]

    def _compile(self, change: Change) -> list[str] | None:
        asked = {
            "targets": change.targets,
            "replaced": change.file,
            "text": change.text,
            "settings": SETTINGS,
        }
        assert self._compiler.stdin is not None
        assert self._compiler.stdout is not None
        self._compiler.stdin.write(json.dumps(asked) + "\n")
        self._compiler.stdin.flush()
        answer = json.loads(self._compiler.stdout.readline())
        codes: list[str] | None = answer.get("codes")
        return codes

    def _put(self, targets: tuple[str, ...], codes: list[str]) -> None:
        for target, code in zip(targets, codes, strict=True):
            file, _, name = target.partition(":")
            path = self.root / "contracts/out" / Path(file).name / f"{name}.json"
            artifact = json.loads(path.read_text())
            artifact["bytecode"]["object"] = "0x" + code
            path.write_text(json.dumps(artifact))

    def _fails(self, *selection: str) -> bool:
        done = self._forge("test", "--fail-fast", *selection)
        if done.returncode == 0:
            return False
        if "[FAIL" not in done.stdout and done.returncode > 0:
            raise BenchBroken(done.stdout + done.stderr)
        return True

    def _forge(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environ = {
            **os.environ,
            "FOUNDRY_FUZZ_RUNS": FUZZ_RUNS,
            "FOUNDRY_CODE_SIZE_LIMIT": _UNOPTIMIZED_SIZE,
        }
        limit = TEST_SECONDS if arguments[0] == "test" else "unlimited"
        return subprocess.run(
            ["sh", "-c", f'ulimit -t {limit}; exec "$@"', "sh", str(forge.native("forge")), *arguments],
            cwd=self.root,
            env=environ,
            text=True,
            capture_output=True,
            check=False,
        )
