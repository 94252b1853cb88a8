"""Waiting until a service answers."""

import time
from collections.abc import Callable

from escrow_platform.stack.errors import StackError, last_lines
from escrow_platform.stack.process import Child

PAUSE = 0.05  # seconds between two attempts


class NotReady(Exception):
    """The service does not answer yet."""


class Ended(StackError):
    """The service ended before it answered; on a port of our own choice worth another attempt."""


def wait_ready(child: Child, probe: Callable[[], None], *, timeout: float = 60.0) -> None:
    """Call the probe until it stops raising NotReady. Whatever else happens, the child is stopped."""
    try:
        _wait(child, probe, timeout)
    except BaseException:
        child.stop()
        raise


def _wait(child: Child, probe: Callable[[], None], timeout: float) -> None:
    limit = time.monotonic() + timeout
    while True:
        if not child.running():
            raise Ended(f"{child.name} ended before it was ready:\n{_said(child)}")
        try:
            probe()
            if child.running():  # otherwise another program answered on its port
                return
        except NotReady as reason:
            if time.monotonic() > limit:
                raise StackError(
                    f"{child.name} did not answer within {timeout:.0f} s ({reason}):\n{_said(child)}"
                ) from None
        time.sleep(PAUSE)


def _said(child: Child) -> str:
    return last_lines(child.log) if child.log else "(its output is above)"
