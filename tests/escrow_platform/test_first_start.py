"""The first start of a real platform on an empty database, with the commands of `docs/operators.md`."""

import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from email.message import Message
from html import unescape
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import urlsplit

import psycopg2
import pytest

from escrow_platform.stack.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
HOST = "escrow.example"
PATIENCE = 60  # seconds until the web process answers


def _blocks(language: str) -> list[str]:
    """The fenced blocks of this language in the section of the first start."""
    text = (ROOT / "docs/operators.md").read_text()
    section = text.split("## First start\n")[1].split("\n## ")[0]
    found = re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert found, f"no {language} block"
    return found


@dataclass
class Place:
    """Where the documented names and addresses are found here."""

    mark: str
    folder: Path
    port: int

    def named(self, text: str) -> str:
        """The text with the names of this run in place of the document's."""
        database, redis = urlsplit(os.environ["DATABASE_URL"]), os.environ["REDIS_URL"]
        for theirs, ours in {
            "redis://127.0.0.1:6379/0": redis,
            "127.0.0.1:5432/holdfast": f"{database.hostname}:{database.port}/{self.mark}",
            "DATABASE holdfast ": f"DATABASE {self.mark} ",
            "holdfast_": f"{self.mark}_",
            "_PASSWORD": f"_{self.mark}",
            "KEYSTORE_" + self.mark: "KEYSTORE_PASSWORD",
            "/var/lib/holdfast": str(self.folder),
            "--port 8000": f"--port {self.port}",
        }.items():
            text = text.replace(theirs, ours)
        return re.sub("CHANGE_ME", lambda _: secrets.token_hex(32), text)

    def settings(self) -> dict[str, str]:
        """The documented variables and nothing else but the path of the programs."""
        lines = self.named(_blocks("ini")[0]).splitlines()
        programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        return {"PATH": programs} | dict(line.split("=", 1) for line in lines)


def _as_superuser(statements: list[str]) -> None:
    connection = psycopg2.connect(os.environ["DATABASE_URL"])
    connection.autocommit = True
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    connection.close()


def _statements(sql: str) -> list[str]:
    return [part.strip() for part in sql.split(";") if part.strip()]


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The web process, started as the document says."""
    place = Place(f"first_{secrets.token_hex(4)}", tmp_path_factory.mktemp("lib"), free_port())
    made = _statements(place.named(_blocks("sql")[0]))
    _as_superuser(made)
    environment = place.settings()
    try:
        prepare, start = (place.named(block) for block in _blocks("sh")[:2])
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", prepare],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        with (place.folder / "log").open("wb") as log:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {start}"],
                env=environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            _wait(process, place)
            yield place
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)
    finally:
        names = re.findall(r"CREATE (ROLE|DATABASE) (\w+)", ";".join(made))
        _as_superuser(
            [
                f"DROP {kind} {name}" + (" WITH (FORCE)" if kind == "DATABASE" else "")
                for kind, name in sorted(names)
            ]
        )


def _wait(process: subprocess.Popen[bytes], place: Place) -> None:
    until = monotonic() + PATIENCE
    while True:
        try:
            _get(place, "/")
            return
        except OSError:
            assert process.poll() is None and monotonic() < until, (place.folder / "log").read_text()[-4000:]
            sleep(0.1)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes


def _get(place: Place, path: str, scheme: str = "https") -> Answer:
    """What the proxy would pass on for a visitor of the site."""
    with closing(HTTPConnection("127.0.0.1", place.port, timeout=20)) as connection:
        forwarded = {"X-Forwarded-Proto": scheme, "X-Forwarded-For": "192.0.2.9"}
        connection.request("GET", path, headers={"Host": HOST, **forwarded})
        with connection.getresponse() as answer:
            return Answer(answer.status, answer.headers, answer.read())


def _stylesheets(place: Place, page: str) -> list[str]:
    """The addresses of the page's stylesheets, each of which really loads."""
    links = [tag for tag in re.findall(r"<link [^>]*>", page) if 'rel="stylesheet"' in tag]
    found = [unescape(address) for tag in links for address in re.findall(r'href="([^"]+)"', tag)]
    for address in found:
        sheet = _get(place, address)
        assert (sheet.status, sheet.headers["Content-Type"].split(";")[0]) == (200, "text/css"), address
        assert len(sheet.body) > 100
    return found


def test_a_page_has_its_stylesheet(web: Place) -> None:
    answer = _get(web, "/")
    page = answer.body.decode()
    assert answer.status == 200
    assert any(re.search(r"/css/holdfast\.[0-9a-f]+\.css", sheet) for sheet in _stylesheets(web, page))


def test_the_api_answers(web: Place) -> None:
    refused = _get(web, "/api/v1/deals")
    assert (refused.status, refused.headers["Content-Type"]) == (401, "application/problem+json")
    schema = _get(web, "/api/v1/schema")
    assert schema.status == 200
    assert b'"openapi"' in schema.body


def test_the_consoles_lead_to_the_sign_in_which_has_its_stylesheets(web: Place) -> None:
    answer, path = _get(web, "/admin/"), "/admin/"
    while answer.status in (301, 302):
        path = answer.headers["Location"]
        answer = _get(web, path)
    page = answer.body.decode()
    assert answer.status == 200, path
    assert 'type="password"' in page
    assert _stylesheets(web, page)


def test_a_visitor_without_encryption_is_sent_to_https(web: Place) -> None:
    answer = _get(web, "/help/", scheme="http")
    assert (answer.status, answer.headers["Location"]) == (301, f"https://{HOST}/help/")


@pytest.mark.parametrize("path", ["/api/v1/deals", "/nowhere/", "/deals/new/"])
def test_a_huge_body_is_refused_before_a_byte_of_it_is_read(web: Place, path: str) -> None:
    with closing(HTTPConnection("127.0.0.1", web.port, timeout=20)) as connection:
        connection.putrequest("POST", path, skip_host=True)
        for name, value in {
            "Host": HOST, "X-Forwarded-Proto": "https", "Content-Length": "300000000",
        }.items():  # fmt: skip
            connection.putheader(name, value)
        connection.endheaders()
        with connection.getresponse() as answer:
            assert answer.status == 413


def test_the_web_process_does_not_start_as_the_owner(web: Place) -> None:
    """He could switch the guards of the tables off."""
    (owner,) = re.findall(r"^owner=(.*)$", web.named(_blocks("sh")[0]), re.MULTILINE)
    refused = subprocess.run(
        [sys.executable, "-c", "import escrow_platform.asgi"],
        env=web.settings() | {"DATABASE_URL": owner},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode != 0
    assert "it owns tables" in refused.stderr
