"""Run as `python -m tests.chaos.run_rules_off [F...]` beside the services: each rule of `rules_off` is
switched off in a copy of the tree, and its test must be seen to fail there.

A test counts as seen red when it fails by an assertion, or by the error that the entry names. That nothing
could be collected, that a name is missing or that the time was over does not count.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from urllib.parse import urlsplit

from tests.chaos.registry import TITLES
from tests.chaos.results import FOLDER, ROOT, Case, cases, stamp, tracked
from tests.chaos.rules_off import RULES, Rule, applied

AT_ONCE = int(os.environ.get("AT_ONCE", "2"))
LIMIT = 900  # seconds for one test
_RED = r"(AssertionError|assert |Failed: DID NOT RAISE)"
# A test whose clearing up compares books and chain fails there.
_RED_AFTERWARDS = r'failed on teardown with "AssertionError'


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of one rule's test."""

    rule: Rule
    red: bool
    said: str
    seconds: float


def main(wanted: list[str]) -> int:
    numbers = {int(name.lstrip("Ff")) for name in wanted} or set(TITLES)
    rules = [rule for rule in RULES if rule.number in numbers]
    judged = stamp()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the copies are deleted
    places: Queue[Path] = Queue()
    with tempfile.TemporaryDirectory(prefix="holdfast-rules-off-") as folder:
        for place in range(AT_ONCE):
            places.put(_copy(Path(folder) / f"tree{place}"))
        with ThreadPoolExecutor(AT_ONCE) as threads:
            seen = list(threads.map(lambda rule: _see(rule, places), rules))
    red = {item.rule.number for item in seen} - {item.rule.number for item in seen if not item.red}
    line = f"{len(numbers)} rules: {len(red)} seen red ({len(seen)} changes)"
    if not wanted:
        _write(seen, line, *judged)
    print(line)
    return 0 if red == numbers else 1


def _copy(tree: Path) -> Path:
    """The tracked files as they are now, beside links to what is installed."""
    for name in tracked():
        if (source := ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, tree / name)
    for name in (".venv", "node_modules"):
        (tree / name).symlink_to((ROOT / name).resolve())
    return tree


def _see(rule: Rule, places: "Queue[Path]") -> Seen:
    tree = places.get()
    try:
        start = time.monotonic()
        with _switched_off(tree, rule):
            found, tail = _play(tree, rule)
        seen = _judge(rule, found, tail, time.monotonic() - start)
    finally:
        places.put(tree)
    word = "red" if seen.red else "NOT RED"
    print(f"F{rule.number:<3} {word:8} {seen.seconds:5.0f} s  {rule.off}: {seen.said}", flush=True)
    return seen


@contextmanager
def _switched_off(tree: Path, rule: Rule) -> Iterator[None]:
    file = tree / rule.file
    before = file.read_text()
    file.write_text(applied(before, rule))
    try:
        yield
    finally:
        file.write_text(before)


def _play(tree: Path, rule: Rule) -> tuple[list[Case], str]:
    """One process of pytest on a database of this tree's own, made anew where the rule stands in it."""
    xml = tree / "result.xml"
    xml.unlink(missing_ok=True)
    in_database = "/migrations/" in rule.file
    # The next rule of this tree must not find the database without this one.
    name = f"rule{RULES.index(rule)}" if in_database else "rules"
    argv = [sys.executable, "-m", "pytest", "-x", rule.test, f"--junitxml={xml}", "-p", "no:xdist"]
    argv += [] if in_database else ["--reuse-db"]
    try:
        done = subprocess.run(
            argv, cwd=tree, env=_environment(tree, name), capture_output=True, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return [], f"not over after {LIMIT} s"
    return cases(xml), (done.stdout + done.stderr).decode(errors="replace")[-300:]


def _environment(tree: Path, name: str) -> dict[str, str]:
    place = int(tree.name.removeprefix("tree"))
    redis = urlsplit(os.environ["REDIS_URL"])._replace(path=f"/{40 + place}").geturl()
    database = f"{os.environ['DATABASE_URL']}_{name}_{place}"
    return {**os.environ, "REDIS_URL": redis, "DATABASE_URL": database, "PYTHONPATH": str(tree)}


def _judge(rule: Rule, found: list[Case], tail: str, seconds: float) -> Seen:
    if not found:
        return Seen(rule, False, "nothing was judged: " + " ".join(tail.split())[-150:], seconds)
    bad = [case for case in found if case.verdict in ("failed", "error")]
    wanted = f"{_RED}|{rule.raises}" if rule.raises else _RED
    for case in bad:
        looked_for = wanted if case.verdict == "failed" else _RED_AFTERWARDS
        if re.match(looked_for, case.said) or (rule.raises and re.search(rule.raises, case.said)):
            return Seen(rule, True, case.said, seconds)
    said = bad[0].said if bad else "its test did not notice"
    return Seen(rule, False, said, seconds)


def _write(seen: list[Seen], line: str, commit: str, date: str) -> None:
    rows = [
        f"| F{item.rule.number} | {item.rule.off} | `{item.rule.file}` | `{_function(item.rule)}` | "
        f"{'red' if item.red else '**not red**'} |"
        for item in seen
    ]
    text = [
        "# Failure tests with their rules switched off",
        "",
        f"{line}. Commit {commit}, {date}; `make chaos-rules-off`.",
        "",
        "Each row is one change of the product that takes a rule away, and the test that was seen to fail.",
        "The changes stand in `tests/chaos/rules_off.py`.",
        "",
        "| test | rule that was off | file | noticed by | seen |",
        "| --- | --- | --- | --- | --- |",
        *rows,
    ]
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "chaos-rules-off.md").write_text("\n".join(text) + "\n")


def _function(rule: Rule) -> str:
    return rule.test.split("::")[1].split("[")[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
