"""The services of one run: started in order unless the environment names them, ended in reverse."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from escrow_platform.stack import anvil, paths, postgres, redis
from escrow_platform.stack.guard import MARK, Guard
from escrow_platform.stack.ports import free_port
from escrow_platform.stack.process import Child
from escrow_platform.stack.readiness import Ended

ATTEMPTS = 3  # another process may take a free port before the service binds it
VARIABLES = {"pg": "DATABASE_URL", "redis": "REDIS_URL", "anvil": "RPC_URL"}


@dataclass
class Run:
    """One run of the stack: its folder, its guard, its children and the environment they share."""

    folder: Path
    guard: Guard
    scratch: bool
    env: dict[str, str] = field(default_factory=dict)
    children: list[Child] = field(default_factory=list)
    # The application's own database logins by name; none where the environment named the database.
    logins: dict[str, str] = field(default_factory=dict)

    def adopt(self, child: Child) -> Child:
        """From now on the child ends with the run, whatever happens to us."""
        self.guard.watch(child.pid)
        child.on_gone = self.guard.forget
        self.children.append(child)
        return child

    def env_of(self, login: str) -> dict[str, str]:
        """The environment of a program with this database login; without one it works as the owner."""
        url = self.logins.get(login)
        return self.env | {"DATABASE_URL": url} if url else self.env

    def stop_all(self) -> None:
        while self.children:
            self.children.pop().stop()


@contextmanager
def scratch_run() -> Iterator[Run]:
    """A run in a fresh folder that is deleted at the end."""
    guard = Guard()
    try:
        folder = paths.make_scratch()
        guard.remove_later(folder)
        with _run(folder, guard, scratch=True) as run:
            yield run
    finally:
        guard.close()


@contextmanager
def lasting_run(folder: Path, lock: int) -> Iterator[Run]:
    """A run whose data stays in the folder; the guard holds the folder's lock until all is cleared up."""
    guard = Guard(keeps_open=(lock,))
    os.close(lock)
    try:
        with _run(folder, guard, scratch=False) as run:
            yield run
    finally:
        guard.close()


@contextmanager
def _run(folder: Path, guard: Guard, *, scratch: bool) -> Iterator[Run]:
    """The environment carries the guard's mark, and finds the programs of our virtual environment first."""
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    env = {**os.environ, MARK: guard.mark, "PATH": programs}
    run = Run(folder=folder, guard=guard, scratch=scratch, env=env)
    try:
        yield run
    finally:
        run.stop_all()


def start_services(
    run: Run,
    names: Sequence[str],
    *,
    block_time: int | None = 1,
    ports: Mapping[str, int] | None = None,
) -> None:
    """Start what the environment does not name already and put the addresses into `run.env`.

    `ports` fixes the port of a service; others get a free one.
    """
    starters: dict[str, Callable[[Path, int], tuple[Child, str]]] = {
        "pg": partial(postgres.start, scratch=run.scratch),
        "redis": partial(redis.start, scratch=run.scratch),
        "anvil": partial(anvil.start, scratch=run.scratch, block_time=block_time),
    }
    for name in names:
        if run.env.get(VARIABLES[name]):
            continue
        child, url = _start_on_port(starters[name], run.folder, (ports or {}).get(name))
        run.adopt(child)
        run.env[VARIABLES[name]] = url
        if name == "pg":
            run.logins = postgres.logins(url)


def _start_on_port(
    starter: Callable[[Path, int], tuple[Child, str]], folder: Path, port: int | None
) -> tuple[Child, str]:
    if port is not None:
        return starter(folder, port)
    for _ in range(ATTEMPTS - 1):
        try:
            return starter(folder, free_port())
        except Ended:
            continue
    return starter(folder, free_port())
