"""Rivals at the same instant, processes that die, duties that run twice: each effect once."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections

from chain.models import Call, FinalEvent
from contracts import calls
from core import clock, deadlines
from core.errors import Conflict
from payments.books import balances
from payments.models import (
    DECIDING,
    Deposit,
    Entry,
    Journal,
    Order,
    OrderKind,
    PayoutLeg,
    ProjectionCursor,
)
from payments.services import clocks, projection
from tests.chain.fixtures import USDT
from tests.chain.helpers import ROOT, process_environment
from tests.chaos.once import decisions_on_chain
from tests.payments.acts import deliver, dispute, refund, release, rule
from tests.payments.fixtures import BUYER_ADDRESS, FEE_ADDRESS, SELLER_ADDRESS, Desk


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Run each act in a thread of its own, all from one starting line; results or `Conflict`s in order."""
    line = threading.Barrier(len(acts))
    results: list[Any] = [None] * len(acts)

    def run(place: int, act: Callable[[], Any]) -> None:
        try:
            line.wait(30)
            results[place] = act()
        except Conflict as error:
            results[place] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(place, act)) for place, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "a deadlock"
    return results


def refused(results: list[Any]) -> list[Any]:
    return [result for result in results if isinstance(result, Conflict)]


def test_f10_release_and_refund_at_once_decide_once(desk: Desk) -> None:
    """F10: see `rules_off` for the rule that is switched off."""
    escrow = desk.funded(250 * USDT)
    results = at_once(
        lambda: release(desk, escrow),
        lambda: refund(desk, escrow),
        lambda: release(desk, escrow),
        lambda: refund(desk, escrow),
    )
    assert len(refused(results)) == 3
    assert Order.objects.filter(kind__in=DECIDING).count() == 1
    desk.settle()
    assert desk.state(escrow) in ("released", "refunded")
    assert sum(map(desk.balance, (SELLER_ADDRESS, BUYER_ADDRESS, FEE_ADDRESS))) == 250 * USDT


def test_f10_a_dispute_beside_release_and_refund_leaves_one_outcome(desk: Desk) -> None:
    """F10: the chain decides between what was ordered; nothing is paid twice."""
    escrow = desk.funded(250 * USDT)
    at_once(
        lambda: release(desk, escrow),
        lambda: refund(desk, escrow),
        lambda: dispute(desk, escrow),
        lambda: dispute(desk, escrow, "seller"),
    )
    assert Order.objects.filter(kind__in=DECIDING).count() <= 1
    assert Order.objects.filter(kind="dispute").count() <= 1
    desk.settle()
    state = desk.state(escrow)
    assert state in ("released", "refunded", "disputed")
    paid = sum(map(desk.balance, (SELLER_ADDRESS, BUYER_ADDRESS, FEE_ADDRESS)))
    assert paid == (0 if state == "disputed" else 250 * USDT)
    assert not Order.objects.filter(state="live").exists()


def test_f10_release_refund_and_ruling_at_once_decide_exactly_once(desk: Desk) -> None:
    """F10: two rulings, a release and a refund by click, and both wallets giving the money away in the same
    block. The table lets one order through, and the contract one decision."""
    escrow = desk.funded(250 * USDT)
    dispute(desk, escrow)
    desk.settle()
    for click in (release, refund):
        with pytest.raises(Conflict):
            click(desk, escrow)
    results = at_once(
        lambda: release(desk, escrow),
        lambda: refund(desk, escrow),
        lambda: rule(desk, escrow, 100 * USDT, 150 * USDT),
        lambda: rule(desk, escrow, 150 * USDT, 100 * USDT),
    )
    assert len(refused(results)) == 3
    assert Order.objects.get(kind__in=DECIDING).kind == OrderKind.RULE
    desk.engine.send()
    for wallet, side in ((BUYER_ADDRESS, "to_seller"), (SELLER_ADDRESS, "to_buyer")):
        nothing = {"to_seller": 0, "to_buyer": 0}
        data = calls.pay(desk.terms(escrow), **(nothing | {side: escrow.amount}), left=escrow.amount)
        desk.as_party(wallet, data)
    desk.settle()
    assert list(decisions_on_chain(desk).values()) == [1]
    assert desk.state(escrow) in ("released", "refunded", "settled")
    assert sum(map(desk.balance, (SELLER_ADDRESS, BUYER_ADDRESS, FEE_ADDRESS))) == 250 * USDT
    assert sum(units for _, units, state in desk.legs(escrow) if state == "paid") == 250 * USDT


def test_two_partial_releases_at_once_never_release_more_than_there_is(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    at_once(*[lambda: release(desk, escrow, 200 * USDT)] * 4)
    desk.settle()
    assert desk.fresh(escrow).remainder == 50 * USDT
    assert PayoutLeg.objects.filter(kind="release").count() == 1


def test_a_delivery_and_a_refund_at_once_never_undo_the_refund(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    results = at_once(lambda: deliver(desk, escrow), lambda: refund(desk, escrow))
    desk.settle()
    assert results[1] is None  # possible before and after the delivery
    assert desk.state(escrow) == "refunded"


def test_f36_the_projection_run_by_several_at_once_posts_each_event_once(desk: Desk) -> None:
    """F36: see `rules_off` for the rule that is switched off."""
    escrows = [desk.agreed((50 + place) * USDT).escrows.get() for place in range(4)]
    for escrow in escrows:
        desk.pay(escrow)
        desk.engine.mine()
    desk.engine.mine(4)
    at_once(*[lambda: projection.project(desk.engine.network)] * 4)
    desk.duties()
    assert Deposit.objects.count() == Journal.objects.count() == 4
    assert [desk.state(escrow) for escrow in escrows] == ["funded"] * 4
    last = FinalEvent.objects.filter(network=desk.engine.network).order_by("-seq")[0].seq
    assert ProjectionCursor.objects.get().seq == last


def test_f36_one_deadline_handled_by_several_at_once_acts_once(desk: Desk) -> None:
    """F36: see `rules_off` for the rule that is switched off."""
    escrow = desk.funded(250 * USDT)
    deliver(desk, escrow)
    desk.settle()

    def run() -> int:
        with clock.travelled(timedelta(days=7, minutes=5)):
            return deadlines.run_due()

    assert sum(at_once(run, run, run)) == 1
    assert escrow.orders.filter(kind="pay").count() == 1
    assert desk.state(escrow) == "releasing"


def test_a_click_and_the_timer_at_once_pay_once(desk: Desk) -> None:
    """One owner per leg: the page and the automatic processor must not both pay."""
    escrow = desk.funded(250 * USDT)
    deliver(desk, escrow)
    desk.settle()

    def timer() -> int:
        with clock.travelled(timedelta(days=7, minutes=5)):
            return deadlines.run_due()

    at_once(timer, lambda: release(desk, escrow), timer, lambda: release(desk, escrow))
    assert escrow.orders.filter(kind="pay").count() == 1
    desk.platform_travels(timedelta(days=7, minutes=5))  # if the timer won, it ordered then
    desk.settle()
    assert desk.balance(SELLER_ADDRESS) == 247_500_000


_PROJECT = """
import django
django.setup()
from chain.models import Network
from payments.services.projection import project
print(project(Network.objects.get()))
"""


def project_in_a_process(**environment: str) -> int:
    """Apply what waits in a process of its own; its exit code."""
    settings = {"DJANGO_SETTINGS_MODULE": "escrow_platform.settings.test"}
    done = subprocess.run(
        [sys.executable, "-c", _PROJECT],
        env=process_environment(**settings, **environment),
        cwd=ROOT,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode <= 0, done.stderr.decode()[-2000:]
    return done.returncode


def test_a_crash_before_the_commit_of_a_deposit_books_it_once_after_the_restart(desk: Desk) -> None:
    escrow = desk.agreed(250 * USDT).escrows.get()
    desk.settle()
    desk.pay(escrow)
    desk.engine.mine(5)
    assert project_in_a_process(CRASH_POINT="project:before_commit") == -signal.SIGKILL
    assert Deposit.objects.count() == Entry.objects.count() == 0
    assert desk.state(escrow) == "awaiting_deposit"
    assert project_in_a_process() == 0
    assert (Deposit.objects.count(), desk.state(escrow)) == (1, "funded")
    assert desk.events(escrow).count("escrow.funded") == 1
    assert balances.held(escrow) == 250 * USDT


def test_a_crash_before_the_commit_of_a_payout_pays_and_posts_once(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    release(desk, escrow)
    desk.engine.send()
    desk.engine.mine(5)
    desk.engine.confirm()
    assert project_in_a_process(CRASH_POINT="project:before_commit") == -signal.SIGKILL
    assert desk.state(escrow) == "releasing"
    desk.settle()
    assert desk.state(escrow) == "released"
    assert desk.balance(SELLER_ADDRESS) == 247_500_000
    assert Call.objects.filter(outcome="done").count() == 1


def test_f32_a_connection_that_breaks_in_the_middle_of_an_event_leaves_nothing_half_done(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F32: see `rules_off` for the rule that is switched off."""
    from core import crashpoints

    escrow = desk.agreed(250 * USDT).escrows.get()
    desk.settle()
    desk.pay(escrow)
    desk.engine.mine(5)

    def cut(name: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    monkeypatch.setattr(crashpoints, "hit", cut)
    with pytest.raises(Exception, match=r"terminat|closed|connection"):
        projection.project(desk.engine.network)
    monkeypatch.undo()
    connection.close()
    assert (Deposit.objects.count(), desk.state(escrow)) == (0, "awaiting_deposit")
    desk.settle()
    assert (Deposit.objects.count(), desk.state(escrow)) == (1, "funded")


def test_f31_f36_duties_that_never_ran_are_all_found_in_the_tables(desk: Desk) -> None:
    """F31, F36: nothing was rung, nothing was scheduled; one late round does it all."""
    escrow = desk.agreed(250 * USDT).escrows.get()
    desk.pay(escrow)
    desk.engine.mine(6)
    desk.settle()
    deliver(desk, escrow)
    desk.travel(timedelta(days=7, minutes=5))
    assert desk.state(escrow) == "released"
    assert not deadlines.waiting(escrow.pk).filter(kind=clocks.INSPECT).exists()
