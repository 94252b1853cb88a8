"""Crashes of the sending process: nothing lost, nothing paid twice."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from chain.models import Attempt, Call, Sender, Transaction
from core.models import Lease
from tests.chain.fixtures import Engine
from tests.chain.helpers import ROOT, events, manage, order, payouts, process_environment, sender_of, stock


def crash_then_settle(engine: Engine, point: str, *, stored: int) -> None:
    """The sending process dies at `point` with `stored` attempts in the database; another one goes on."""
    stock(engine)
    order(engine)
    assert manage("send", CRASH_POINT=point) == -signal.SIGKILL
    before = list(Attempt.objects.values_list("hash", flat=True))
    assert len(before) == stored
    manage("send")
    engine.settle()
    assert payouts(engine.chain) == [7]
    assert list(Attempt.objects.values_list("hash", flat=True))[:stored] == before
    assert (Transaction.objects.count(), Attempt.objects.count()) == (1, 1)
    assert sender_of(engine).next_nonce == 1
    assert events(engine).count("call:done") == 1


def test_f01_a_crash_before_the_assignment_commits_sends_once_later(engine: Engine) -> None:
    """F1. Red when a nonce is stored before the bytes are signed (rules_off)."""
    crash_then_settle(engine, "assign:signed", stored=0)


def test_f02_a_crash_after_the_commit_sends_the_same_bytes(engine: Engine) -> None:
    """F2. Red when what was assigned and never sent is not found again (rules_off)."""
    crash_then_settle(engine, "assign:committed", stored=1)


@pytest.mark.parametrize("point", ["broadcast:sent", "broadcast:marked"])
def test_f03_a_crash_after_the_send_pays_once(engine: Engine, point: str) -> None:
    """F3. Red when what was perhaps sent is signed again instead of sent again (rules_off)."""
    crash_then_settle(engine, point, stored=1)


def test_a_crash_while_confirming_is_confirmed_once_later(engine: Engine) -> None:
    stock(engine)
    order(engine)
    engine.send()
    engine.mine(4)
    assert manage("send", CRASH_POINT="confirm:before_commit") == -signal.SIGKILL
    assert Call.objects.get().outcome == "sent"
    engine.settle()
    assert events(engine).count("call:done") == 1


_WORKER = """
import os, time, django
django.setup()
from django.conf import settings
from chain.models import Network
from chain.services.sweep import sweep
network = Network.objects.get()
while os.getppid() == {parent}:
    if not sweep(network):
        time.sleep(0.05)
"""


def _worker() -> "subprocess.Popen[bytes]":
    """A process that sweeps until it is killed."""
    return subprocess.Popen(
        [sys.executable, "-c", _WORKER.format(parent=os.getpid())],
        env=process_environment(PYTHONPATH=str(ROOT) + os.pathsep + os.environ.get("PYTHONPATH", "")),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.timeout(300)
def test_f09_two_killed_workers_on_one_sender_send_100_calls_once_each(engine: Engine) -> None:
    """F9: contiguous nonces, each call once."""
    chance = random.Random(9)
    stock(engine)
    Sender.objects.update(in_flight_limit=40)
    for place in range(100):
        order(engine, f"pay-{place}", units=place + 1)
    workers = [_worker(), _worker()]
    kills, limit = 0, time.monotonic() + 270
    try:
        while Call.objects.exclude(outcome="done").exists():
            assert time.monotonic() < limit, "the calls did not finish"
            assert not any(worker.poll() for worker in workers), "a worker failed by itself"
            engine.chain.mine(1)
            place = chance.randrange(2)
            if kills < 8 and chance.random() < 0.15 and Transaction.objects.exists():
                workers[place].kill()
                workers[place].wait()
                workers[place] = _worker()
                kills += 1
            time.sleep(0.1)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert kills > 2
    assert sorted(payouts(engine.chain)) == list(range(1, 101))
    nonces = Transaction.objects.order_by("nonce").values_list("nonce", flat=True)
    assert list(nonces) == list(range(100))
    assert events(engine).count("call:done") == 100
    assert not Lease.objects.exists()
