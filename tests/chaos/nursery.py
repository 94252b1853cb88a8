"""A process that has loaded the product once and forks Celery commands from there.

Loading Django takes seconds, a fork takes none: so a worker can be killed and started again sixty times
in a test. What is forked runs Celery's own command line in a session of its own. One request and one
answer per line, as JSON. When our input ends, everything that was started is killed.

Run as `python -m tests.chaos.nursery`; `workers.Crew` speaks to it.
"""

import contextlib
import ctypes
import json
import os
import signal
import sys
from typing import Any, NoReturn

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve until our input ends."""
    import django

    django.setup()
    from escrow_platform.celery import app

    app.loader.import_default_modules()
    _load_command_line()
    children: set[int] = set()
    _say({"ready": os.getpid()})
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "start":
            pid = _start(app, request)
            children.add(pid)
            _say({"pid": pid})
        elif request["do"] == "ended":
            _say({"ended": _reap(children)})
    for pid in children:
        _kill_group(pid)


def _load_command_line() -> None:
    """What the forked command would import first."""
    import celery.apps.worker
    import celery.bin.celery
    import celery.concurrency.prefork
    import celery.worker.consumer
    import django_celery_beat.schedulers
    import kombu.transport.redis

    assert celery and django_celery_beat and kombu


def _start(app: Any, request: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        _become(app, request)
    return pid


def _become(app: Any, request: dict[str, Any]) -> NoReturn:
    code = 1
    try:
        os.setsid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        os.environ.update(request["env"])
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        sys.argv = ["celery", *request["argv"]]
        code = app.start(argv=request["argv"]) or 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    finally:
        with contextlib.suppress(OSError):
            sys.stderr.flush()
        os._exit(code)


def _reap(children: set[int]) -> dict[int, int]:
    """Who ended since the last question, with negative signal numbers for the killed."""
    ended: dict[int, int] = {}
    for pid in list(children):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            ended[pid] = os.waitstatus_to_exitcode(status)
            children.discard(pid)
            _kill_group(pid)  # a pool process whose worker is gone
    return ended


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
