"""One foreground command beside the services."""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from escrow_platform.stack.errors import StackError
from escrow_platform.stack.interrupts import Interrupted
from escrow_platform.stack.process import spawn
from escrow_platform.stack.services import Run


def run_command(run: Run, argv: Sequence[str], *, cwd: Path | None = None) -> int:
    """Run the command with the services' addresses in its environment. Returns its exit code.

    It has its own process group, and the terminal while it runs: Ctrl-C reaches the command alone and we end
    with it. A signal to us is passed on before it ends us.
    """
    try:
        child = spawn(
            argv[0], argv, env=run.env, cwd=cwd, own_session=False, death_signal=signal.SIGTERM, grace=20
        )
    except (FileNotFoundError, PermissionError) as reason:
        raise StackError(f"The command {argv[0]} can not be run: {reason.strerror}.") from None
    run.adopt(child)
    try:
        with _terminal_of(child.pid):
            code = child.popen.wait()
    except Interrupted as request:
        child.stop(request.signum)
        raise
    child.stop()
    run.children.remove(child)
    return 128 - code if code < 0 else code


@contextmanager
def _terminal_of(group: int) -> Iterator[None]:
    """Lend the terminal, when there is one, to another process group."""
    if not sys.stdin or not sys.stdin.isatty() or os.tcgetpgrp(sys.stdin.fileno()) != os.getpgrp():
        yield
        return
    terminal = sys.stdin.fileno()
    os.tcsetpgrp(terminal, group)
    try:
        yield
    finally:
        before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # else taking it back would stop us
        os.tcsetpgrp(terminal, os.getpgrp())
        signal.signal(signal.SIGTTOU, before)
