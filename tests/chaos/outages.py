"""A Redis of one's own that can be taken away, a sweeper as the only worker, and a stopwatch."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path

from django.conf import settings
from django.test import override_settings

from escrow_platform.celery import app
from escrow_platform.stack import redis as redis_server
from escrow_platform.stack.ports import free_port
from escrow_platform.stack.process import Child
from tests.chain.helpers import ROOT, process_environment
from tests.chaos.workers import LIMIT, mine_when_read
from tests.payments.fixtures import Desk

LONGEST = 3.0  # seconds that anything a person waits for may take while Redis is gone


@contextmanager
def private_redis(folder: Path) -> Iterator[tuple[Child, str]]:
    """A Redis for one test, and its URL; the whole product in this process speaks to it."""
    child, url = redis_server.start(folder, free_port(), scratch=True)
    try:
        with pointed_at(url):
            yield child, url
    finally:
        child.stop()


@contextmanager
def pointed_at(url: str) -> Iterator[None]:
    """Broker, live pages and rate limits of this process use another Redis."""
    layers = deepcopy(settings.CHANNEL_LAYERS)
    layers["default"]["CONFIG"]["hosts"][0]["address"] = url
    caches = {**settings.CACHES, "throttle": {**settings.CACHES["throttle"], "LOCATION": url}}
    before = app.conf.broker_url
    with override_settings(CHANNEL_LAYERS=layers, CACHES=caches, REDIS_URL=url):
        _set_broker(url)
        try:
            yield
        finally:
            _set_broker(before)


def _set_broker(url: str) -> None:
    """The pools of connections are made anew from the configuration, as after a fork."""
    app.conf.broker_url = url
    app._after_fork()


@contextmanager
def swift(what: str) -> Iterator[None]:
    """What happens inside must not wait for Redis."""
    start = time.monotonic()
    yield
    took = time.monotonic() - start
    assert took < LONGEST, f"{what} took {took:.1f} s"


@contextmanager
def sweeping(folder: Path, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    """`manage.py sweep --forever`, the only one who works."""
    with (folder / "sweep.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "sweep", "--forever", "--pause", "0.1"],
            env=process_environment(**environment),
            cwd=ROOT,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def until_swept(desk: Desk, process: "subprocess.Popen[bytes]", done: Callable[[], bool], what: str) -> None:
    """Mine as the sweeper reads, until `done`."""
    end = time.monotonic() + LIMIT
    while not done():
        assert process.poll() is None, "the sweeper ended"
        assert time.monotonic() < end, f"it did not happen within {LIMIT:.0f} s that {what}"
        mine_when_read(desk)
        time.sleep(0.1)
