"""Run as `python -m tests.chaos.run_chaos [F...]`: the failure tests, long, and one line at the end that
says it. Ends with a code other than zero when one failed, was skipped or is missing.

With numbers only those are played, and their rows replace the ones of the last time: each row names the
commit it was judged at. Other arguments go to pytest.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.chaos.registry import TITLES, numbers
from tests.chaos.results import FOLDER, ROOT, Case, cases, stamp

# How the machine of random steps plays here; a quick run plays two short lives.
LONG = {"HOLDFAST_CHAOS_LIVES": "20", "HOLDFAST_CHAOS_STEPS": "30"}
JSON = FOLDER / "chaos.json"


def main(arguments: list[str]) -> int:
    wanted = [int(word[1:]) for word in arguments if re.fullmatch(r"F\d+", word)]
    judged = dict(zip(("commit", "date"), stamp(), strict=True))
    with tempfile.TemporaryDirectory() as folder:
        xml = Path(folder) / "chaos.xml"
        argv = [sys.executable, "-m", "pytest", "-m", "chaos", "-n", "2", f"--junitxml={xml}"]
        argv += ["-k", " or ".join(f"f{number:02}_" for number in wanted)] if wanted else []
        argv += [word for word in arguments if not re.fullmatch(r"F\d+", word)]
        code = subprocess.run(argv, cwd=ROOT, env=LONG | dict(os.environ), check=False).returncode
        found = cases(xml)
    before = json.loads(JSON.read_text())["tests"] if wanted and JSON.exists() else {}
    played = wanted or list(TITLES)
    rows = {f"F{number}": _row(number, found if number in played else []) for number in TITLES}
    for name, row in rows.items():
        row.update(judged if int(name[1:]) in played else before.get(name, {}))
    results = [str(row["result"]) for row in rows.values()]
    line = (
        f"{len(TITLES)} failure tests: {results.count('held')} held, {results.count('failed')} failed, "
        f"{results.count('skipped')} skipped, {results.count('missing')} missing "
        f"({sum(int(str(row['cases'])) for row in rows.values())} cases)"
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


def _write(rows: dict[str, dict[str, object]], line: str) -> None:
    JSON.parent.mkdir(parents=True, exist_ok=True)
    JSON.write_text(json.dumps({"summary": line, "tests": rows}, indent=2) + "\n")
    table = [
        f"| {name} | {row['about']} | {row['cases']} | {row['seconds']} | {row['result']} | {row['commit']}, "
        f"{row['date']} |"
        for name, row in rows.items()
        if "commit" in row
    ]
    head = ["| test | what happens | cases | seconds | result | judged |", "| --- " * 6 + "|"]
    text = ["# Failure tests", "", f"{line}; `make chaos`.", "", *head, *table]
    JSON.with_suffix(".md").write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
