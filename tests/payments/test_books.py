"""The books: what the database refuses, and that they are written from events and compared with the chain."""

import ast
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, connections, transaction

import payments.books
from chain.models import Alarm, FinalEvent
from chain.rpc.errors import AllProvidersFailed
from chain.services import reads
from core import leases
from core.actors import Actor
from core.models import AuditEntry, Heartbeat, LongRound
from escrow_platform.schedule import duties
from payments import tasks
from payments.books import balances, reconcile
from payments.books.post import Line, Unbalanced, post
from payments.models import Account, AccountKind, Entry, Escrow, Journal, ProjectionCursor
from payments.services import controls, projection
from tests.chain.fixtures import USDT
from tests.chaos import rpcproxy
from tests.chaos.rpcproxy import RpcProxy
from tests.payments.acts import refund, release
from tests.payments.fixtures import Desk

TABLES = ("payments_journal", "payments_entry", "payments_account")


def unposted(desk: Desk) -> FinalEvent:
    """A final event that moved no money, with a number that no journal has."""
    posted = Journal.objects.values_list("seq", flat=True)
    found = FinalEvent.objects.filter(network=desk.engine.network).exclude(seq__in=posted).last()
    if found is not None:
        return found
    last = FinalEvent.objects.filter(network=desk.engine.network).order_by("-seq")[0]
    last.seq += 1_000
    return last


def lines(escrow: Escrow, vault: int, held: int) -> list[Line]:
    return [
        Line(AccountKind.VAULT, vault, escrow.token),
        Line(AccountKind.HELD, held, escrow.token),
    ]


@contextmanager
def wrong_in_the_books(desk: Desk, escrow: Escrow) -> Iterator[None]:
    """Five base units too many inside; the correction follows, so that the desk finds the books right."""
    with transaction.atomic():
        post(unposted(desk), escrow, "wrong", lines(escrow, 5, -5))
    yield
    with transaction.atomic():
        event = unposted(desk)
        event.seq += 5_000
        post(event, escrow, "corrected", lines(escrow, -5, 5))


def test_a_deposit_and_its_release_leave_books_that_sum_to_zero(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    assert balances.balance(escrow, AccountKind.VAULT) == balances.held(escrow) == 250 * USDT
    release(desk, escrow)
    desk.settle()
    assert balances.balance(escrow, AccountKind.VAULT) == balances.held(escrow) == 0
    assert Journal.objects.count() == 2
    assert all(row["total"] == 0 for row in sums_by_journal())


def sums_by_journal() -> Any:
    from django.db.models import Sum

    return Entry.objects.values("journal", "account__token").annotate(total=Sum("amount"))


def test_lines_that_do_not_balance_are_refused_before_anything_is_written(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    before = Journal.objects.count()
    with pytest.raises(Unbalanced):
        post(unposted(desk), escrow, "wrong", lines(escrow, 5, -4))
    assert Journal.objects.count() == before


def test_the_database_refuses_an_unbalanced_journal_at_commit(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    before = Entry.objects.count()
    account = Account.objects.get(escrow=escrow, kind=AccountKind.HELD)
    journal = Journal.objects.get()
    with pytest.raises(IntegrityError, match="does not balance"), transaction.atomic():
        Entry.objects.create(journal=journal, account=account, amount=1)
    with pytest.raises(IntegrityError, match="does not balance"), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO payments_entry (journal_id, account_id, amount) VALUES (%s, %s, 7)",
            [journal.pk, account.pk],
        )
    assert Entry.objects.count() == before


def test_amounts_of_two_tokens_never_balance_each_other(desk: Desk) -> None:
    from chain.models import Token
    from tests.payments.test_deposits import other_token

    escrow = desk.funded(250 * USDT)
    other = Token.objects.get(address=other_token(desk))
    mixed = [Line(AccountKind.VAULT, 5, escrow.token), Line(AccountKind.SURPLUS, -5, other)]
    with pytest.raises(Unbalanced):
        post(unposted(desk), escrow, "mixed", mixed)
    journal = Journal.objects.get()
    with pytest.raises(IntegrityError, match="does not balance"), transaction.atomic():
        for line in mixed:
            account, _ = Account.objects.get_or_create(escrow=escrow, kind=line.kind, token=line.token)
            Entry.objects.create(journal=journal, account=account, amount=line.amount)


def test_a_final_event_posts_once(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    event = FinalEvent.objects.get(seq=Journal.objects.get().seq)
    with pytest.raises(IntegrityError, match="a_final_event_posts_once"), transaction.atomic():
        post(event, escrow, "again", lines(escrow, 5, -5))
    assert Journal.objects.count() == 1


def test_a_deposit_is_booked_once_even_if_the_cursor_is_set_back(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    ProjectionCursor.objects.update(seq=0)
    with pytest.raises(IntegrityError):
        projection.project(desk.engine.network)
    last = FinalEvent.objects.filter(network=desk.engine.network).order_by("-seq")[0]
    ProjectionCursor.objects.update(seq=last.seq)
    assert balances.held(escrow) == 250 * USDT


@pytest.mark.parametrize("model", [Journal, Entry, Account])
def test_f37_the_books_refuse_update_and_delete_through_the_orm(desk: Desk, model: Any) -> None:
    """F37: see `rules_off` for the rule that is switched off."""
    desk.funded(250 * USDT)
    rows = model.objects.all()
    field = {Journal: {"what": "x"}, Entry: {"amount": 0}, Account: {"kind": "fee"}}[model]
    for change in (lambda: rows.update(**field), rows._raw_delete.__self__.delete):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    assert rows.count()


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("statement", ["UPDATE {0} SET id = id", "DELETE FROM {0}", "TRUNCATE {0} CASCADE"])
def test_f37_the_books_refuse_update_delete_and_truncate_in_raw_sql(
    desk: Desk, table: str, statement: str
) -> None:
    """F37: see `rules_off` for the rule that is switched off."""
    desk.funded(250 * USDT)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(table))
    assert Entry.objects.count() == 2


def test_a_wrong_posting_that_balances_is_found_by_the_comparison_and_stops_the_escrow(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    untouched = desk.funded(90 * USDT)
    desk.check_books()
    with transaction.atomic():
        post(unposted(desk), escrow, "wrong", lines(escrow, 5, -5))
    with pytest.raises(AssertionError):
        desk.check_books()
    differences = reconcile.run(desk.engine.network)
    assert [(row.vault, row.books, row.chain) for row in differences] == [
        (escrow.vault_address, 250 * USDT + 5, 250 * USDT)
    ]
    assert (desk.fresh(escrow).frozen, desk.fresh(untouched).frozen) == (True, False)
    alarm = Alarm.objects.get(kind="books_differ", resolved_at=None)
    assert (alarm.subject, f"chain {250 * USDT}" in alarm.detail) == (escrow.pk, True)
    from core.errors import Held

    for stopped in (escrow, untouched):
        with pytest.raises(Held):
            refund(desk, stopped)
    start_token(desk)
    refund(desk, untouched)
    with transaction.atomic():  # the correction, so that the desk finds the books right
        event = unposted(desk)
        event.seq += 5_000
        post(event, escrow, "corrected", lines(escrow, -5, 5))
    controls.unfreeze(escrow_id=escrow.pk, reason="a line was wrong", acting=Actor("staff", "op_1", "Olga"))
    assert not Alarm.objects.filter(kind="books_differ", resolved_at=None).exists()
    assert AuditEntry.objects.filter(action="hold.unfrozen", subject_id=escrow.pk).exists()
    release(desk, escrow)
    desk.settle()
    assert desk.state(escrow) == "released"


def test_the_comparison_goes_on_where_its_time_ended_and_leaves_no_escrow_out(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the number of escrows nor the limit of a task's time decides whether a difference is found."""
    monkeypatch.setattr(reconcile, "_AT_ONCE", 1)
    escrows = sorted((desk.funded(250 * USDT) for _ in range(3)), key=lambda escrow: escrow.pk)
    with wrong_in_the_books(desk, escrows[2]):
        found = [len(reconcile.run(desk.engine.network, seconds=0)) for _ in range(3)]
    assert found == [0, 0, 1]
    assert [desk.fresh(escrow).frozen for escrow in escrows] == [False, False, True]


def test_an_event_in_the_middle_of_a_turn_makes_it_wait_and_not_end(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy network something always comes; others apply it meanwhile, so no lock is held."""
    monkeypatch.setattr(reconcile, "_AT_ONCE", 1)
    escrows = sorted((desk.funded(250 * USDT) for _ in range(2)), key=lambda escrow: escrow.pk)
    asked, others = reads.token_balances, []

    def apply_it() -> None:
        time.sleep(1.2)
        projection.project(desk.engine.network)
        connections.close_all()

    def first_portion(*args: Any) -> list[int]:
        found = asked(*args)
        if not others:
            desk.pay(escrows[1], 40 * USDT)
            desk.engine.mine(4)
            assert not projection.is_caught_up(desk.engine.network)
            others.append(Thread(target=apply_it))
            others[0].start()
        return found

    monkeypatch.setattr(reads, "token_balances", first_portion)
    with wrong_in_the_books(desk, escrows[1]):
        found = reconcile.run(desk.engine.network, seconds=20)
        others[0].join()
        assert [(row.vault, row.books - row.chain) for row in found] == [(escrows[1].vault_address, 5)]


def test_a_turn_in_which_events_never_stop_waiting_ends_in_its_time(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    desk.pay(escrow, 40 * USDT)
    desk.engine.mine(4)
    start = time.monotonic()
    with pytest.raises(reconcile.NotCaughtUp):
        reconcile.run(desk.engine.network, seconds=1)
    assert 2 <= time.monotonic() - start < 8
    assert set(LongRound.objects.values_list("began_at", flat=True)) == {None}


def test_a_vault_that_no_node_tells_of_keeps_no_other_from_being_compared(
    proxy: RpcProxy, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison of what is not over fails; the one of everything has its time all the same."""
    monkeypatch.setattr(reconcile, "_AT_ONCE", 1)
    over, silent = sorted((desk.funded(250 * USDT) for _ in range(2)), key=lambda escrow: escrow.pk)
    release(desk, over)
    desk.settle()
    assert desk.state(over) == "released"

    def fault(request: rpcproxy.Request, forward: rpcproxy.Forward) -> rpcproxy.Answer:
        if silent.vault_address[2:].lower() in str(request["params"]).lower():
            raise rpcproxy.Drop
        return forward(request)

    with wrong_in_the_books(desk, over):
        proxy.on("eth_call", fault)
        with pytest.raises(AllProvidersFailed):
            reconcile.run(desk.engine.network, seconds=2)
        assert desk.fresh(over).frozen
        proxy.heal()


def test_a_node_that_fails_for_a_moment_does_not_end_a_turn(proxy: RpcProxy, desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    with wrong_in_the_books(desk, escrow):
        proxy.on("eth_call", rpcproxy.drop_request, times=3)
        assert len(reconcile.run(desk.engine.network, seconds=10)) == 1


def test_two_turns_of_the_comparison_never_overlap(desk: Desk) -> None:
    """Longer than its task may live a turn cannot take, and the next is rung later."""
    name = f"payments.reconcile:{desk.engine.network.pk}"
    with leases.held(name, timedelta(seconds=60)) as won:
        assert won
        tasks.reconcile(desk.engine.network.pk)
        assert not LongRound.objects.exists()
        assert not Heartbeat.objects.filter(name__startswith="reconcile").exists()
    tasks.reconcile(desk.engine.network.pk)
    assert LongRound.objects.filter(name__contains="books").count() == 2
    (duty,) = [duty for duty in duties() if duty.task == "payments.tasks.reconcile"]
    assert tasks._TURN.total_seconds() < duty.seconds == 300


def start_token(desk: Desk) -> None:
    """A difference that nobody explains stopped every payout of the token; see `test_stopped_tokens`."""
    controls.set_switch(
        network=desk.engine.network,
        kind="token",
        token=desk.token,
        stopped=False,
        reason="a line of one escrow was wrong",
        acting=Actor("staff", "op_1", "Olga"),
    )


def test_the_comparison_waits_until_every_event_is_applied(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    desk.pay(escrow, 40 * USDT)
    desk.engine.mine(4)
    with pytest.raises(reconcile.NotCaughtUp):
        reconcile.compare(desk.engine.network)
    desk.settle()
    assert reconcile.compare(desk.engine.network) == []


def test_the_books_and_the_projection_never_read_a_balance_of_the_chain() -> None:
    """They follow events alone; only the comparison asks the node."""
    folder = Path(payments.books.__file__).resolve().parent
    sources = [path for path in folder.glob("*.py") if path.name != "reconcile.py"]
    sources += (folder.parent / "services").glob("*.py")
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text())):
            names = {alias.name for alias in node.names} if isinstance(node, ast.ImportFrom) else set()
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            asks = module.startswith("chain.rpc") or "reads" in names or "views" in names
            assert not asks or path.name in ("demo_wallet.py",), f"{path.name} imports {module} {names}"
