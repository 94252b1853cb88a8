"""Keeps the long-running processes of a run alive."""

import signal
import time
from collections.abc import Mapping
from pathlib import Path

from escrow_platform.stack.demo import Process
from escrow_platform.stack.errors import StackError, last_lines
from escrow_platform.stack.paths import CHECKOUT
from escrow_platform.stack.process import Child, spawn
from escrow_platform.stack.services import Run

FIRST_PAUSE = 1.0  # seconds before a crashed process is started again; doubles with each crash in a row
LONGEST_PAUSE = 30.0
CALM = 60.0  # a process that ran this many seconds starts with the first pause again
STOP_GRACE = 15.0


class Keeper:
    """One process, started again whenever it ends. Nobody asks it to end but us."""

    def __init__(self, run: Run, process: Process, log: Path, values: Mapping[str, str]) -> None:
        self.process = process
        self.log = log
        self.crashes = 0
        self._run = run
        self._argv = [part.format_map(values) for part in process.argv]
        self._pause = FIRST_PAUSE
        self._start_at: float | None = None
        self._started = 0.0
        self.child = self._start()

    def tend(self) -> None:
        """Notice a crash, say so once, and start the process again when its pause is over."""
        if self._start_at is None:
            if not self.child.running():
                self._note_crash()
        elif time.monotonic() >= self._start_at:
            self._start_at = None
            self.child = self._start()

    def _start(self) -> Child:
        self._started = time.monotonic()
        child = spawn(
            self.process.name,
            self._argv,
            env=self._run.env_of(self.process.login),
            cwd=CHECKOUT,
            log=self.log,
            death_signal=signal.SIGTERM,
            grace=STOP_GRACE,
        )
        return self._run.adopt(child)

    def _note_crash(self) -> None:
        code = self.child.stop()
        self._run.children.remove(self.child)
        self.crashes += 1
        if time.monotonic() - self._started > CALM:
            self._pause = FIRST_PAUSE
        print(
            f"holdfast: {self.process.name} ended with code {code}, starts again in {self._pause:.0f} s; "
            f"its last words ({self.log}):\n{last_lines(self.log, 4)}",
            flush=True,
        )
        self._start_at = time.monotonic() + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)


class Supervisor:
    """All long-running processes of a run."""

    def __init__(self, run: Run, logs: Path, values: Mapping[str, str]) -> None:
        self._run = run
        self._logs = logs
        self._values = values
        self.keepers: list[Keeper] = []

    def start(self, process: Process) -> Keeper:
        keeper = Keeper(self._run, process, self._logs / f"{process.name}.log", self._values)
        self.keepers.append(keeper)
        return keeper

    def tend(self) -> None:
        for keeper in self.keepers:
            keeper.tend()

    def require_no_crash(self) -> None:
        """Raises StackError when a process crashed, although it was started again."""
        for keeper in self.keepers:
            if keeper.crashes:
                raise StackError(f"{keeper.process.name} crashed {keeper.crashes} time(s); see above.")
