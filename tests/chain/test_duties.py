"""The Celery tasks: they take the lease, refuse an unfit network, and leave failures to the next round."""

from datetime import timedelta

from django.db.models.functions import Now

from chain.models import Alarm, Call, Network, ScanCursor
from chain.tasks import audit_balances, confirm, index, send_due
from core import leases
from core.models import Heartbeat, LongRound
from tests.chain.fixtures import Engine
from tests.chain.helpers import alarms, order, payouts, stock, through, watched
from tests.chaos import rpcproxy


def test_the_tasks_finish_a_call(engine: Engine) -> None:
    stock(engine)
    order(engine)
    send_due(engine.network.pk)
    engine.chain.mine(4)
    index(engine.network.pk)
    confirm(engine.network.pk)
    audit_balances(engine.network.pk)
    assert (Call.objects.get().outcome, payouts(engine.chain)) == ("done", [7])
    assert set(Heartbeat.objects.values_list("name", flat=True)) == {
        "chain.send:local", "chain.index:local", "chain.confirm:local", "chain.audit:local",
    }  # fmt: skip


def test_a_duty_that_another_worker_has_is_left_to_it(engine: Engine) -> None:
    engine.chain.mine(4)
    before = ScanCursor.objects.get(lane="head").number
    with leases.held(f"chain.index:{engine.network.pk}", timedelta(seconds=60)) as won:
        assert won
        index(engine.network.pk)
        assert ScanCursor.objects.get(lane="head").number == before
        assert not Heartbeat.objects.exists(), "a duty that hangs in another worker must be seen to stop"
    index(engine.network.pk)
    assert ScanCursor.objects.get(lane="head").number == engine.chain.head


def test_a_round_that_never_ends_calls_a_human_until_it_ends(engine: Engine) -> None:
    """Turns that fail one after the other, or too much to do: nothing else would show it."""
    watched(engine)
    engine.mine(4)
    audit_balances(engine.network.pk)
    assert "round_unended" not in alarms()
    LongRound.objects.update(ended_at=Now() - timedelta(days=3), began_at=Now() - timedelta(days=3))
    index(engine.network.pk)
    alarm = Alarm.objects.get(kind="round_unended", resolved_at=None)
    assert alarm.subject == "local: audit"
    audit_balances(engine.network.pk)
    index(engine.network.pk)
    assert "round_unended" not in alarms()


def test_books_of_escrows_that_hold_money_are_missed_after_hours(engine: Engine) -> None:
    engine.mine(4)
    for what in ("books all", "books unfinished"):
        row, _ = LongRound.objects.get_or_create(name=f"local: {what}")
        LongRound.objects.filter(pk=row.pk).update(ended_at=Now() - timedelta(hours=7))
    index(engine.network.pk)
    found = Alarm.objects.filter(kind="round_unended", resolved_at=None)
    assert list(found.values_list("subject", flat=True)) == ["local: books unfinished"]


def test_a_silent_node_is_survived_and_an_unfit_one_refused_with_an_alarm(engine: Engine) -> None:
    with rpcproxy.running_proxy(engine.chain.url) as proxy:
        through(engine, proxy.url)
        index(engine.network.pk)
        proxy.on("*", rpcproxy.drop_request)
        index(engine.network.pk)
        proxy.heal()
        index(engine.network.pk)
        Network.objects.update(escrow_code_hash="0x" + "1" * 64)
        index(engine.network.pk)
        assert Alarm.objects.filter(kind="unfit_node", resolved_at=None).exists()


def test_a_legacy_network_is_paid_with_a_gas_price(engine: Engine) -> None:
    """T7: legacy fees are explicit per network."""
    Network.objects.update(legacy_fees=True)
    engine.network.refresh_from_db()
    stock(engine)
    order(engine)
    engine.settle()
    assert payouts(engine.chain) == [7]
    sent = engine.chain.rpc("eth_getTransactionByHash", Call.objects.get().transaction.mined_attempt.hash)
    assert int(sent["type"], 16) == 0
