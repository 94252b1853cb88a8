"""What the attacks did to others, as a table for people."""

import subprocess
from datetime import UTC, datetime
from typing import Any

from tests.bench.ground import ROOT

_FILE = ROOT / "docs" / "results" / "attack.md"


def held(found: dict[str, Any]) -> bool:
    """Whether every bound held."""
    return not found["refused"] and all(case["held"] for case in found["cases"])


def words(found: dict[str, Any]) -> str:
    """The whole report."""
    lines = [
        "# Attacks",
        "",
        "Written by `make attack`: two workers, the scheduler and one web process on loopback, an attacker",
        "in a process of its own. Somebody else's page is loaded 50 times before and 50 times during each",
        "attack; 95 of 100 loads may take at most three times as long, and none may fail.",
        "",
        "| attack | p95 before, ms | p95 during, ms | ratio | failed loads | what the attacker got | |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [_row(case) for case in found["cases"]]
    memory = found["web_mb"]
    lines += [
        "",
        f"Connections refused to workers: {found['refused']}. Peak memory of the web: "
        f"{memory['before']:.0f} MB before, {memory['after']:.0f} MB after.",
        "",
        f"Commit {_commit()}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC.",
    ]
    return "\n".join(lines)


def write(found: dict[str, Any]) -> None:
    """Into docs/results."""
    _FILE.write_text(words(found) + "\n")


def _row(case: dict[str, Any]) -> str:
    got = ", ".join(f"{name}: {count:,}" for name, count in sorted(case["answers"].items()))
    return (
        f"| {case['case']} | {case['before']['p95_ms']:.0f} | {case['during']['p95_ms']:.0f} | "
        f"{case['ratio']:.2f} | {len(case['bad'])} | {got} | {'held' if case['held'] else '**missed**'} |"
    )


def _commit() -> str:
    argv = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
