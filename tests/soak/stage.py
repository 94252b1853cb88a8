"""Who works during a soak: workers, beat and web, on a chain that goes on; each can be killed."""

import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from escrow_platform.stack.ports import HOST, free_port
from escrow_platform.stack.process import Child, signal_group, spawn
from escrow_platform.stack.readiness import NotReady, wait_ready
from escrow_platform.stack.services import Run
from tests.chain.fixtures import Anvil
from tests.chain.helpers import ROOT, process_environment
from tests.chaos.rpcproxy import RpcProxy
from tests.chaos.workers import Crew
from tests.soak.miner import Miner
from tests.soak.services import Ground, Services

WORKERS = ("left", "right")


@dataclass
class Web:
    """The real site, one process."""

    run: Run
    log: Path
    port: int = field(default_factory=free_port)
    child: Child | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        """Start it; who wants an answer asks until there is one."""
        self.child = self.run.adopt(
            spawn(
                "web",
                [
                    *(sys.executable, "-m", "uvicorn", "escrow_platform.asgi:application"),
                    *("--host", HOST, "--port", str(self.port), "--no-access-log"),
                ],
                env=process_environment(),
                cwd=ROOT,
                log=self.log,
            )
        )

    def wait(self) -> None:
        """Until it takes connections."""
        assert self.child is not None
        wait_ready(self.child, self._probe)

    def _probe(self) -> None:
        try:
            socket.create_connection((HOST, self.port), timeout=1).close()
        except OSError as reason:
            raise NotReady(str(reason)) from reason

    def kill(self) -> bool:
        """`kill -9`, and start it again; True if it was running until then."""
        assert self.child is not None
        signal_group(self.child.pid, signal.SIGKILL)
        killed = self.child.popen.wait(10) == -signal.SIGKILL
        self.restart()
        return killed

    def restart(self) -> None:
        """Another one in its place."""
        assert self.child is not None
        self.child.stop(signal.SIGKILL)
        self.run.children.remove(self.child)
        self.start()

    def tend(self) -> None:
        """Start it again if it ended by itself."""
        if self.child is not None and not self.child.running():
            self.restart()


@dataclass
class Stage:
    """All of it."""

    services: Services
    proxy: RpcProxy
    chain: Anvil
    miner: Miner
    crew: Crew
    web: Web

    def open(self) -> None:
        """Start who works."""
        self.crew.open()
        for name in WORKERS:
            self.crew.worker(name)
        self.crew.beat()
        self.web.start()
        self.web.wait()


@contextmanager
def built(ground: Ground) -> Iterator[Stage]:
    """The stage, with blocks being mined and nobody at work yet."""
    logs = ground.run.folder / "logs"
    logs.mkdir()
    chain = Anvil(ground.node_url)
    web = Web(ground.run, logs / "web.log")
    stage = Stage(ground.services, ground.proxy, chain, Miner(chain), Crew(logs), web)
    stage.miner.start()
    try:
        yield stage
    finally:
        stage.crew.close()
        stage.miner.stop()
