"""A town of open escrows: one agreed by the services, and as many copies of its rows as are wanted."""

from typing import Any

from django.db import connection

from payments.models import Deal, Escrow
from tests.bench.ground import network, offices
from tests.chain.fixtures import Anvil, Engine
from tests.payments.fixtures import Cast, Desk, UserFactory


def desk(node: Anvil, **changes: Any) -> Desk:
    """The network with everything that escrows need, and people who make deals on it."""
    from chain.models import Token

    net = network(node, **changes)
    offices(node, net)
    people = (UserFactory(email=f"{name}@example.org") for name in ("buyer", "seller", "stranger"))
    return Desk(Engine(net, node), Token.objects.get(network=net), Cast(*people))


def vault(number: int) -> str:
    """The deposit address of a copy; digits only, so that it is its own checksum form."""
    return f"0x{number:05d}".ljust(42, "5")


def populate(original: Escrow, first: int, last: int) -> None:
    """Copies `first`..`last` of the escrow with its deal, parties, deadline and watched address.

    Only the database of a benchmark is filled like this: an escrow opens through its service.
    """
    deal = Deal.objects.get(pk=original.deal_id)
    number = "lpad(n::text, 5, '0')"
    deal_id, escrow_id = f"'deal_bench' || {number}", f"'esc_bench' || {number}"
    address = f"rpad('0x' || {number}, 42, '5')"
    copies = [
        ("payments_deal", f"t.id = '{deal.pk}'", {"id": deal_id}),
        (
            "payments_party",
            f"t.deal_id = '{deal.pk}'",
            {
                "id": f"'pty_bench' || t.role || {number}",
                "deal_id": deal_id,
                "invite_token": f"'bench' || t.role || {number}",
            },
        ),
        (
            "payments_escrow",
            f"t.id = '{original.pk}'",
            {
                "id": escrow_id,
                "deal_id": deal_id,
                "chain_id_hash": "'0x' || md5('a' || n) || md5('b' || n)",
                "vault_address": address,
            },
        ),
        (
            "core_deadline",
            f"t.subject_id = '{original.pk}'",
            {"id": f"'dln_bench' || t.kind || {number}", "subject_id": escrow_id},
        ),
        (
            "chain_watchedaddress",
            f"t.key = '{original.pk}'",
            {"id": "nextval('chain_watchedaddress_id_seq')", "key": escrow_id, "address": address},
        ),
    ]
    with connection.cursor() as cursor:
        # The guards of the tables refuse rows that are born in a later state.
        cursor.execute("SET session_replication_role = replica")
        for table, where, changes in copies:
            _copy(cursor, table, where, changes, (first, last))
        cursor.execute("SET session_replication_role = origin")
        cursor.execute("ANALYZE")


def _copy(cursor: Any, table: str, where: str, changes: dict[str, str], numbers: tuple[int, int]) -> None:
    cursor.execute(
        "SELECT column_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND table_name = %s",
        [table],
    )
    columns = [row[0] for row in cursor.fetchall()]
    names = ", ".join(f'"{column}"' for column in columns)
    values = ", ".join(changes.get(column, f't."{column}"') for column in columns)
    cursor.execute(
        f"INSERT INTO {table} ({names}) SELECT {values} FROM {table} t, "
        f"generate_series(%s, %s) AS n WHERE {where}",
        numbers,
    )
