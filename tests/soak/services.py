"""PostgreSQL, Redis, node and proxy: there before the product is loaded, killed at will."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from redis import Redis
from redis.exceptions import RedisError

from escrow_platform.stack import anvil, postgres, redis
from escrow_platform.stack.errors import StackError
from escrow_platform.stack.ports import free_port
from escrow_platform.stack.process import Child, signal_group, spawn
from escrow_platform.stack.readiness import Ended, NotReady, wait_ready
from escrow_platform.stack.services import Run
from tests.chaos.rpcproxy import RpcProxy, running_proxy

_CRASHED = "database system was not properly shut down"


@dataclass
class Services:
    """PostgreSQL and Redis on ports that stay, so that they can be killed and started again."""

    run: Run
    postgres: Child
    redis: Child
    urls: dict[str, str]
    _ports: dict[str, int]

    @classmethod
    def start(cls, run: Run) -> "Services":
        """PostgreSQL as a lasting server: what it has confirmed must survive a crash. Redis keeps nothing."""
        ports = {"postgres": free_port(), "redis": free_port()}
        database, database_url = postgres.start(run.folder, ports["postgres"], scratch=False)
        cache, cache_url = redis.start(run.folder, ports["redis"], scratch=True)
        run.adopt(database)
        run.adopt(cache)
        return cls(run, database, cache, {"DATABASE_URL": database_url, "REDIS_URL": cache_url}, ports)

    def crash_postgres(self, how: signal.Signals) -> bool:
        """End the server at once and start it again; True if it had to recover from its log."""
        before = self._recoveries()
        self._end(self.postgres, how)
        self.postgres = self.run.adopt(self._start_postgres())
        return self._recoveries() > before

    def crash_redis(self) -> bool:
        """`kill -9` and a new, empty server; True if it is another one."""
        with Redis.from_url(self.urls["REDIS_URL"], socket_timeout=3) as client:
            before = client.info("server")["run_id"]
        old = self.redis
        self._end(old, signal.SIGKILL)
        again = spawn("Redis", old.popen.args, cwd=self.run.folder / "redis", log=old.log)
        self.redis = self.run.adopt(again)
        wait_ready(again, self._ping)
        with Redis.from_url(self.urls["REDIS_URL"], socket_timeout=3) as client:
            return bool(client.info("server")["run_id"] != before)

    def _end(self, child: Child, how: signal.Signals) -> None:
        signal_group(child.pid, how, whole=False)
        child.stop(how)
        self.run.children.remove(child)

    def _start_postgres(self) -> Child:
        """Backends of a killed server may need a moment to notice; until then no other starts."""
        for _ in range(50):
            try:
                return postgres.start(self.run.folder, self._ports["postgres"], scratch=False)[0]
            except Ended:
                continue
        raise StackError("PostgreSQL did not come back.")

    def _recoveries(self) -> int:
        return (self.run.folder / "postgres.log").read_text(errors="replace").count(_CRASHED)

    def _ping(self) -> None:
        with Redis.from_url(self.urls["REDIS_URL"], socket_timeout=1) as client:
            try:
                client.ping()
            except RedisError as reason:
                raise NotReady(str(reason)) from reason


@dataclass
class Ground:
    """What the product stands on; its environment names all of it."""

    run: Run
    services: Services
    node_url: str
    proxy: RpcProxy


@contextmanager
def laid(run: Run) -> Iterator[Ground]:
    """Services, node and proxy, and the environment that names them."""
    services = Services.start(run)
    options = ("--no-mining", "--silent")
    node, url = anvil.start(run.folder, free_port(), scratch=True, block_time=None, options=options)
    run.adopt(node)
    with running_proxy(url) as proxy:
        os.environ.update(run.env)
        os.environ.update(services.urls)
        os.environ.update(
            RPC_URL=proxy.url,
            DJANGO_SETTINGS_MODULE="tests.soak.settings",
            HOLDFAST_STATE=str(run.folder),
            MEDIA_ROOT=str(run.folder / "media"),
        )
        yield Ground(run, services, url, proxy)
