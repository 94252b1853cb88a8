"""Two hosts, one of which loses its network in the middle: every leg is paid once, and both did work.

Played by `make hosts` inside network namespaces; no part of `make test`.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection
from redis import Redis

from chain.models import Attempt, Call, Transaction
from chain.services import networks
from core.models import OutboxDelivery
from payments.models import Escrow
from payments.services.projection import is_caught_up
from tests.chain.fixtures import USDT
from tests.chain.helpers import ROOT
from tests.chaos import once
from tests.chaos.workers import mine_when_read, until
from tests.hosts.ground import HOSTS, SERVICES, Ground
from tests.hosts.machines import WATCHED, Machine, address_of, machine, note_authors, written
from tests.hosts.relay import relayed
from tests.payments import acts
from tests.payments.fixtures import Desk

LIVES = 24
UNPLUGGED = 15.0  # seconds without network
REPORT = ROOT / "docs" / "results" / "hosts.md"


@dataclass
class Seen:
    """What one play showed."""

    beats: int
    seconds: float
    paid: int
    attempts: int
    tasks: dict[str, int]
    rows: dict[tuple[str, str], int]


_seen: list[Seen] = []


@pytest.fixture
def hosts(desk: Desk, tmp_path: Path) -> Iterator[dict[str, Machine]]:
    """Both machines, ready to be staffed."""
    with Redis.from_url(settings.REDIS_URL) as redis:
        redis.flushdb()
    node = address_of(desk.engine.chain.url)
    ports = [
        int(connection.settings_dict["PORT"]),
        *(urlsplit(url).port or 0 for url in (settings.REDIS_URL, node)),
    ]
    ground = Ground(os.environ["HOLDFAST_HOSTS"])
    with ExitStack() as stack:
        stack.enter_context(relayed(SERVICES, ports))
        networks.local_network(node)
        stack.callback(networks.local_network, desk.engine.chain.url)
        found = {name: machine(ground, name, tmp_path) for name in HOSTS}
        for one in found.values():
            stack.callback(one.close)
            one.open()
        note_authors()
        yield found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("beats", [("left",), ("left", "right")], ids=["one_beat", "two_beats"])
def test_a_host_that_loses_its_network_costs_nobody_anything(
    desk: Desk, hosts: dict[str, Machine], beats: tuple[str, ...]
) -> None:
    started = time.monotonic()
    for name, host in hosts.items():
        host.worker(f"{name}-worker")
        host.sweeper()
    for name in beats:
        hosts[name].beat(f"{name}-beat")
    escrows = agreed_and_paid(desk)
    until(lambda: funded() >= LIVES // 3, "a third was funded", meanwhile=lambda: mine_when_read(desk))
    ground = hosts["right"].ground
    assert ground is not None

    ground.plug("right", into=False)
    end = time.monotonic() + UNPLUGGED
    while time.monotonic() < end:
        release_what_is_funded(desk)
        mine_when_read(desk)
        time.sleep(0.1)
    ground.plug("right", into=True)
    before = written()
    until(
        lambda: finished(desk),
        "every escrow was paid out",
        meanwhile=lambda: (release_what_is_funded(desk), mine_when_read(desk)),
        limit=150,
    )
    until(
        lambda: by("right") > sum(n for (host, _), n in before.items() if host == "right"),
        "the host that was away worked again",
        meanwhile=lambda: desk.engine.chain.mine(1),
    )
    _seen.append(
        Seen(
            len(beats), time.monotonic() - started, len(escrows), Attempt.objects.count(),
            {name: host.tasks_done() for name, host in hosts.items()}, dict(written()),
        )
    )  # fmt: skip
    for host in hosts.values():
        host.close()

    once.check_paid_once(desk, escrows)
    once.check_calls_closed_once(desk)
    desk.check_books()
    assert not OutboxDelivery.objects.filter(done_at=None).exclude(last_error="").exists()
    for name in HOSTS:
        assert hosts[name].tasks_done() > 0, hosts[name].log(f"{name}-worker")[-2000:]
        assert by(name) > 0
    write_report()


def agreed_and_paid(desk: Desk) -> list[Escrow]:
    """Deals agreed by the services here; the hosts do everything that follows."""
    found = []
    for number in range(LIVES):
        escrow = desk.agreed((100 + number) * USDT).escrows.get()
        desk.pay(escrow)
        found.append(escrow)
    return found


def funded() -> int:
    return Escrow.objects.filter(state="funded").count()


def release_what_is_funded(desk: Desk) -> None:
    """The buyers release as soon as their money is seen for good."""
    for escrow in Escrow.objects.filter(state="funded").exclude(orders__kind="pay")[:3]:
        acts.release(desk, escrow)


def finished(desk: Desk) -> bool:
    if Escrow.objects.exclude(state="released").exists() or not is_caught_up(desk.engine.network):
        return False
    calls = Call.objects.exclude(outcome__in=["done", "superseded", "failed"])
    waiting = OutboxDelivery.objects.filter(done_at=None)
    open_ones = Transaction.objects.exclude(state__in=["final_ok", "final_reverted", "cancelled"])
    return not (calls.exists() or waiting.exists() or open_ones.exists())


def by(host: str) -> int:
    """How many rows this host has written."""
    return sum(count for (name, _), count in written().items() if name == host)


def write_report() -> None:
    """One table; the second play adds its rows."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    titles = {"core_statetransition": "state changes", "chain_attempt": "transactions signed",
              "chain_finalevent": "final events", "chain_block": "blocks"}  # fmt: skip
    lines = [
        "# Two hosts, one PostgreSQL, one Redis, one node",
        "",
        f"`make hosts` on {datetime.now(UTC):%Y-%m-%d}, commit {commit.stdout.strip()}. Each host is a",
        "network namespace with a Celery worker and a sweeper that reads, signs, sends and projects without",
        f"Celery; nothing coordinates them but the database. {LIVES} deals are paid and released; the right",
        f"host loses its network for {UNPLUGGED:.0f} s in the middle and gets it back.",
        "",
        "Every play ends with: each escrow decided once on the chain, each leg paid once, one posting for",
        "each event, books equal to the chain. What a host did is counted by the rows that it wrote.",
        "",
        "| beats | host | tasks done | " + " | ".join(titles[table] for table in WATCHED) + " |",
        "| ---: | --- | ---: |" + " ---: |" * len(WATCHED),
    ]
    for seen in _seen:
        for host in HOSTS:
            counts = " | ".join(f"{seen.rows.get((host, table), 0):,}" for table in WATCHED)
            lines.append(f"| {seen.beats} | {host} | {seen.tasks[host]:,} | {counts} |")
    lines += ["", *(f"With {seen.beats} beat{'s' * (seen.beats > 1)}: {seen.paid} escrows paid in "
                    f"{seen.seconds:.0f} s, {seen.attempts} signed attempts." for seen in _seen)]  # fmt: skip
    REPORT.write_text("\n".join(lines) + "\n")
