"""The one law broken on purpose: the checks that stay green for the product go red."""

import signal
import subprocess
import sys

import pytest

from chain.models import Call
from tests.chain.helpers import ROOT, manage, order, payouts, process_environment, stock
from tests.chaos import once
from tests.payments.fixtures import Desk


def naive(**environment: str) -> int:
    """Run the naive sender; returns its exit code, negative when it was killed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.naive"],
        env=process_environment(**environment),
        cwd=ROOT,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode <= 0, done.stderr.decode()[-2000:]
    return done.returncode


def test_broadcast_before_commit_pays_twice_and_the_checks_say_so(desk: Desk) -> None:
    stock(desk.engine)
    order(desk.engine, units=7)
    assert naive(CRASH_POINT="naive:sent") == -signal.SIGKILL
    assert Call.objects.get().outcome == "waiting"
    assert naive() == 0
    desk.settle()
    assert payouts(desk.engine.chain) == [7, 7]
    with pytest.raises(AssertionError, match=r"paid twice: \[7\]"):
        once.check_transfers_once(desk, [7])
    with pytest.raises(AssertionError):
        once.check_nonces(desk)


def test_the_product_at_the_same_place_pays_once_by_the_same_checks(desk: Desk) -> None:
    stock(desk.engine)
    order(desk.engine, units=7)
    assert manage("send", CRASH_POINT="broadcast:sent") == -signal.SIGKILL
    assert manage("send") == 0
    desk.settle()
    once.check_transfers_once(desk, [7])
