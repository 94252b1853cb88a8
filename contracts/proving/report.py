"""Counts what the mutation campaign found and writes it down."""

import json
import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contracts import forge
from contracts.proving.bench import Verdict

RESULTS = forge.ROOT / "docs/results"
REASONS = Path(__file__).resolve().parent / "survivors.json"

# Two spellings of one meaning: pattern, what its matches become, why. The sources hold no signed numbers.
SAME = (
    (r"!= 0(?!x)|> 0(?!x)", "!= 0", "no number here is below zero: not zero is above zero"),
    (r"== 0(?!x)|<= 0(?!x)", "== 0", "no number here is below zero: at most zero is zero"),
    (
        r"\buint\d* (?=(internal|private|public) constant)",
        "uint ",
        "a constant means its value, whatever type holds it",
    ),
    (r"\b([ik]) (?:<|!=) ", r"\1 < ", "the index counts up by one from below the end"),
    (
        r"\+\+([ik])\)|([ik])\+\+\)",
        r"++\1\2)",
        "the head of a loop counts; nobody reads what the counting says",
    ),
    (r"\buint\d+ ([ik]|valid);", r"uint \1;", "no list is as long as what the smaller type holds"),
    (r"\b(gasleft\(\)|before) <=? ", r"\1 < ", "one unit of gas at a margin chosen with room"),
    (r"\w+_GAS = [\d_]+;", "GAS;", "one unit of gas of an allowance chosen with room"),
    (r"( (?:&&|\|\|) .+?)\1", r"\1", "the same condition twice is that condition"),
    (r"([!\w.()]+ (?:&&|\|\|) )\1", r"\1", "the same condition twice is that condition"),
    (r"\b(constant|immutable)\b", "constant", "set at deployment to the value that the constant has"),
)

Pairs = list[tuple[dict[str, Any], Verdict | None]]  # None: was not judged in the time given


def mutation(pairs: Pairs, suite: str) -> dict[str, Any]:
    """Counts per file and per operator, and every survivor with its reason (none: empty)."""
    reasons = _reasons()
    survivors = [_survivor(m, reasons) for m, verdict in pairs if verdict is Verdict.SURVIVED]
    caught = sum(verdict is Verdict.CAUGHT for _, verdict in pairs)
    counted = caught + len(survivors)
    return {
        "commit": _commit(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "suite": suite,
        "mutants": counted,
        "caught": caught,
        "percent": round(100 * caught / counted, 2) if counted else 0.0,
        "refused_by_the_compiler": sum(verdict is Verdict.REFUSED for _, verdict in pairs),
        "not_judged": sum(verdict is None for _, verdict in pairs),
        "same_code": sum(verdict is Verdict.SAME for _, verdict in pairs),
        "files": _per("file", pairs),
        "operators": _per("mutator", pairs),
        "survivors": survivors,
    }


def _per(key: str, pairs: Pairs) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {}
    for mutant, verdict in pairs:
        counts.setdefault(Path(mutant[key]).name, Counter())[verdict.value if verdict else "not judged"] += 1
    return {name: {key: counts[name][key] for key in (*Verdict, "not judged")} for name in sorted(counts)}


def _survivor(mutant: dict[str, Any], reasons: dict[str, str]) -> dict[str, Any]:
    shown = {key: mutant[key] for key in ("file", "line", "mutator")}
    before, after = _lines(mutant)
    found = reasons.get(f"{Path(mutant['file']).name}: {before} => {after}") or _by_rule(before, after)
    return {**shown, "before": before, "after": after, "reason": found}


def _by_rule(before: str, after: str) -> str:
    """The reasons when both lines say the same in other words; one reason if one rule is enough."""
    for pattern, word, reason in SAME:
        if re.sub(pattern, word, before) == re.sub(pattern, word, after):
            return reason
    reasons = []
    for pattern, word, reason in SAME:
        shorter, changed = re.sub(pattern, word, before), re.sub(pattern, word, after)
        if (shorter, changed) != (before, after):
            reasons.append(reason)
        before, after = shorter, changed
    return "; ".join(reasons) if before == after else ""


def _lines(mutant: dict[str, Any]) -> tuple[str, str]:
    """The changed lines, before and after: line numbers move, the text names the place."""
    text = (forge.ROOT / mutant["file"]).read_bytes()
    start = text.rfind(b"\n", 0, mutant["start"]) + 1
    end = text.find(b"\n", mutant["end"])
    before = text[start:end].decode()
    after = (text[start : mutant["start"]] + mutant["new"].encode() + text[mutant["end"] : end]).decode()
    return " ".join(before.split()), " ".join(after.split())


def _reasons() -> dict[str, str]:
    """The reason of each explained survivor: one reason for many mutants of a kind."""
    rows = json.loads(REASONS.read_text()) if REASONS.exists() else []
    return {mutant: row["reason"] for row in rows for mutant in row["mutants"]}


def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=forge.ROOT, text=True, capture_output=True, check=False
    )
    return done.stdout.strip()


def as_markdown(result: dict[str, Any]) -> str:
    """The table that a reader sees."""
    rows = [
        f"{result['mutants']} mutants, {result['caught']} caught: {result['percent']} %. Not counted: "
        f"{result['refused_by_the_compiler']} that do not compile, {result['same_code']} with the same code."
        f" Not judged yet: {result['not_judged']}. Commit {result['commit']}, {result['date']}.",
        "",
    ]
    for title in ("files", "operators"):
        rows += [f"| {title[:-1]} | caught | survived | not judged |", "| --- | --- | --- | --- |"]
        rows += [
            f"| {name} | {n['caught']} | {n['survived']} | {n['not judged']} |"
            for name, n in result[title].items()
        ]
        rows += [""]
    return "\n".join([*rows, *_survivors(result["survivors"])]) + "\n"


def _survivors(survivors: list[dict[str, Any]]) -> list[str]:
    rows = ["Survivors, and why each changes nothing that matters:", ""]
    for reason in sorted({s["reason"] for s in survivors}):
        rows.append(f"- **{reason or 'NOT EXPLAINED'}**")
        rows += [
            f"  - `{Path(s['file']).name}:{s['line']}` {s['mutator']}: `{s['before']}` becomes `{s['after']}`"
            for s in survivors
            if s["reason"] == reason
        ]
    return rows


def write(result: dict[str, Any]) -> None:
    """Writes docs/results/mutation.json and .md."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "mutation.json").write_text(json.dumps(result, indent=1) + "\n")
    (RESULTS / "mutation.md").write_text("# Mutation of the contracts\n\n" + as_markdown(result))


def problems(result: dict[str, Any], required: float, *, complete: bool) -> int:
    """The exit code: 0 when enough was caught and every survivor is explained."""
    found = []
    if result["percent"] < required:
        found.append(f"only {result['percent']} % caught, {required} % are required")
    silent = sum(not survivor["reason"] for survivor in result["survivors"])
    if silent:
        found.append(f"{silent} survivors without a reason in {REASONS.relative_to(forge.ROOT)}")
    if not complete:
        sys.stdout.write("Not all subjects ran: docs/results was left as it is.\n")
    sys.stderr.write("".join(f"{line}\n" for line in found))
    return 1 if found else 0
