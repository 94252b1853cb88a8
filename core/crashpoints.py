"""Named places where a test may end the process as `kill -9` would. Off unless a setting allows them."""

import os
import signal
import time
from pathlib import Path

from django.conf import settings

# Longer than a worker needs to hear that it is asked to end.
_PAUSE = 1.0


def hit(name: str) -> None:
    """Kill this process if `CRASH_POINT` names this place and crash points are enabled.

    With `CRASH_POINT_FLAG` set, the file of that path is removed first and its absence disarms the
    point, so that a restarted process goes on. With `CRASH_POINT_SCOPE=group` the whole process group
    dies: of a Celery worker not only the pool process that runs the task, but the worker itself. With
    `CRASH_POINT_SCOPE=ask` nobody is killed: the worker is asked to end (SIGTERM) while this task is in the
    middle of its work, and the task goes on after a pause.
    """
    if not settings.CRASH_POINTS_ENABLED or os.environ.get("CRASH_POINT") != name:
        return
    flag = os.environ.get("CRASH_POINT_FLAG")
    if flag:
        try:
            Path(flag).unlink()
        except FileNotFoundError:
            return
    scope = os.environ.get("CRASH_POINT_SCOPE")
    if scope == "ask":
        os.kill(os.getppid(), signal.SIGTERM)
        time.sleep(_PAUSE)
        return
    if scope == "group":
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
