import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from escrow_platform.stack import paths, ports
from tests.stack.conftest import Started, bare_environment, command_of, eventually, stack

TINY = "tests.stack.tiny_demo"
READY = "Ctrl-C ends everything"


def tiny(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", TINY, *words]
    return subprocess.run(
        argv,
        env=bare_environment() | env,
        cwd=paths.CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_check_ends_by_itself_and_succeeds() -> None:
    result = tiny("fine")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "run 1" in result.stdout


def test_the_check_fails_when_the_play_fell_short() -> None:
    result = tiny("fail")
    assert result.returncode == 1
    assert "Playing: failed with code 1" in result.stderr


def test_the_check_fails_when_a_process_crashed_although_it_was_started_again() -> None:
    result = tiny("crash")
    assert result.returncode == 1
    assert "the worker fell over" in result.stdout
    assert "worker crashed" in result.stderr


def test_data_stays_between_runs_and_one_run_has_the_folder(
    start: Callable[..., Started], open_folder: Path
) -> None:
    folder = str(open_folder / "state")
    port = str(ports.free_port())
    first = start("fine", port, module=TINY, ready_line=READY, HOLDFAST_STATE=folder)
    assert "run 1" in first.output

    second = tiny("fine", port, HOLDFAST_STATE=folder)
    assert second.returncode == 1
    assert f"The demo already runs (process {first.popen.pid}); end it with Ctrl-C" in second.stderr
    assert "already runs" in stack("reset", HOLDFAST_STATE=folder).stderr

    assert first.end(signal.SIGINT) == 0
    assert first.nothing_left()

    third = start("fine", port, module=TINY, ready_line=READY, HOLDFAST_STATE=folder)
    assert "run 2" in third.output
    assert third.end(signal.SIGINT) == 0

    assert stack("reset", HOLDFAST_STATE=folder).returncode == 0
    assert not Path(folder).exists()


def test_the_demo_starts_again_right_after_kill_9(start: Callable[..., Started], open_folder: Path) -> None:
    folder = str(open_folder / "state")
    port = str(ports.free_port())
    first = start("fine", port, module=TINY, ready_line=READY, HOLDFAST_STATE=folder)
    first.end(signal.SIGKILL)

    second = start("fine", port, module=TINY, ready_line=READY, HOLDFAST_STATE=folder)

    assert first.nothing_left()
    assert "run 2" in second.output


@pytest.mark.parametrize(
    ("signum", "ignored"),
    [(signal.SIGINT, False), (signal.SIGTERM, True)],
    ids=["plain", "interrupts ignored"],
)
def test_a_demo_in_the_background_ends_when_it_is_asked_to(
    open_folder: Path, tmp_path: Path, signum: signal.Signals, ignored: bool
) -> None:
    """Started by make, without a terminal; a shell without job control starts it with interrupts ignored."""
    log, port = tmp_path / "log", ports.free_port()
    env = bare_environment() | {"HOLDFAST_STATE": str(open_folder / "state")}
    words = ["make", "-f", "tests/stack/tiny.mk", "demo", f"PORT={port}", f"PYTHON={sys.executable}"]
    if ignored:
        words = ["bash", "-c", 'trap "" INT; exec "$@"', "bash", *words]
    with log.open("wb") as output:
        make = subprocess.Popen(
            words, env=env, cwd=paths.CHECKOUT, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    eventually(lambda: READY in log.read_text() or make.poll() is not None, "the demo runs")
    everything = psutil.Process(make.pid).children(recursive=True)
    os.kill(make.pid, signum)
    make.wait(30)
    eventually(lambda: not any(child.is_running() and command_of(child) for child in everything), "all ended")
    assert "ended; the data stays" in log.read_text()


def test_a_demo_is_ended_from_elsewhere(start: Callable[..., Started], open_folder: Path) -> None:
    folder = str(open_folder / "state")
    run = start("fine", str(ports.free_port()), module=TINY, ready_line=READY, HOLDFAST_STATE=folder)
    ended = stack("stop", HOLDFAST_STATE=folder)
    assert "the demo has ended" in ended.stdout
    assert run.popen.wait(10) == 0
    assert run.nothing_left()
    assert "no demo runs" in stack("stop", HOLDFAST_STATE=folder).stdout


@pytest.mark.parametrize("name", ["web", "worker"])
def test_a_killed_process_is_started_again(
    start: Callable[..., Started], open_folder: Path, name: str
) -> None:
    port = ports.free_port()
    run = start("fine", str(port), module=TINY, ready_line=READY, HOLDFAST_STATE=str(open_folder / "state"))
    word = "http.server" if name == "web" else "import time; time.sleep(1000)"

    def alive() -> set[int]:
        found = psutil.Process(run.popen.pid).children(recursive=True)
        return {process.pid for process in found if word in command_of(process)}

    before = alive()
    for process in run.descendants:
        if process.pid in before:
            process.kill()

    eventually(lambda: bool(alive() - before), f"{name} runs again")


def test_a_taken_port_of_the_site_ends_the_demo_with_the_way_out(open_folder: Path) -> None:
    with socket.socket() as occupant:
        occupant.bind((ports.HOST, 0))
        occupant.listen()
        port = occupant.getsockname()[1]
        result = stack("demo", "--port", str(port), HOLDFAST_STATE=str(open_folder / "state"))
    assert result.returncode == 1
    assert result.stderr == (
        f"holdfast: Port {port} (the site) is taken by another program; "
        f"stop it, or choose another: make demo PORT={port + 1}\n"
    )
