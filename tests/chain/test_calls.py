"""Ordering: once under its key, in the transaction that wants it, whatever the broker does."""

from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import pytest
from django.db import connection, transaction

from chain.models import Call, FinalEvent, Network
from chain.services import calls
from chain.tasks import send_due
from core.errors import Conflict
from core.models import StateTransition
from tests.chain.fixtures import Engine
from tests.chain.helpers import manage, order, payouts, sender_of, stock


def test_same_key_and_same_request_is_the_same_call(engine: Engine) -> None:
    assert order(engine).pk == order(engine).pk
    assert Call.objects.count() == 1


def test_f08_same_key_with_another_body_is_refused(engine: Engine) -> None:
    """F8: see `rules_off` for the rule that is switched off."""
    order(engine, units=7)
    with pytest.raises(Conflict):
        order(engine, units=8)


def test_f08_one_key_ordered_by_many_at_once_makes_one_call(engine: Engine) -> None:
    """F8: see `rules_off` for the rule that is switched off."""

    def attempt(_: int) -> str:
        try:
            return order(engine).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(attempt, range(16)))) == 1
    assert Call.objects.count() == 1


def test_f08_one_key_with_two_bodies_at_once_orders_one_of_them(engine: Engine) -> None:
    """F8: see `rules_off` for the rule that is switched off."""

    def attempt(place: int) -> int:
        try:
            order(engine, units=7 + place % 2)
        except Conflict:
            return 0
        finally:
            connection.close()
        return 7 + place % 2

    with ThreadPoolExecutor(8) as threads:
        ordered = set(threads.map(attempt, range(16)))
    assert Call.objects.count() == 1
    assert len(ordered) == 2, "the one that won, and refusals"
    assert 0 in ordered


def test_an_order_outside_a_transaction_is_a_mistake(engine: Engine) -> None:
    with pytest.raises(RuntimeError):
        calls.order_call(
            network=engine.network, purpose="payouts", target=sender_of(engine).address, data=b"",
            gas_limit=21_000, key="k", expected=[{"address": "0x", "topic0": "0x"}], label="",
        )  # fmt: skip


def test_an_order_rolled_back_leaves_nothing_and_rings_nobody(engine: Engine) -> None:
    with mock.patch.object(send_due, "delay") as ring:
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            order(engine)
            raise ZeroDivisionError
        assert Call.objects.count() == 0
        ring.assert_not_called()
        order(engine)
        ring.assert_called_once_with(engine.network.pk)


def test_a_dead_broker_neither_breaks_nor_slows_the_commit(engine: Engine) -> None:
    order(engine, "warm")
    script = (
        "import time; from django.db import transaction; from chain.models import Network;"
        "from chain.tasks import send_due; from core import doorbell; begun = time.monotonic()\n"
        "with transaction.atomic():\n"
        "    Network.objects.update(name='kept'); doorbell.on_commit(send_due.delay, 1)\n"
        "assert time.monotonic() - begun < 3"
    )
    manage("shell", "-c", script, REDIS_URL="redis://127.0.0.1:1/0")
    assert Network.objects.get().name == "kept"


def test_superseding_closes_only_what_has_no_transaction(engine: Engine) -> None:
    stock(engine)
    sent = order(engine, "sent", group="esc_1")
    engine.send()
    order(engine, "waiting", units=8, group="esc_1")
    order(engine, "other", units=9, group="esc_2")
    with transaction.atomic():
        closed = calls.supersede_calls(engine.network, "esc_1", "disputed")
    assert [call.idempotency_key for call in closed] == ["waiting"]
    assert dict(Call.objects.values_list("idempotency_key", "outcome")) == {
        "sent": "sent", "waiting": "superseded", "other": "waiting",
    }  # fmt: skip
    with transaction.atomic(), pytest.raises(Conflict):
        calls.close_as_superseded(sent, "no")


def test_a_retry_follows_only_a_call_that_failed(engine: Engine) -> None:
    stock(engine)
    first = order(engine)
    with pytest.raises(Conflict):
        order(engine, "pay-1-again", replaces=first)


def test_every_state_change_is_in_the_transition_log(engine: Engine) -> None:
    stock(engine)
    call = order(engine)
    engine.settle()
    steps = StateTransition.objects.filter(subject_id=call.pk).order_by("id")
    assert [(row.source, row.target) for row in steps] == [
        ("", "waiting"), ("waiting", "sent"), ("sent", "done"),
    ]  # fmt: skip
    carrier = StateTransition.objects.filter(subject_type="chain.transaction").order_by("id")
    assert [row.target for row in carrier] == ["assigned", "sent", "mined", "final_ok"]


def test_f10_two_orders_of_one_group_are_not_both_sent(engine: Engine) -> None:
    """F10: the second is simulated on the first's pending effect and refused before it costs anything."""
    units = 5
    stock(engine, units)
    order(engine, "release", units=units, group="esc_1")
    order(engine, "refund", units=units, to=sender_of(engine, "deadlines").address, group="esc_1")
    for _ in range(4):
        engine.send()
    engine.settle()
    assert payouts(engine.chain) == [units]
    assert Call.objects.get(idempotency_key="refund").transaction is None


def test_the_commands_alone_finish_a_call(engine: Engine) -> None:
    stock(engine)
    order(engine)
    manage("send")
    engine.chain.mine(4)
    manage("index")
    manage("send")
    assert Call.objects.get().outcome == "done"
    assert FinalEvent.objects.filter(kind="call").count() == 1
