"""Child processes that can not outlive us."""

import ctypes
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass
class Child:
    """A running child, the leader of its own process group."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    grace: float = 10.0  # seconds between the stop signal and SIGKILL
    on_gone: Callable[[int], None] = field(default=lambda _pid: None)

    @property
    def pid(self) -> int:
        return self.popen.pid

    def running(self) -> bool:
        return self.popen.poll() is None

    def stop(self, signum: signal.Signals | None = None) -> int:
        """Ask the process to end, wait, then kill its whole group. Returns its return code."""
        if self.running():
            signal_group(self.pid, signum or self.stop_signal, whole=False)
            try:
                self.popen.wait(self.grace)
            except subprocess.TimeoutExpired:
                signal_group(self.pid, signal.SIGKILL)
        code = self.popen.wait()
        signal_group(self.pid, signal.SIGKILL)  # what the leader left behind
        self.on_gone(self.pid)
        return code


def signal_group(pid: int, signum: signal.Signals, *, whole: bool = True) -> None:
    """Signal a process group, or its leader alone; silent when it is gone already."""
    try:
        os.killpg(pid, signum) if whole else os.kill(pid, signum)
    except ProcessLookupError:
        return


def spawn(
    name: str,
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    log: Path | None = None,
    user: pwd.struct_passwd | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
    death_signal: signal.Signals = signal.SIGKILL,
    grace: float = 10.0,
    own_session: bool = True,
) -> Child:
    """Start a process in its own group that gets `death_signal` when our thread dies, even by SIGKILL.

    Call it from a thread that lives as long as the child should: the kernel watches the thread.
    Output goes to `log` (appended), or to our own output when there is none.
    """
    output = log.open("ab") if log else None
    try:
        popen = subprocess.Popen(
            [str(part) for part in argv],
            env=None if env is None else dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL if own_session else None,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            preexec_fn=_tie_to(os.getpid(), death_signal),  # noqa: PLW1509 (calls the kernel only)
            start_new_session=own_session,
            process_group=None if own_session else 0,
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
        )
    finally:
        if output:
            output.close()
    return Child(name=name, popen=popen, log=log, stop_signal=stop_signal, grace=grace)


def _tie_to(parent: int, death_signal: signal.Signals) -> Callable[[], None]:
    def tie() -> None:
        if _libc is not None:
            _libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
            if os.getppid() != parent:  # the parent died before the line above
                os._exit(1)

    return tie
