"""Run as `python -m tests.chaos.run_chaos`: every failure test, long, and one line at the end that says it.

Ends with a code other than zero when one failed, was skipped or is missing. Other arguments go to pytest.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.chaos.registry import TITLES, numbers
from tests.chaos.results import FOLDER, ROOT, Case, cases, stamp

# How the machine of random steps plays here; a quick run plays two short lives.
LONG = {"HOLDFAST_CHAOS_LIVES": "40", "HOLDFAST_CHAOS_STEPS": "30"}


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        xml = Path(folder) / "chaos.xml"
        argv = [sys.executable, "-m", "pytest", "-m", "chaos", "-n", "2", f"--junitxml={xml}", *arguments]
        code = subprocess.run(argv, cwd=ROOT, env=LONG | dict(os.environ), check=False).returncode
        found = cases(xml)
    rows = {number: _row(number, found) for number in TITLES}
    results = [str(row["result"]) for row in rows.values()]
    line = (
        f"{len(TITLES)} failure tests: {results.count('held')} held, {results.count('failed')} failed, "
        f"{results.count('skipped')} skipped, {results.count('missing')} missing ({len(found)} cases)"
    )
    _write(rows, line)
    print(line)
    return 0 if code == 0 and set(results) == {"held"} else 1


def _row(number: int, found: list[Case]) -> dict[str, object]:
    mine = [case for case in found if number in numbers(case.name.split("::")[-1])]
    verdicts = {case.verdict for case in mine}
    result = "missing" if not mine else "held"
    if "skipped" in verdicts:
        result = "skipped"
    if verdicts & {"failed", "error"}:
        result = "failed"
    return {
        "about": TITLES[number],
        "cases": len(mine),
        "seconds": round(sum(case.seconds for case in mine), 1),
        "result": result,
    }


def _write(rows: dict[int, dict[str, object]], line: str) -> None:
    commit, date = stamp()
    FOLDER.mkdir(parents=True, exist_ok=True)
    facts = {"commit": commit, "date": date, "summary": line}
    tests = {f"F{number}": row for number, row in rows.items()}
    (FOLDER / "chaos.json").write_text(json.dumps({**facts, "tests": tests}, indent=2) + "\n")
    table = [
        f"| F{number} | {row['about']} | {row['cases']} | {row['seconds']} | {row['result']} |"
        for number, row in rows.items()
    ]
    head = ["| test | what happens | cases | seconds | result |", "| --- | --- | --- | --- | --- |"]
    text = ["# Failure tests", "", f"{line}. Commit {commit}, {date}; `make chaos`.", "", *head, *table]
    (FOLDER / "chaos.md").write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
