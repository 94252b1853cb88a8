"""A whole site in processes of its own, and people with browsers. Nothing here touches the ORM."""

import os
import shutil
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import psycopg2
import pytest
from playwright.sync_api import Browser, sync_playwright

from escrow_platform.stack import postgres
from escrow_platform.stack.demo import PLAN, environment
from tests.e2e.person import Person

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ROOT = Path(__file__).resolve().parents[2]
START_LIMIT = 90


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _own_database(url: str) -> str:
    """A database of this run's own beside the test database, so that both can work at once."""
    name = f"holdfast_e2e_{os.getpid()}"
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}"')
    connection.close()
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def _own_queue(url: str) -> str:
    """Another numbered database of the same Redis: the workers of two runs do not steal from each other."""
    return urlsplit(url)._replace(path=f"/{8 + os.getpid() % 8}").geturl()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the site keeps its files."""
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="session")
def mail(folder: Path) -> Path:
    """The folder with a file for each mail that the site sent."""
    return folder / "mail"


@pytest.fixture(scope="session")
def site(folder: Path) -> Iterator[str]:
    """The address of a running site: web, Celery worker and beat on real services."""
    port = _free_port()
    env = os.environ | environment(str(folder), port)
    env |= {
        "DJANGO_SETTINGS_MODULE": "escrow_platform.settings.local",
        "DATABASE_URL": _own_database(os.environ["DATABASE_URL"]),
        "REDIS_URL": _own_queue(os.environ["REDIS_URL"]),
    }
    log = (folder / "log").open("wb")
    for step in PLAN.prepare:
        done = subprocess.run(step.argv, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{step.title}: {done.stdout}\n{done.stderr}"
    # Browsers see what the application's own roles may do, not what the owner of the tables may.
    logins = postgres.logins(env["DATABASE_URL"])
    running = [
        subprocess.Popen(
            [word.format(port=port) for word in process.argv],
            env=env | {"DATABASE_URL": logins[process.login]},
            cwd=ROOT,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        for process in PLAN.processes
    ]
    url, until = f"http://127.0.0.1:{port}", monotonic() + START_LIMIT
    try:
        while not _answers(url):
            assert monotonic() < until, (folder / "log").read_text()[-4000:]
            assert all(process.poll() is None for process in running), (folder / "log").read_text()[-4000:]
        yield url
    finally:
        for process in running:
            os.killpg(process.pid, signal.SIGTERM)
        for process in running:
            process.wait(30)
        log.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def visitor(browser: Browser, site: str) -> Iterator[Callable[..., Person]]:
    """`visitor("Alice")` is Alice, signed in, in a browser of her own. A console error fails the test."""
    opened: list[Person] = []

    def arrive(name: str = "", *, phone: bool = False, javascript: bool = True) -> Person:
        size = {"width": 390, "height": 844} if phone else {"width": 1280, "height": 900}
        context = browser.new_context(
            viewport=size, java_script_enabled=javascript, base_url=site, timezone_id="Europe/Berlin"
        )
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        context.set_default_timeout(30_000)
        person = Person(name, context.new_page())
        opened.append(person)
        if name:
            person.sign_in()
        return person

    yield arrive
    complaints = [line for person in opened for line in person.complaints]
    for person in opened:
        person.page.context.close()
    assert not complaints, complaints
