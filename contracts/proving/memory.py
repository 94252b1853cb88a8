"""Keeps verdicts on mutants between runs, and knows when an old verdict still counts.

What the compiler said holds as long as the sources are the same. What tests caught they still catch when each
of those tests is as it was, whatever was added. What survived is asked again when any test changed.
"""

import hashlib
import json
import threading
from dataclasses import dataclass
from pathlib import Path

from contracts import forge
from contracts.proving.bench import Verdict

HOME = forge.ROOT / "contracts"
CACHE = HOME / "cache/mutation"
# In the repository: a campaign is longer than most machines are kept.
KEPT = forge.ROOT / "docs/results/mutation-verdicts"


@dataclass(frozen=True, slots=True)
class Known:
    """A verdict; `thorough`: the invariants were asked as well."""

    verdict: Verdict
    thorough: bool


def sources() -> str:
    """Names the contracts as they are."""
    return _name(_hashes("src"))


def tests() -> dict[str, str]:
    """The Solidity tests, each with the hash of its text. Proofs are no part of the campaign."""
    return {name: text for name, text in _hashes("test").items() if "/proofs/" not in name}


def _hashes(directory: str) -> dict[str, str]:
    paths = sorted((HOME / directory).rglob("*.sol"))
    return {str(p.relative_to(HOME)): hashlib.sha256(p.read_bytes()).hexdigest()[:16] for p in paths}


def _name(hashes: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()[:16]


class Memory:
    """The verdicts on the present sources; those on others are dropped. May be used by several threads."""

    def __init__(self, kept: Path = KEPT) -> None:
        kept.mkdir(parents=True, exist_ok=True)
        self._log = kept / f"{sources()}.jsonl"
        for other in set(kept.glob("*.jsonl")) - {self._log}:
            other.unlink()
        self._tests = tests()
        self.suite = _name(self._tests)
        (kept / f"tests-{self.suite}.json").write_text(json.dumps(self._tests))
        self._kept = kept
        self._lock = threading.Lock()

    def recall(self) -> dict[str, Known]:
        """What still counts, by the mutant's key; of several verdicts the last."""
        if not self._log.exists():
            return {}
        found: dict[str, Known] = {}
        for row in map(json.loads, self._log.read_text().splitlines()):
            known = Known(Verdict(row["verdict"]), row["thorough"])
            if self._counts(known.verdict, row["suite"]):
                found[row["key"]] = known
        return found

    def note(self, key: str, known: Known) -> None:
        """Adds a verdict."""
        row = {"key": key, "verdict": known.verdict, "thorough": known.thorough, "suite": self.suite}
        with self._lock, self._log.open("a") as log:
            log.write(json.dumps(row) + "\n")

    def _counts(self, verdict: Verdict, suite: str) -> bool:
        if suite == self.suite or verdict in (Verdict.REFUSED, Verdict.SAME):
            return True
        path = self._kept / f"tests-{suite}.json"
        if verdict is Verdict.SURVIVED or not path.exists():
            return False
        then: dict[str, str] = json.loads(path.read_text())
        return then.items() <= self._tests.items()
