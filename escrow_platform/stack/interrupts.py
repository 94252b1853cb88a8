"""Signals that ask the supervisor to end, as an exception that unwinds the stack once."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOOK, _TWICE = 0.4, 2  # seconds between two looks at make, and how often it must be seen waiting


class Interrupted(BaseException):
    """Somebody asked us to end. Like KeyboardInterrupt not an Exception, so that nothing swallows it."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signal.Signals(signum)

    @property
    def exit_code(self) -> int:
        return 128 + self.signum


@contextmanager
def interruptible() -> Iterator[None]:
    """The first signal raises Interrupted; later ones do nothing, so that clearing up is never cut short.

    A hang-up that was ignored before us, by nohup, stays so. An interrupt does not: shells start what runs in
    the background with interrupts ignored, and it must end like any other.
    """
    raised = False

    def handle(signum: int, _frame: FrameType | None) -> None:
        nonlocal raised
        if not raised:
            raised = True
            raise Interrupted(signum)

    kept = [signum for signum in SIGNALS if signum != signal.SIGHUP or not _ignored(signum)]
    before = {signum: signal.signal(signum, handle) for signum in kept}
    over = threading.Event()
    threading.Thread(target=_follow_make, args=(os.getppid(), over), daemon=True).start()
    try:
        yield
    finally:
        over.set()
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _ignored(signum: signal.Signals) -> bool:
    return signal.getsignal(signum) is signal.SIG_IGN


def _follow_make(parent: int, over: threading.Event) -> None:
    """Interrupt ourselves when `make`, which started us, was interrupted alone.

    Then make waits for us and tells us nothing: it relies on the terminal, which is silent in the background.
    While it waits like that it blocks the signal; otherwise it does so only for an instant.
    """
    seen = 0
    while seen < _TWICE and not over.wait(_LOOK):
        seen = seen + 1 if _interrupted_make(parent) else 0
    if seen:
        os.kill(os.getpid(), signal.SIGINT)


def _interrupted_make(pid: int) -> bool:
    try:
        facts = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        return facts["Name"] == "make" and bool(int(facts["SigBlk"], 16) >> (signal.SIGINT - 1) & 1)
    except (OSError, KeyError, ValueError):  # gone, or no Linux
        return False
