"""Makes the faults of a plan happen, and counts those whose effect was seen."""

import re
import signal
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from django.db import connection

from chain.models import Block
from tests.soak.clicks import TRANSIENT
from tests.soak.lies import Lies
from tests.soak.plan import TASKS, Fault, Plan
from tests.soak.stage import WORKERS, Stage

COPIES = 6  # of one task, for every unit of a fault's size
_POSTGRES = {"postgres stopped at once": signal.SIGQUIT, "postgres killed": signal.SIGKILL}
_RAN = re.compile(r"Task [\w.]+\[([0-9a-f-]{36})\] succeeded")


@dataclass
class Burst:
    """One task that was sent many times."""

    task: str
    ids: list[str]


@dataclass
class Faults:
    """What is still to come, and what was seen to happen."""

    plan: Plan
    stage: Stage
    network_id: int
    lies: Lies
    seen: Counter[str] = field(default_factory=Counter)
    bursts: list[Burst] = field(default_factory=list)
    orphaned: int = 0
    _coming: list[Fault] = field(default_factory=list)
    _expected: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._coming = list(self.plan.faults)

    def step(self, progress: int) -> None:
        """Let what is due happen; what finds no victim waits for one."""
        self.lies.tend()
        for fault in [fault for fault in self._coming if fault.at <= progress]:
            if self._happen(fault):
                self._coming.remove(fault)

    def tend(self) -> None:
        """Start again who died, and note who was killed."""
        for process in self.stage.crew.tend():
            kind = self._expected.pop(process.name, "")
            if kind and process.deaths[-1] == -signal.SIGKILL:
                self.seen[kind] += 1
        self.stage.web.tend()

    def left(self) -> int:
        """How many have not happened yet."""
        return len(self._coming)

    def stop(self) -> None:
        """Nothing fails any more."""
        self._coming.clear()
        self.stage.proxy.heal()

    def fired(self) -> dict[str, int]:
        """How many of each planned kind had their effect, in the plan's order."""
        seen = self.seen + Counter(self.lies.fired())
        seen["kill pool process"] = self.stage.crew.pool_kills()
        seen["duplicate tasks"] = self._duplicates_ran()
        return {kind: seen[kind] for kind in sorted({fault.kind for fault in self.plan.faults})}

    def _happen(self, fault: Fault) -> bool:
        """True when it happened, or is about to; False when there was nothing to strike."""
        kind = fault.kind
        if kind.startswith("rpc "):
            self.lies.tell(kind, fault.size)
            return True
        if kind.startswith("reorg"):
            return self._reorg(fault)
        if kind in ("kill worker", "kill beat"):
            return self._kill(kind, "beat" if kind == "kill beat" else _victim(fault))
        if kind == "kill pool process":
            return self.stage.crew.kill_pool_process(_victim(fault))
        if kind == "duplicate tasks":
            self._duplicate(fault)
        elif kind == "kill web":
            self.seen[kind] += self.stage.web.kill()
        elif kind == "redis killed":
            self.seen[kind] += self.stage.services.crash_redis()
        else:
            self.seen[kind] += self.stage.services.crash_postgres(_POSTGRES[kind])
        return True

    def _kill(self, kind: str, name: str) -> bool:
        if name in self._expected:
            return False
        self._expected[name] = kind
        self.stage.crew.kill(name)
        return True

    def _reorg(self, fault: Fault) -> bool:
        returning = fault.kind.endswith("return")
        depth = 1 + fault.choice % 2
        taken = self.stage.miner.reorg(depth, returning=returning, was_read=self._was_read)
        self.orphaned += taken
        self.seen[fault.kind] += taken > 0
        return taken > 0

    def _was_read(self, number: int) -> bool:
        try:
            return Block.objects.filter(network=self.network_id, number=number, canonical=True).exists()
        except TRANSIENT:
            connection.close()
            return False

    def _duplicate(self, fault: Fault) -> None:
        """The same task many times, from several threads at once."""
        name = TASKS[fault.choice % len(TASKS)]
        args = [self.network_id] if name.startswith("chain.") or name.endswith("project_network") else []
        burst = Burst(name, [str(uuid4()) for _ in range(COPIES * fault.size)])
        self.bursts.append(burst)
        half = len(burst.ids) // 2
        threads = [
            threading.Thread(target=_send, args=(name, args, ids))
            for ids in (burst.ids[:half], burst.ids[half:])
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

    def _duplicates_ran(self) -> int:
        """Bursts of which at least two ran to their end."""
        ran = {found for name in WORKERS for found in _RAN.findall(self.stage.crew.log(name))}
        return sum(len(ran.intersection(burst.ids)) >= 2 for burst in self.bursts)


def _victim(fault: Fault) -> str:
    return WORKERS[fault.choice % len(WORKERS)]


def _send(name: str, args: list[Any], ids: list[str]) -> None:
    from escrow_platform.celery import app

    for task_id in ids:
        try:
            app.send_task(name, args=args, task_id=task_id)
        except Exception:
            return  # Redis is away: what was not sent did not run, and is not counted
