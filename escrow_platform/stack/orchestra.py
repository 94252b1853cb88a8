"""Plays a demo plan: services, steps, processes, and the deals."""

import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from escrow_platform.stack import demo, paths, ports, state
from escrow_platform.stack.errors import StackError, last_lines
from escrow_platform.stack.interrupts import Interrupted
from escrow_platform.stack.paths import CHECKOUT
from escrow_platform.stack.process import Child, spawn
from escrow_platform.stack.readiness import NotReady, wait_ready
from escrow_platform.stack.services import VARIABLES, Run, lasting_run, scratch_run, start_services
from escrow_platform.stack.supervisor import Supervisor

PAUSE = 0.1  # seconds between two looks at the processes


def run_demo(port: int, plan: demo.Plan = demo.PLAN) -> int:
    """The demo with data that lasts; stays until somebody ends it."""
    folder = paths.own_folder(paths.state_folder())
    with lasting_run(folder, state.lock(folder)) as run:
        ports.require_free(port, "the site", f"stop it, or choose another: make demo PORT={port + 1}")
        supervisor = _play(run, port, plan, limit=None)
        print("\nholdfast: running; Ctrl-C ends everything it started, the data stays.", flush=True)
        try:
            while True:
                supervisor.tend()
                time.sleep(PAUSE)
        except Interrupted:
            print("\nholdfast: ending ...", flush=True)
    print("holdfast: ended; the data stays for the next start.", flush=True)
    return 0


def check_demo(plan: demo.Plan = demo.PLAN) -> int:
    """The demo on free ports and a scratch folder, ended after the deals. StackError when it fell short."""
    with scratch_run() as run, _logs_shown_on_failure(run.folder / "logs"):
        supervisor = _play(run, ports.free_port(), plan, limit=time.monotonic() + demo.CHECK_LIMIT)
        supervisor.tend()
        supervisor.require_no_crash()
    print("holdfast: the demo did everything it promises; nothing of it is left running.", flush=True)
    return 0


def _play(run: Run, port: int, plan: demo.Plan, limit: float | None) -> Supervisor:
    logs = run.folder / "logs"
    logs.mkdir(mode=0o700, exist_ok=True)
    run.env.update(demo.environment(str(run.folder), port))
    supervisor = Supervisor(run, logs, {"port": str(port)})
    with _announced("Starting " + _service_names(run)):
        start_services(run, list(VARIABLES))
    for step in plan.prepare:
        with _announced(step.title):
            _run_step(run, step, supervisor, logs / f"{_file_name(step)}.log", limit)
    with _announced("Starting " + ", ".join(process.name for process in plan.processes)):
        for process in plan.processes:
            keeper = supervisor.start(process)
            if process.serves_site:
                wait_ready(keeper.child, lambda: _site_answers(port))
    for step in plan.show:
        print(f"\n{step.title}", flush=True)
        _run_step(run, step, supervisor, None, limit)
    return supervisor


def _run_step(
    run: Run, step: demo.Step, supervisor: Supervisor, log: Path | None, limit: float | None
) -> None:
    """Run the step to its end while the processes beside it are kept alive."""
    child = run.adopt(spawn(step.title, step.argv, env=run.env_of(step.login), cwd=CHECKOUT, log=log))
    while child.running():
        supervisor.tend()
        if limit is not None and time.monotonic() > limit:
            raise StackError(
                f"{step.title}: took longer than {demo.CHECK_LIMIT // 60} minutes and was ended."
            )
        time.sleep(PAUSE)
    run.children.remove(child)
    _require_success(step, child, log)


def _require_success(step: demo.Step, child: Child, log: Path | None) -> None:
    code = child.stop()
    if code != 0:
        said = f":\n{last_lines(log, 15)}" if log else "; its output is above."
        raise StackError(f"{step.title}: failed with code {code}{said}")


@contextmanager
def _announced(title: str) -> Iterator[None]:
    started = time.monotonic()
    print(f"{title} ... ", end="", flush=True)
    try:
        yield
    except BaseException:
        print(flush=True)
        raise
    print(f"{time.monotonic() - started:.1f} s", flush=True)


@contextmanager
def _logs_shown_on_failure(folder: Path) -> Iterator[None]:
    """A scratch folder takes its logs along: show their ends first."""
    try:
        yield
    except StackError:
        width = shutil.get_terminal_size().columns
        for log in sorted(folder.glob("*.log")):
            print(f" {log.name} ".center(width, "-") + f"\n{last_lines(log, 15)}", flush=True)
        raise


def _site_answers(port: int) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(f"http://{ports.HOST}:{port}/", timeout=10).close()
    except urllib.error.HTTPError as reply:
        if reply.code >= 500:
            raise NotReady(f"the site answers {reply.code}") from reply
    except OSError as reason:
        raise NotReady(str(reason)) from reason


def _service_names(run: Run) -> str:
    names = {"pg": "PostgreSQL", "redis": "Redis", "anvil": "the chain"}
    own = [names[name] for name, variable in VARIABLES.items() if not run.env.get(variable)]
    return ", ".join(own) or "with the services of the environment"


def _file_name(step: demo.Step) -> str:
    return step.title.lower().replace(" ", "-")
