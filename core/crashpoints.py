"""Named places where a test may end the process as `kill -9` would. Off unless a setting allows them."""

import os
import signal
from pathlib import Path

from django.conf import settings


def hit(name: str) -> None:
    """Kill this process if `CRASH_POINT` names this place and crash points are enabled.

    With `CRASH_POINT_FLAG` set, the file of that path is removed first and its absence disarms the
    point, so that a restarted process goes on. With `CRASH_POINT_SCOPE=group` the whole process group
    dies: of a Celery worker not only the pool process that runs the task, but the worker itself.
    """
    if not settings.CRASH_POINTS_ENABLED or os.environ.get("CRASH_POINT") != name:
        return
    flag = os.environ.get("CRASH_POINT_FLAG")
    if flag:
        try:
            Path(flag).unlink()
        except FileNotFoundError:
            return
    if os.environ.get("CRASH_POINT_SCOPE") == "group":
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
