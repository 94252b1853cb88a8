"""The site under attack: its processes, an attacker, and a bystander with a deal of their own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.attack.visitor import Loads, Visitor
from tests.bench.ground import ROOT, children, expect, peak_mb
from tests.bench.site import Site

PASSWORD = "correct horse"
LOADS = 50
# Loopback addresses: who disturbs, and who is disturbed.
THEIRS, BYSTANDERS = "127.0.0.2", "127.0.0.3"
WORST_RATIO = 3.0
# What a worker says that could not reach the database.
_REFUSED = ("too many clients", "remaining connection slots", "too many connections", "connection refused")


@dataclass
class Attack:
    """A process of the attacker: its tally is there once the block has ended."""

    tally: dict[str, int] = field(default_factory=dict)


@dataclass
class Scene:
    """Who is there. `desk` belongs to the attacker's deals, `other` to the bystander's."""

    folder: Path
    site: Site
    desk: Any
    other: Any

    def __post_init__(self) -> None:
        buyer, neighbour = self.desk.cast.buyer.email, self.other.cast.buyer.email
        self.attacker = Visitor.signed_in(self.site.url, THEIRS, buyer, PASSWORD)
        self.bystander = Visitor.signed_in(self.site.url, BYSTANDERS, neighbour, PASSWORD)
        self.page = page_of(self.other.agreed().escrows.get())

    def calm(self) -> Loads:
        """The bystander's page before anything happens."""
        self.bystander.look(self.page, times=5)
        return self.bystander.look(self.page, LOADS)

    @contextmanager
    def attack(self, kind: str, url: str, **plan: Any) -> Iterator[Attack]:
        """The attacker's hands at work until the block ends; `most` requests at most."""
        whole = {"kind": kind, "url": url, "address": THEIRS, "headers": {}, **plan}
        argv = [sys.executable, "-m", "tests.attack.hands"]
        hands = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert hands.stdin is not None and hands.stdout is not None
        attack = Attack()
        try:
            hands.stdin.write(json.dumps(whole) + "\n")
            hands.stdin.flush()
            expect(hands.stdout.readline() == "begun\n", "the attack began")
            yield attack
            hands.stdin.close()
            attack.tally = json.loads(hands.stdout.readline())
        finally:
            if not hands.stdin.closed:
                hands.stdin.close()
            try:
                hands.wait(90)
            except subprocess.TimeoutExpired:
                hands.kill()
                hands.wait()

    def refused_workers(self) -> int:
        """Lines in which a worker or the scheduler says that the database refused it."""
        found = 0
        for log in self.folder.glob("*.log"):
            if not log.name.startswith("web"):
                found += sum(word in log.read_text(errors="replace") for word in _REFUSED)
        return found

    def web_peak(self) -> float:
        """The most memory the web ever held, its children included, in MB."""
        pid = self.site.pids["web"]
        return round(peak_mb(pid) + sum(peak_mb(child) for child in children(pid)), 1)


def page_of(escrow: Any, verb: str = "") -> str:
    """The address of an escrow's page."""
    return f"/deals/{escrow.deal_id}/escrows/{escrow.pk}/{verb}"


def verdict(before: Loads, during: Loads) -> dict[str, Any]:
    """What a bystander felt, and whether it is within the bounds."""
    ratio = during.spread.p95 / before.spread.p95
    return {
        "before": before.spread.as_json(),
        "during": during.spread.as_json(),
        "ratio": round(ratio, 2),
        "bad": [status for status in during.bad if status == 0 or status >= 500],
        "held": ratio <= WORST_RATIO and not during.bad,
    }
