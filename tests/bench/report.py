"""What was measured, where and on what: JSON for machines, a table for people."""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg2

from tests.bench.ground import ROOT

FOLDER = ROOT / "docs" / "benchmarks"
_JSON, _TABLE = FOLDER / "results.json", FOLDER / "results.md"


def keep(letter: str, result: dict[str, Any], *, seconds: int) -> None:
    """Put one letter's result into the file; the others stay, each with its own commit and date."""
    known = _known()
    known[letter] = {
        **result,
        "commit": _git("rev-parse", "--short", "HEAD"),
        "changed_files": bool(_git("status", "--porcelain", "--untracked-files=no", "--", ":!docs")),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        "took_seconds": seconds,
        "machine": _machine(),
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    _JSON.write_text(json.dumps(dict(sorted(known.items())), indent=2) + "\n")


def write() -> None:
    """The table, from all that is known."""
    lines = ["# Benchmarks", "", "Written by `make bench`; all figures are in `results.json`.", ""]
    for letter, result in _known().items():
        lines += [f"## {letter}. {result['what']}", "", *_table(result["cases"]), ""]
        lines += [f"{note}" for note in result.get("notes", [])]
        lines += [_origin(result), ""]
    FOLDER.mkdir(parents=True, exist_ok=True)
    _TABLE.write_text("\n".join(lines).rstrip() + "\n")


def _known() -> dict[str, Any]:
    return json.loads(_JSON.read_text()) if _JSON.exists() else {}


def _table(cases: list[dict[str, Any]]) -> list[str]:
    rows = ["| case | measured | floor | target | |", "| --- | --- | --- | --- | --- |"]
    return rows + [
        f"| {case['case']} | {case['shown']} | {case.get('floor_shown', '')} | {_target(case)} |"
        for case in cases
    ]


def _target(case: dict[str, Any]) -> str:
    if "met" not in case:
        return "| "
    return f"{case['target']}: {case['measured']:g} | {'met' if case['met'] else '**missed**'}"


def _origin(result: dict[str, Any]) -> str:
    machine, changed = result["machine"], " with changes" if result["changed_files"] else ""
    return (
        f"Commit {result['commit']}{changed}, {result['date']} UTC, {machine['cores']} cores, "
        f"{machine['memory_gb']} GB, load {machine['load']} at the end; Python {machine['python']}, "
        f"PostgreSQL {machine['postgresql']}, {machine['anvil']}."
    )


def _machine() -> dict[str, Any]:
    from escrow_platform.stack.anvil import binary

    meminfo = Path("/proc/meminfo").read_text().split()
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(int(meminfo[1]) / 1024**2),
        "load": round(os.getloadavg()[0], 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "postgresql": _postgresql(),
        "anvil": _first_line(str(binary()), "--version"),
        "packages": {
            name: version(name) for name in ("django", "celery", "web3", "psycopg2-binary", "uvicorn")
        },
    }


def _postgresql() -> str:
    with psycopg2.connect(os.environ["DATABASE_URL"]) as connection:
        number = connection.server_version
    return f"{number // 10000}.{number % 10000}"


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()


def _first_line(*argv: str) -> str:
    found = subprocess.run(argv, capture_output=True, text=True, check=False).stdout.splitlines()
    return found[0] if found else "anvil"
