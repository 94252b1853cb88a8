"""The process that outlives the supervisor by a moment and clears up after it.

The supervisor holds one end of a pipe. When that end closes, by a normal end as well as by `kill -9`, the
guard ends whatever is left of the run (by process group, and by the mark every descendant carries in its
environment) and deletes the scratch folder.
"""

import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from escrow_platform.stack.paths import CHECKOUT, remove_scratch
from escrow_platform.stack.process import signal_group

MARK = "HOLDFAST_STACK_RUN"
GRACE = 5.0  # seconds between asking and killing


class Guard:
    """The supervisor's side: tells the guard what to clear up. Close it last."""

    def __init__(self, keeps_open: tuple[int, ...] = ()) -> None:
        self.mark = secrets.token_hex(12)
        environment = {key: value for key, value in os.environ.items() if key != MARK}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "escrow_platform.stack.guard", self.mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=environment,
            cwd=CHECKOUT,
            pass_fds=keeps_open,
        )

    def watch(self, pid: int) -> None:
        self._tell(f"watch {pid}")

    def forget(self, pid: int) -> None:
        self._tell(f"forget {pid}")

    def remove_later(self, folder: Path) -> None:
        self._tell(f"remove {folder}")

    def close(self) -> None:
        """Returns when nothing of the run is left."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:  # somebody killed the guard: the kernel's death signal remains
            return


def main() -> None:
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    groups: set[int] = set()
    folders: set[Path] = set()
    for line in sys.stdin:
        verb, _, value = line.rstrip("\n").partition(" ")
        if verb == "watch":
            groups.add(int(value))
        elif verb == "forget":
            groups.discard(int(value))
        elif verb == "remove":
            folders.add(Path(value))
    end_run(sys.argv[1], groups)
    for folder in folders:
        remove_scratch(folder)


def end_run(mark: str, groups: set[int]) -> None:
    """Ask everything that is left to end, wait a moment, kill the rest."""
    _signal_all(mark, groups, signal.SIGTERM)
    limit = time.monotonic() + GRACE
    while _left(mark, groups):
        if time.monotonic() > limit:
            _signal_all(mark, groups, signal.SIGKILL)
        time.sleep(0.05)


def _signal_all(mark: str, groups: set[int], signum: signal.Signals) -> None:
    for group in groups:
        signal_group(group, signum)
    for process in _marked(mark):
        signal_group(process.pid, signum, whole=False)


def _left(mark: str, groups: set[int]) -> bool:
    return bool(_marked(mark)) or any(_group_lives(group) for group in groups)


def _marked(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():  # type: ignore[no-untyped-call]
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:  # gone meanwhile, or another user's
            continue
    return found


def _group_lives(group: int) -> bool:
    for process in psutil.process_iter():  # type: ignore[no-untyped-call]
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                return True
        except (ProcessLookupError, psutil.Error):
            continue
    return False


if __name__ == "__main__":
    main()
