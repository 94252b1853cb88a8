"""`python -m contracts.long` plays the world of the invariants for hundreds of thousands of calls.

It prints how often each kind of act was tried and accepted, fails when an invariant broke or when too little
happened to say anything, and writes what it saw to docs/results/contracts-long.json.
"""

import argparse
import datetime
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts import artifacts, forge

RESULT = forge.ROOT / "docs" / "results" / "contracts-long.json"
SUITES = "InvariantTest$"
MIN_CALLS = 500_000
MIN_SHARE = 0.30
MIN_EACH = 100
ACT, ATTACK, WEATHER = "act", "bad", "env"
TITLES = {
    ACT: "acts of parties, operators, seats and strangers",
    ATTACK: "acts that nobody may do: accepted must be none",
    WEATHER: "what happens without the escrow; not counted as calls",
}


class Broken(RuntimeError):
    """The runner failed, or an invariant broke; the message is what it said."""


@dataclass(frozen=True, slots=True)
class Count:
    """How often one kind of act was tried, and how often it was accepted."""

    tried: int
    accepted: int


def play(runs: int | None = None) -> dict[str, Count]:
    """Runs the suites, with `runs` sequences each or the profile's, and counts by act. Raises Broken."""
    environment = {"FOUNDRY_INVARIANT_RUNS": str(runs)} if runs else {}
    arguments = ["test", "--match-contract", SUITES, "--json"]
    done = forge.run(arguments, profile="long", capture=True, environment=environment)
    try:
        suites: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise Broken(done.stdout + done.stderr) from None
    if done.returncode:
        raise Broken("\n".join(_failures(suites)) or done.stderr)
    return tally(suites)


def _failures(suites: Mapping[str, Any]) -> list[str]:
    return [
        f"{suite} {test}: {result['reason']}"
        for suite, found in suites.items()
        for test, result in found["test_results"].items()
        if result["status"] != "Success"
    ]


def tally(suites: Mapping[str, Any]) -> dict[str, Count]:
    """Sums what the runner counted by act, over all suites and tests."""
    counts: dict[str, Count] = {}
    for found in suites.values():
        for result in found["test_results"].values():
            for name, seen in result["kind"].get("Invariant", {}).get("metrics", {}).items():
                act = name.rsplit(".", 1)[-1]
                was = counts.get(act, Count(0, 0))
                calls = seen["calls"]
                counts[act] = Count(was.tried + calls, was.accepted + calls - seen["reverts"])
    return counts


def total(counts: Mapping[str, Count]) -> Count:
    """Every call to the contracts: what happens without them would only flatter the share."""
    calls = [count for name, count in counts.items() if _kind(name) != WEATHER]
    return Count(sum(c.tried for c in calls), sum(c.accepted for c in calls))


def problems(counts: Mapping[str, Count]) -> list[str]:
    """What is missing before these counts prove anything; empty when nothing is."""
    out = []
    all_calls = total(counts)
    if all_calls.tried < MIN_CALLS:
        out.append(f"{all_calls.tried:,} calls, at least {MIN_CALLS:,} are wanted")
    if all_calls.accepted < MIN_SHARE * all_calls.tried:
        share = all_calls.accepted / all_calls.tried
        out.append(f"{share:.1%} of the calls were accepted, at least {MIN_SHARE:.0%} are wanted")
    for name, count in sorted(counts.items()):
        if _kind(name) == ATTACK:
            if count.accepted:
                out.append(f"{name} was accepted {count.accepted:,} times")
            if count.tried < MIN_EACH:
                out.append(f"{name} was tried {count.tried:,} times, at least {MIN_EACH} are wanted")
        elif count.accepted < MIN_EACH:
            out.append(f"{name} was accepted {count.accepted:,} times, at least {MIN_EACH} are wanted")
    return out


def _kind(name: str) -> str:
    return name.split("_", 1)[0]


def table(counts: Mapping[str, Count]) -> str:
    """The counts for people, by kind of act."""
    lines = []
    for kind, title in TITLES.items():
        lines += ["", f"{title:<58}{'tried':>10}{'accepted':>10}"]
        for name, count in sorted(counts.items()):
            if _kind(name) == kind:
                words = name.split("_", 1)[1].replace("_", " ")
                lines.append(f"  {words:<56}{count.tried:>10,}{count.accepted:>10,}")
    sum_ = total(counts)
    lines += ["", f"{'calls':<58}{sum_.tried:>10,}{sum_.accepted:>10,}  {sum_.accepted / sum_.tried:.1%}"]
    return "\n".join(lines)


def write(counts: Mapping[str, Count], path: Path) -> None:
    """Writes the result with the commit and the sources that it belongs to."""
    sum_ = total(counts)
    result = {
        "commit": _commit(),
        "sources": artifacts.load("Escrow").source_hash,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "calls": sum_.tried,
        "accepted": sum_.accepted,
        "acts": {
            name: {"tried": count.tried, "accepted": count.accepted} for name, count in sorted(counts.items())
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")


def _commit() -> str:
    command = ["git", "rev-parse", "HEAD"]
    done = subprocess.run(command, cwd=forge.ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def main(arguments: Sequence[str]) -> int:
    """The command: 0 when everything held and enough happened."""
    parser = argparse.ArgumentParser(prog="python -m contracts.long", description=__doc__)
    parser.add_argument("--runs", type=int, help="sequences in each suite, instead of the profile's")
    options = parser.parse_args(arguments)
    try:
        counts = play(options.runs)
    except Broken as problem:
        print(problem, file=sys.stderr)
        return 1
    print(table(counts))
    missing = problems(counts)
    for line in missing:
        print(line, file=sys.stderr)
    if missing:
        return 1
    write(counts, RESULT)
    print(f"written to {RESULT.relative_to(forge.ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
