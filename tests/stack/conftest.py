"""Runs the stack the way a person does: as a program of its own."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from escrow_platform.stack import paths
from escrow_platform.stack.services import VARIABLES

PATIENCE = 60.0


def bare_environment() -> dict[str, str]:
    """Ours without the services that the suite itself runs beside."""
    hidden = {*VARIABLES.values(), "HOLDFAST_STATE", "HOLDFAST_STACK_RUN"}
    return {key: value for key, value in os.environ.items() if key not in hidden}


def eventually(true: Callable[[], bool], what: str) -> None:
    limit = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < limit, f"never happened: {what}"
        time.sleep(0.05)


def stack(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "escrow_platform.stack", *words],
        env=bare_environment() | env,
        cwd=paths.CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def command_of(process: psutil.Process) -> list[str]:
    """The words of its command line; none when it is gone."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


class Started:
    """A run in the background, with everything it started and the scratch folder it works in."""

    def __init__(self, argv: list[str], env: dict[str, str], ready_line: str) -> None:
        # Where the suite itself was started to outlive its terminal, the run would rightly outlive it too.
        ours = signal.signal(signal.SIGHUP, signal.SIG_DFL)
        self.popen = subprocess.Popen(
            argv, env=env, cwd=paths.CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        signal.signal(signal.SIGHUP, ours)
        self.output = ""
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self.output += line
            if ready_line in line:
                break
        else:
            pytest.fail(f"ended before it said {ready_line!r}:\n{self.output}")
        self.descendants = psutil.Process(self.popen.pid).children(recursive=True)

    def names(self) -> set[str]:
        return {Path(words[0]).name for words in map(command_of, self.descendants) if words}

    def scratch_folder(self) -> Path:
        for process in self.descendants:
            for word in command_of(process):
                for part in (Path(word), *Path(word).parents):
                    if part.name.startswith(paths.SCRATCH_PREFIX):
                        return part
        pytest.fail("no process works in a scratch folder")

    def end(self, signum: signal.Signals) -> int:
        self.popen.send_signal(signum)
        assert self.popen.stdout is not None
        self.output += self.popen.stdout.read()
        return self.popen.wait(PATIENCE)

    def nothing_left(self) -> bool:
        return not any(process.is_running() and command_of(process) for process in self.descendants)


@pytest.fixture
def start() -> Iterator[Callable[..., Started]]:
    started: list[Started] = []

    def begin(*words: str, ready_line: str, module: str = "escrow_platform.stack", **env: str) -> Started:
        argv = [sys.executable, "-m", module, *words]
        started.append(Started(argv, bare_environment() | env, ready_line))
        return started[-1]

    yield begin
    for run in started:
        if run.popen.poll() is None:
            run.end(signal.SIGTERM)
        assert run.popen.stdout is not None
        run.popen.stdout.close()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the database user reaches, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="holdfast-test-", dir=paths.temp_root()))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
