"""The demo's data folder: one run at a time, and clearing it."""

import fcntl
import os
import shutil
import signal
import time
from pathlib import Path

from escrow_platform.stack import paths
from escrow_platform.stack.errors import StackError

PATIENCE = 20.0  # seconds a run that is being cleared up may still hold the folder


def lock(folder: Path) -> int:
    """Take the folder for this run. Returns the descriptor that holds it until every copy of it is closed.

    The guard gets a copy: after a `kill -9` the folder is free only when the old services are gone.
    """
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    limit = time.monotonic() + PATIENCE
    while not _taken(descriptor):
        holder = os.pread(descriptor, 20, 0).decode().strip()
        if _lives(holder) or time.monotonic() > limit:
            os.close(descriptor)
            raise StackError(
                f"The demo already runs (process {holder}); end it with Ctrl-C in its terminal, "
                "or with: make demo-stop"
            )
        time.sleep(0.1)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def reset() -> None:
    """Delete people, deals, chain and logs of the demo. Raises StackError while it runs."""
    folder = paths.state_folder()
    if not folder.exists():
        return
    descriptor = lock(paths.own_folder(folder))
    try:
        shutil.rmtree(folder)
    finally:
        os.close(descriptor)


def stop() -> bool:
    """End the demo that runs, wherever it was started, and wait for it; False if none runs."""
    folder = paths.state_folder()
    if not (folder / "lock").exists():
        return False
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    try:
        if _taken(descriptor):
            return False
        os.kill(int(os.pread(descriptor, 20, 0).decode().strip()), signal.SIGTERM)
        limit = time.monotonic() + 3 * PATIENCE
        while not _taken(descriptor):
            if time.monotonic() > limit:
                raise StackError("The demo was told to end and still runs.")
            time.sleep(0.1)
    finally:
        os.close(descriptor)
    return True


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lives(holder: str) -> bool:
    if not holder.isdigit():
        return False
    try:
        os.kill(int(holder), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
