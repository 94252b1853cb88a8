"""`python -m contracts.mutate`: changes the contracts in thousands of ways and asks whether the tests notice.

The mutants are slither-mutate's, and some of our own (`contracts.proving.mutants`). The command fails
when fewer than 90 % are caught, when a survivor has no reason in `proving/survivors.json`, or when the
canary lives.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from contracts import forge
from contracts.proving import memory, report, tools
from contracts.proving.bench import Bench, Change, Verdict
from contracts.proving.memory import Known, Memory

ESCROW = ("contracts/src/Escrow.sol:Escrow",)
SLOTS = (
    *ESCROW,
    "contracts/test/Fuzz.t.sol:FuzzTest",
    "contracts/test/FuzzActs.t.sol:FuzzActsTest",
    "contracts/test/MutantsSlots.t.sol:MutantsSlotsTest",
)
GATE = ("contracts/src/OperatorGate.sol:OperatorGate",)
SEAT = (
    "contracts/test/Seat.t.sol:SeatTest",
    "contracts/test/MutantsSeat.t.sol:MutantsSeatTest",
    "contracts/test/MutantsSeatKeys.t.sol:MutantsSeatKeysTest",
)

# file: the contracts in it that are mutated, and the code that the tests run which holds them.
SUBJECTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Core": (("Core", "How"), ESCROW),
    "Actions": (("Actions",), ESCROW),
    "Escrow": (("Escrow",), ESCROW),
    "Slots": (("Slots",), SLOTS),
    "Signatures": (("Signatures",), ESCROW),
    "Recovery": (("Recovery",), ESCROW),
    "Terms": (("TermsLib",), ESCROW),
    "Vault": (("Vault",), ESCROW),
    "Messages": (("Messages",), ESCROW),
    "OperatorGate": (("OperatorGate",), GATE),
    "GateKeys": (("GateKeys",), GATE),
    "ArbiterSeat": (("ArbiterSeat",), SEAT),
}
REQUIRED = 90.0

# Whoever calls may decide: the tests must notice, or the campaign measures nothing.
CANARY_FILE = "contracts/src/Actions.sol"
CANARY_OLD = "if (!_mayPay(t, by, toSeller, toBuyer, s.status())) revert NotAllowed();"


@dataclass(frozen=True, slots=True)
class Job:
    """One mutant and the code that it changes."""

    mutant: dict[str, Any]
    targets: tuple[str, ...]

    def change(self) -> Change:
        """The mutated source. Offsets are bytes."""
        path = forge.ROOT / self.mutant["file"]
        text = path.read_bytes()
        changed = text[: self.mutant["start"]] + self.mutant["new"].encode() + text[self.mutant["end"] :]
        return Change(self.mutant["file"], changed.decode(), self.targets)


class CanaryAlive(RuntimeError):
    """A change that takes away who may pay was not noticed."""


def jobs(files: list[str]) -> list[Job]:
    """The mutants of `files` (names of SUBJECTS), as slither lists them."""
    names = [name for file in SUBJECTS for name in SUBJECTS[file][0]]
    rows = _listed(names)
    placed: list[tuple[float, Job]] = []
    for name in files:
        source = f"contracts/src/{name}.sol"
        found = [Job(row, SUBJECTS[name][1]) for row in rows if row["file"] == source]
        random.Random(len(found)).shuffle(found)
        placed += [(i / len(found), job) for i, job in enumerate(found)]
    # Any beginning of this order is a fair sample: drawn by lot, of each file the same share.
    return [job for _, job in sorted(placed, key=lambda pair: pair[0])]


def _listed(names: list[str]) -> list[dict[str, Any]]:
    """All mutants of the contracts `names`; listing them takes a while, so it is kept per sources."""
    memory.CACHE.mkdir(parents=True, exist_ok=True)
    kept = memory.CACHE / f"mutants-{memory.sources()}.json"
    if not kept.exists():
        build = tools.slither_build()
        done = subprocess.run(
            [str(tools.PYTHON), "contracts/proving/mutants.py", ".", str(build), *names],
            cwd=forge.ROOT,
            env=tools.environment("slither"),
            text=True,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise tools.ToolFailed(done.stderr)
        kept.write_text(done.stdout)
    rows: list[dict[str, Any]] = json.loads(kept.read_text())
    return rows


def canary(bench: Bench) -> None:
    """Raises CanaryAlive unless the tests notice that anyone may pay."""
    text = (forge.ROOT / CANARY_FILE).read_text()
    assert CANARY_OLD in text
    bench.prepare(ESCROW)
    if bench.judge(Change(CANARY_FILE, text.replace(CANARY_OLD, ""), ESCROW)) is not Verdict.CAUGHT:
        raise CanaryAlive("the tests pass although anyone may pay")


class Campaign:
    """Judges jobs on several benches at once; verdicts are kept, so that a run goes on where one stopped."""

    def __init__(self, todo: list[Job], seconds: float) -> None:
        self.todo = todo
        self.memory = Memory()
        self._keys = [self._key(job) for job in todo]
        recalled = self.memory.recall()
        self._known = {i: recalled[key] for i, key in enumerate(self._keys) if key in recalled}
        self._queue: SimpleQueue[int] = SimpleQueue()
        self._doubted: set[int] = set()
        self._lock = threading.Lock()
        self._problems: list[BaseException] = []
        self._end = time.monotonic() + seconds
        # The rest is for the survivors, whom the invariants have yet to see.
        self._judging_ends = time.monotonic() + 0.8 * seconds

    def stop(self) -> None:
        """Lets each worker end its mutant and no more; what was judged is kept and reported."""
        self._end = self._judging_ends = 0.0

    def verdict(self, i: int) -> Verdict | None:
        """What became of job number `i`; none: not judged yet."""
        return self._known[i].verdict if i in self._known else None

    @staticmethod
    def _key(job: Job) -> str:
        return hashlib.sha256(json.dumps([job.mutant, job.targets], sort_keys=True).encode()).hexdigest()[:24]

    def run(self, workers: int) -> None:
        """Asks for the canary, then judges what is open: by the tests, then survivors by the invariants.

        The first problem of a worker ends all and is raised.
        """
        if time.monotonic() >= self._end:
            return
        done = len(self._known) == len(self.todo) and not self._unsure()
        benches = [Bench() for _ in range(1 if done else workers)]
        try:
            benches[0].build()
            canary(benches[0])
            sys.stdout.write("The canary was caught.\n")
            if done:
                return
            for bench in benches[1:]:
                bench.copy_build(benches[0])
            self._fill()
            threads = [threading.Thread(target=self._work, args=(bench,)) for bench in benches]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            for bench in benches:
                bench.close()
        if self._problems:
            raise self._problems[0]

    def _unsure(self) -> list[int]:
        return [i for i, k in self._known.items() if k.verdict is Verdict.SURVIVED and not k.thorough]

    def _fill(self) -> None:
        for i in range(len(self.todo)):
            if i not in self._known:
                self._queue.put(i)

    def _work(self, bench: Bench) -> None:
        try:
            self._drain(bench)
            self._doubt(bench)
        except Exception as problem:
            self._problems.append(problem)

    def _drain(self, bench: Bench) -> None:
        while not self._problems and time.monotonic() < self._judging_ends:
            try:
                i = self._queue.get_nowait()
            except Empty:
                return
            self._note(i, self._judge(bench, i, thorough=False), thorough=False)

    def _judge(self, bench: Bench, i: int, *, thorough: bool) -> Verdict:
        job = self.todo[i]
        if job.targets not in bench.prepared:
            bench.prepare(job.targets)
        return bench.judge(job.change(), thorough=thorough)

    def _doubt(self, bench: Bench) -> None:
        """Shows what survived to the invariants."""
        while not self._problems and time.monotonic() < self._end:
            with self._lock:
                left = [i for i in self._unsure() if i not in self._doubted]
                if not left:
                    return
                i = min(left)
                self._doubted.add(i)
            self._note(i, self._judge(bench, i, thorough=True), thorough=True)

    def _note(self, i: int, verdict: Verdict, *, thorough: bool) -> None:
        known = Known(verdict, thorough)
        self.memory.note(self._keys[i], known)
        with self._lock:
            self._known[i] = known
            if len(self._known) % 100 == 0:
                counted = Counter(k.verdict.value for k in self._known.values())
                sys.stdout.write(f"{len(self._known)} of {len(self.todo)}: {dict(counted)}\n")
                sys.stdout.flush()


def main() -> int:
    """The command: prints a table, writes docs/results/mutation.* when all subjects ran."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", choices=[[], *SUBJECTS], help="all, unless named")
    parser.add_argument(
        "--minutes", type=float, default=1e6, help="stop then, the next run goes on; 0: only report"
    )
    parser.add_argument("--workers", type=int, default=min(4, os.cpu_count() or 1))
    asked = parser.parse_args()
    files = asked.files or list(SUBJECTS)
    campaign = Campaign(jobs(files), 60 * asked.minutes)
    signal.signal(signal.SIGTERM, lambda *_: campaign.stop())
    campaign.run(asked.workers)
    pairs = [(job.mutant, campaign.verdict(i)) for i, job in enumerate(campaign.todo)]
    result = report.mutation(pairs, campaign.memory.suite)
    if len(files) == len(SUBJECTS):
        report.write(result)
    sys.stdout.write(report.as_markdown(result))
    return report.problems(result, REQUIRED, complete=len(files) == len(SUBJECTS))


if __name__ == "__main__":
    sys.exit(main())
