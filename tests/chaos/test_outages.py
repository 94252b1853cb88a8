"""Redis and PostgreSQL go away while a deal is under way: it costs time, never money."""

import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from redis import Redis
from redis.exceptions import RedisError
from rest_framework.test import APIClient

from core.actors import SYSTEM
from escrow_platform.stack.process import Child
from partners.models import Scope
from partners.services.accounts import create_partner
from partners.services.keys import create_key
from payments.models import Escrow
from payments.services import delivery, payouts
from tests.browser import Browser
from tests.chain.fixtures import USDT
from tests.chaos import once, stories
from tests.chaos.outages import private_redis, sweeping, swift, until_swept
from tests.chaos.workers import Crew, mine_when_read, until
from tests.payments.fixtures import Desk, UserFactory, actor


@pytest.mark.parametrize("outage", ["gone", "frozen"])
def test_f31_a_whole_deal_with_redis_down(desk: Desk, tmp_path: Path, outage: str) -> None:
    """F31: pages, services and API answer at once, and the sweeper finishes the deal.

    Frozen is the worse outage: connections are accepted and nothing ever answers.
    """
    buyer = Browser()
    buyer.force_login(desk.cast.buyer)
    with private_redis(tmp_path) as (server, url), sweeping(tmp_path, REDIS_URL=url) as sweeper:
        first = desk.agreed(100 * USDT)
        assert buyer.get("/deals/").status_code == 200
        assert _rings_reach(url, desk, first.escrows.get())
        take_away(server, outage)
        with pytest.raises(RedisError):
            Redis.from_url(url, socket_timeout=0.3).ping()

        with swift("creating, proposing, joining and accepting"):
            escrow = desk.agreed(250 * USDT).escrows.get()
        page = f"/deals/{escrow.deal_id}/escrows/{escrow.pk}/"
        with swift("the checkout"):
            assert buyer.get(f"{page}pay/").status_code == 200
        desk.pay(escrow)
        until_swept(desk, sweeper, lambda: stories.state(escrow) == "funded", "the escrow was funded")
        with swift("delivering"):
            delivery.deliver(escrow_id=escrow.pk, role="seller", acting=actor(desk.cast.seller), note="Done.")
        with swift("releasing on the page"):
            answer = buyer.post(f"{page}release/", {"how_much": "all", "password": "correct horse"})
        assert answer.status_code == 302
        assert stories.state(escrow) == "releasing"
        with swift("an API call"):
            assert _partner().get("/api/v1/deals").status_code == 200
        until_swept(desk, sweeper, lambda: stories.state(escrow) == "released", "the escrow was released")
        with swift("the receipt"):
            assert buyer.get(f"{page}receipt/").status_code == 200
    desk.settle()
    once.check_paid_once(desk, [escrow])


def take_away(server: Child, outage: str) -> None:
    """End the server, or let it hang."""
    if outage == "gone":
        server.stop()
    else:
        os.kill(server.pid, signal.SIGSTOP)


def _rings_reach(url: str, desk: Desk, escrow: Escrow) -> bool:
    """Whether this process really uses the Redis that will be stopped."""
    from payments.tasks import show_heads

    with Redis.from_url(url) as redis:
        before = redis.llen("celery")
        show_heads.delay(desk.engine.network.pk, [escrow.pk])
        return bool(redis.llen("celery") == before + 1)


def _partner() -> APIClient:
    partner = create_partner(name="Market", owner=UserFactory(), actor=SYSTEM)
    issued = create_key(partner, livemode=False, scopes=Scope.values, actor=SYSTEM)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {issued.secret}")
    return client


@pytest.mark.timeout(600)
def test_f31_redis_flushed_again_and_again_loses_no_work(desk: Desk, crew: Callable[..., Crew]) -> None:
    """F31: what was queued is gone, and so is what Celery remembers about its queues."""
    chance = _chance(31)
    team = crew()
    team.beat()
    worker = team.worker()
    flushes = 0

    def meanwhile() -> None:
        nonlocal flushes
        mine_when_read(desk)
        if chance.random() < 0.15:
            with Redis.from_url(settings.REDIS_URL) as redis:
                redis.flushdb()
            flushes += 1

    for what, done in stories.released(desk):
        until(done, what, meanwhile=meanwhile)
    team.tend()
    assert flushes > 2
    assert worker.deaths == []
    desk.settle()
    once.check_paid_once(desk, list(Escrow.objects.all()))
    once.check_nonces(desk)


@pytest.mark.timeout(600)
def test_f32_database_connections_cut_at_random_pay_once(desk: Desk, crew: Callable[..., Crew]) -> None:
    """F32: every connection but the test's own ends in the middle of whatever it was doing."""
    chance = _chance(32)
    escrows = [desk.agreed((50 + number) * USDT).escrows.get() for number in range(5)]
    for escrow in escrows:
        desk.pay(escrow)
    desk.settle()
    team = crew()
    team.beat()
    team.worker()
    for escrow in escrows:
        payouts.release(escrow_id=escrow.pk, role="buyer", acting=actor(desk.cast.buyer))
    cut = 0

    def meanwhile() -> None:
        nonlocal cut
        mine_when_read(desk)
        team.tend()
        if cut < 60 and chance.random() < 0.5:
            cut += _cut_connections()

    until(
        lambda: not Escrow.objects.exclude(state="released").exists(),
        "every escrow was released",
        meanwhile=meanwhile,
    )
    assert cut > 5
    team.close()
    desk.settle()
    once.check_paid_once(desk, escrows)
    assert once.check_nonces(desk) == len(escrows)


def _cut_connections() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


def _chance(seed: int) -> random.Random:
    sys.stdout.write(f"seed {seed}\n")
    return random.Random(seed)
