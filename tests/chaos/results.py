"""What the two chaos commands have in common: the commit they judged, and what a run of pytest said."""

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "results"


@dataclass(frozen=True, slots=True)
class Case:
    """One test with its parameters; `verdict` is passed, failed, error or skipped, `said` the first line."""

    name: str
    seconds: float
    verdict: str
    said: str


def cases(xml: Path) -> list[Case]:
    """The cases of a JUnit file; none when the run wrote none."""
    if not xml.exists():
        return []
    found: dict[str, Case] = {}
    for node in ET.parse(xml).iter("testcase"):
        name = f"{node.get('classname')}::{node.get('name')}"
        verdict, said = "passed", ""
        for kind, word in (("skipped", "skipped"), ("error", "error"), ("failure", "failed")):
            child = node.find(kind)
            if child is not None:
                verdict, said = word, (child.get("message") or "").strip().splitlines()[0][:200]
        case = Case(name, float(node.get("time") or 0), verdict, said)
        # A test whose clearing up failed is told twice.
        if name not in found or found[name].verdict == "passed":
            found[name] = case
    return list(found.values())


def stamp() -> tuple[str, str]:
    """The commit, marked when the tree differs from it, and today's date in UTC."""
    commit = _git("rev-parse", "--short", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ":!docs/results")
    return commit + ("+" if changed else ""), datetime.now(UTC).strftime("%Y-%m-%d")


def tracked() -> list[str]:
    """Every file of the tree that is tracked, relative to its root."""
    return _git("ls-files", "-z").split("\0")[:-1]


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip(
        "\n"
    )
