"""Run as `python -m tests.nodes`: the same tests on each kind of node; writes docs/results/nodes.md.

Ends with a code other than zero when one failed anywhere. Arguments go to pytest.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from escrow_platform.stack.anvil import binary
from tests.chaos.results import FOLDER, ROOT, Case, cases, stamp

KINDS = ("anvil", "hardhat")
_HARDHAT = ROOT / "tests" / "nodes" / "node_modules" / ".bin" / "hardhat"


def main(arguments: list[str]) -> int:
    """Play and write."""
    found = {kind: _play(kind, arguments) for kind in KINDS}
    names = list(dict.fromkeys(case.name.split("::")[-1] for rows in found.values() for case in rows))
    commit, date = stamp()
    failed = [case for rows in found.values() for case in rows if case.verdict != "passed"]
    lines = [
        "# The engine on more than one kind of node",
        "",
        f"Written by `make nodes`, commit {commit}, {date}. What differs between the kinds, and what the"
        " engine does about it: [engine.md](../engine.md), \"Nodes\".",
        "",
        "| test | " + " | ".join(f"{kind} {_version(kind)}" for kind in KINDS) + " |",
        "| --- | " + "--- | " * len(KINDS),
        *(f"| {_title(name)} | " + " | ".join(_cell(found[kind], name) for kind in KINDS) + " |"
          for name in names),
        "",
    ]  # fmt: skip
    (FOLDER / "nodes.md").write_text("\n".join(lines))
    print(f"{len(names)} tests on {len(KINDS)} kinds of node: {len(failed)} failed")
    return 0 if names and not failed and all(found.values()) else 1


def _play(kind: str, arguments: list[str]) -> list[Case]:
    with tempfile.TemporaryDirectory() as folder:
        xml = Path(folder) / "nodes.xml"
        argv = [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:randomly",
            f"--junitxml={xml}",
            "tests/nodes/lives.py",
        ]
        subprocess.run([*argv, *arguments], cwd=ROOT, env={**os.environ, "NODE": kind}, check=False)
        return cases(xml)


def _title(name: str) -> str:
    return name.removeprefix("test_").replace("_", " ")


def _cell(rows: list[Case], name: str) -> str:
    case = next((row for row in rows if row.name.endswith(f"::{name}")), None)
    return f"{case.verdict}, {case.seconds:.1f} s" if case else "missing"


def _version(kind: str) -> str:
    program = binary() if kind == "anvil" else _HARDHAT
    argv = [str(program), "--version"]
    said = subprocess.run(argv, cwd=_HARDHAT.parents[2], capture_output=True, text=True, check=False).stdout
    return next((word for word in said.split() if word[:1].isdigit()), "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
