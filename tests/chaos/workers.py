"""Real Celery workers and beat on this test's database, Redis and node; killed and started again at will."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chain import selectors
from tests.chain.helpers import ROOT, process_environment
from tests.payments.fixtures import Desk

LIMIT = 90.0  # seconds for one wait


def until(done: Callable[[], Any], what: str, *, meanwhile: Callable[[], Any], limit: float = LIMIT) -> None:
    """Call `meanwhile` every tenth of a second until `done`; fail with `what` after `limit` seconds."""
    end = time.monotonic() + limit
    while not done():
        assert time.monotonic() < end, f"it did not happen within {limit:.0f} s that {what}"
        meanwhile()
        time.sleep(0.1)


def mine_when_read(desk: Desk) -> None:
    """The next block, as soon as the workers have read the last one: as fast as they are, and no faster."""
    top = selectors.head(desk.engine.network)
    if top is None or top[0] >= desk.engine.chain.head:
        desk.engine.chain.mine(1)


@dataclass
class Process:
    """One `celery` command; `pid` leads its own process group."""

    name: str
    argv: list[str]
    pid: int = 0
    deaths: list[int] = field(default_factory=list)


@dataclass
class Crew:
    """Workers and beat under one supervisor, which is the test: `tend` starts again what died.

    `environment` goes to every process, so it can arm a crash point.
    """

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    processes: dict[str, Process] = field(default_factory=dict)
    _nursery: "subprocess.Popen[str] | None" = None
    _starts: int = 0

    def open(self) -> None:
        """Load the product once; everything else is forked from there."""
        with (self.folder / "nursery.log").open("ab") as log:
            self._nursery = subprocess.Popen(
                [*self.launcher(), sys.executable, "-m", "tests.chaos.nursery"],
                env=process_environment(**self.environment),
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._answer()

    def launcher(self) -> list[str]:
        """What stands before every command: nothing, where the crew works on this very machine."""
        return []

    def close(self) -> None:
        """Kill everything and wait for the nursery."""
        for process in self.processes.values():
            _signal(process.pid, signal.SIGKILL, group=True)
        if self._nursery is None or self._nursery.stdin is None or self._nursery.stdout is None:
            return
        self._nursery.stdin.close()
        self._nursery.wait(10)
        self._nursery.stdout.close()

    def worker(self, name: str = "worker") -> Process:
        """Start a worker with one pool process and wait until it takes tasks."""
        argv = ["worker", "--concurrency", "1", "--loglevel", "INFO", "--without-gossip", "--without-mingle"]
        process = Process(name, argv)
        self.processes[name] = process
        self._start(process)
        until(
            lambda: " ready." in self.log(name), f"{name} was ready", meanwhile=lambda: self._alive(process)
        )
        return process

    def beat(self, name: str = "beat") -> Process:
        """Start the scheduler; it writes the schedule into the database first."""
        process = Process(name, ["beat", "--pidfile=", "--loglevel", "INFO"])
        self.processes[name] = process
        self._start(process)
        return process

    def tend(self) -> list[Process]:
        """Note who died since the last time, start them again, and return them."""
        ended = self._ask({"do": "ended"})["ended"]
        died = [process for process in self.processes.values() if str(process.pid) in ended]
        for process in died:
            process.deaths.append(ended[str(process.pid)])
            self._start(process)
        return died

    def deaths(self) -> list[int]:
        """Exit codes of the workers that ended, negative for signals."""
        return [code for process in self.processes.values() for code in process.deaths]

    def pool_kills(self) -> int:
        """How often a worker reported that the pool process of a task was killed by SIGKILL."""
        return sum(self.log(name).count("exited with 'signal 9 (SIGKILL)'") for name in self.processes)

    def kill(self, name: str) -> None:
        """`kill -9` for a worker and its pool process."""
        _signal(self.processes[name].pid, signal.SIGKILL, group=True)

    def kill_pool_process(self, name: str) -> bool:
        """`kill -9` for the process that runs the tasks; False if there is none at the moment."""
        pid = self.processes[name].pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        found = children.read_text().split() if children.exists() else []
        for child in found:
            _signal(int(child), signal.SIGKILL)
        return bool(found)

    def log(self, name: str) -> str:
        """What a process has printed, over all its lives."""
        file = self.folder / f"{name}.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def _alive(self, process: Process) -> None:
        ended = self._ask({"do": "ended"})["ended"]
        assert str(process.pid) not in ended, self.log(process.name)[-3000:]

    def _start(self, process: Process) -> None:
        self._starts += 1
        argv = list(process.argv)
        if argv[0] == "worker":
            argv += ["--hostname", f"{process.name}-{self._starts}@{os.getpid()}"]
        log = str(self.folder / f"{process.name}.log")
        answer = self._ask({"do": "start", "argv": argv, "env": self.environment, "log": log})
        process.pid = answer["pid"]

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._nursery is not None
        assert self._nursery.stdin is not None
        self._nursery.stdin.write(json.dumps(request) + "\n")
        self._nursery.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._nursery is not None
        assert self._nursery.stdout is not None
        line = self._nursery.stdout.readline()
        assert line, (self.folder / "nursery.log").read_text()[-3000:]
        answer: dict[str, Any] = json.loads(line)
        return answer


def _signal(pid: int, signum: signal.Signals, *, group: bool = False) -> None:
    try:
        os.killpg(pid, signum) if group else os.kill(pid, signum)
    except ProcessLookupError:
        return
