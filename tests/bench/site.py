"""The product's own processes, as an operator starts them, around a benchmark's database and node."""

import os
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from redis import Redis

from escrow_platform.stack.ports import free_port
from tests.bench.ground import children, expect, peak_mb, process

_CELERY = ("-m", "celery", "-A", "escrow_platform.celery")
_WEB = ("-m", "uvicorn", "escrow_platform.asgi:application", "--no-access-log", "--host", "127.0.0.1")


@dataclass
class Site:
    """What runs: process ids by name, and where pages are served (empty without `web`)."""

    pids: dict[str, int] = field(default_factory=dict)
    url: str = ""

    def peaks(self) -> dict[str, float]:
        """The most memory that each process ever held, in MB; of a worker the fattest of its children."""
        found = {}
        for name, pid in self.pids.items():
            found[name] = peak_mb(pid)
            fattest = max((peak_mb(child) for child in children(pid)), default=0.0)
            if fattest:
                found[f"{name}'s tasks"] = fattest
        return found


@contextmanager
def running(
    folder: Path, *, workers: int, web: bool = False, logins: Mapping[str, str] | None = None
) -> Iterator[Site]:
    """So many workers with one task at a time, the scheduler, the follower of heads, and pages if wanted.

    `logins`: addresses of the database for `web` and `work`; without them all use this process's own.
    """
    with Redis.from_url(os.environ["REDIS_URL"]) as redis:
        redis.flushall()
    site = Site()
    with ExitStack() as stack:

        def start(name: str, *argv: str) -> None:
            login = (logins or {}).get("web" if name == "web" else "work")
            environment = {"DATABASE_URL": login} if login else None
            site.pids[name] = stack.enter_context(
                process(name, *argv, folder=folder, environment=environment)
            )

        for number in range(1, workers + 1):
            host = f"bench{number}@localhost"
            start(
                f"worker {number}",
                *(*_CELERY, "worker", "--concurrency", "1", "--loglevel", "INFO", "--hostname", host),
            )
        start("beat", *_CELERY, "beat", "--pidfile=", "--loglevel", "INFO")
        start("heads", "manage.py", "chain_heads")
        if web:
            port = free_port()
            start("web", *_WEB, "--port", str(port))
            site.url = f"http://127.0.0.1:{port}"
            until(lambda: _answers(site.url), "the site answered")
        for number in range(1, workers + 1):
            log = folder / f"worker {number}.log"
            until(partial(_says, log, " ready."), f"worker {number} was ready")
        yield site


def until(holds: Callable[[], Any], what: str, *, limit: float = 120, pause: float = 0.05) -> None:
    """Wait until it holds; raise `Broken` after `limit` seconds."""
    end = time.monotonic() + limit
    while not holds():
        expect(time.monotonic() < end, f"it did not happen within {limit:.0f} s that {what}")
        time.sleep(pause)


def _says(log: Path, words: str) -> bool:
    return words in log.read_text(errors="replace")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False
