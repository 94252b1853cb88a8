"""PostgreSQL comes back as it was ten minutes ago: what the chain holds is taken in before we sign again."""

from collections.abc import Iterator

import pytest
from django.db import connection

from chain.models import Attempt, Call, Transaction
from chain.services import restore
from chain.services.sweep import sweep
from core.actors import Actor
from core.errors import Conflict
from core.models import AuditEntry
from tests.chain.fixtures import Engine
from tests.chain.helpers import events, later, order, payouts, sender_of, stock
from tests.chain.writing import alarms

STAFF = Actor("staff", "op_1", "Olga")


class Backup:
    """A copy of every table, put back as a restore does: no trigger is asked."""

    def __init__(self) -> None:
        kept = {"django_migrations", "django_content_type", "auth_permission"}
        names = connection.introspection.django_table_names(only_existing=True, include_views=False)
        self.tables = [name for name in names if name not in kept]

    def take(self) -> None:
        """Copy all rows as they are now."""
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA IF EXISTS backup CASCADE; CREATE SCHEMA backup")
            for name in self.tables:
                cursor.execute(f'CREATE TABLE backup."{name}" AS TABLE public."{name}"')

    def put_back(self) -> None:
        """The database is what it was, and knows nothing of what came after."""
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            for name in self.tables:
                cursor.execute(f'DELETE FROM public."{name}"')
                cursor.execute(f'INSERT INTO public."{name}" SELECT * FROM backup."{name}"')
            cursor.execute("SET session_replication_role = origin")

    def drop(self) -> None:
        """Forget the copy."""
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA IF EXISTS backup CASCADE")


@pytest.fixture
def backup(engine: Engine) -> Iterator[Backup]:
    """Taken when the test says so."""
    found = Backup()
    yield found
    found.drop()


def start(engine: Engine) -> None:
    """What an operator does first after a restore."""
    engine.network.refresh_from_db()
    restore.start_recovery(network=engine.network, reason="restored to 12:00", acting=STAFF)


def run(engine: Engine, rounds: int = 4) -> None:
    """Blocks come and the workers work."""
    for _ in range(rounds):
        engine.chain.mine(3)
        sweep(engine.network)


def test_f33_a_payout_made_after_the_backup_is_adopted_and_not_made_again(
    engine: Engine, backup: Backup
) -> None:
    """Red when `adopt_mined` hands no call over: it would be signed again on the next nonce."""
    stock(engine)
    call = order(engine)
    backup.take()
    engine.settle()
    sent = Attempt.objects.get().hash
    backup.put_back()
    assert (Call.objects.get().outcome, Transaction.objects.count()) == ("waiting", 0)

    start(engine)
    run(engine)
    assert Call.objects.get(pk=call.pk).outcome == "done"
    assert [(row.purpose, row.hash) for row in Attempt.objects.all()] == [("adopted", sent)]
    with later(7300):
        run(engine)
    engine.network.refresh_from_db()
    assert (engine.network.recovering_since, sender_of(engine).state) == (None, "active")
    order(engine, "next", units=8)
    engine.settle()
    assert payouts(engine.chain) == [7, 8]
    assert alarms() == set()
    assert events(engine).count("call:done") == 2


def test_f33_without_an_operator_the_sender_freezes_instead_of_paying_twice(
    engine: Engine, backup: Backup
) -> None:
    """Red when the chain's nonce is not compared before signing."""
    stock(engine)
    order(engine)
    backup.take()
    engine.settle()
    backup.put_back()
    run(engine)
    assert (sender_of(engine).state, Transaction.objects.count()) == ("frozen", 0)
    assert payouts(engine.chain) == [7]
    start(engine)
    run(engine)
    assert Call.objects.get().outcome == "done"
    with later(7300):
        run(engine)
    assert sender_of(engine).state == "active", "frozen only because the chain was ahead"


def test_f33_what_was_ordered_and_sent_after_the_backup_is_known_by_its_bytes(
    engine: Engine, backup: Backup
) -> None:
    """The call itself is gone from the tables: the nonce and the bytes are not."""
    stock(engine)
    backup.take()
    order(engine)
    engine.settle()
    backup.put_back()
    assert Call.objects.count() == 0
    start(engine)
    run(engine)
    row = Transaction.objects.get()
    assert (row.nonce, row.state, sender_of(engine).next_nonce) == (0, "final_ok", 1)
    assert payouts(engine.chain) == [7]


def test_f33_nothing_is_signed_while_it_recovers(engine: Engine, backup: Backup) -> None:
    """Red when a recovering network's senders are active."""
    stock(engine)
    start(engine)
    order(engine)
    run(engine)
    assert (Transaction.objects.count(), "recovering" in alarms()) == (0, True)
    with later(3600):
        run(engine)
        assert Transaction.objects.count() == 0, "an hour is not two"
    with later(7300):
        run(engine)
    engine.settle()
    assert payouts(engine.chain) == [7]
    assert AuditEntry.objects.filter(action="network.recovered").exists()


@pytest.mark.parametrize("lost", ["stays lost", "is mined after all"])
def test_f33_bytes_that_were_lost_in_flight_cannot_come_alive_after_the_gaps_are_closed(
    engine: Engine, backup: Backup, lost: str
) -> None:
    """Red when a gap is not consumed: the lost bytes would be valid on the next nonce of a new payout."""
    stock(engine)
    order(engine)
    backup.take()
    engine.send()
    raw = bytes(Attempt.objects.get().raw)
    engine.chain.rpc("anvil_dropAllTransactions")
    backup.put_back()
    start(engine)
    engine.mine(4)
    assert restore.close_gaps(network=engine.network, reason="no time", acting=STAFF) > 1
    if lost == "is mined after all":
        engine.chain.rpc("eth_sendRawTransaction", "0x" + raw.hex())
        engine.chain.mine()
    for _ in range(8):
        run(engine)
    engine.network.refresh_from_db()
    assert engine.network.recovering_since is None
    engine.settle()
    assert payouts(engine.chain) == [7]
    assert Call.objects.get().outcome == "done"
    assert alarms() == set()


def test_f33_gaps_are_closed_only_while_it_recovers(engine: Engine) -> None:
    """F33: see `rules_off` for the rule that is switched off."""
    with pytest.raises(Conflict, match="not recovering"):
        restore.close_gaps(network=engine.network, reason="by mistake", acting=STAFF)
