"""A few lives that were really played, copied many thousand times inside the database.

A copy is row for row what the product wrote: in every table that grows, ids, hashes, vaults, block and
sequence numbers become others, instants move into the past, everything else stays. So the rows have their
real size and belong together, and pages and duties can read them.

Copy 1 is the youngest. Its numbers lie one stride below the played ones, those of copy 2 two strides, and
so on; `prepare` starts all counters high enough for that.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import connection, models

from chain.models import FinalSequence, Network
from core.fields import AddressField, HashField, PrefixedIdField
from payments.models import ProjectionCursor

HIGH = 1_500_000_000  # where counters start: what is copied takes numbers below
SPAN = 2_000  # a stride: more than any counter moves while the lives are played
YEAR = 365 * 86_400
# What does not grow with the number of escrows.
_STILL = {
    "chain.Network", "chain.DeployedContract", "chain.Provider", "chain.Breaker", "chain.Token",
    "chain.Alarm", "chain.Sender", "chain.FinalSequence", "chain.ScanCursor", "payments.EscrowPolicy",
    "payments.KillSwitch", "payments.ProjectionCursor", "core.Heartbeat", "core.Lease",
    "core.LongRound", "core.StoredFile", "core.AuditEntry",
}  # fmt: skip
# Columns that count something of the network, like a sequence.
_COUNTERS = {
    "seq", "number", "block_number", "mined_number", "from_number", "to_number", "from_block", "sent_block",
    "common_number",
}  # fmt: skip
_NONCE = "nonce"  # counts up from what the chain says, so that copies lie above
# Columns that hold somebody's id without a foreign key.
_LOOSE = {"subject_id", "group_id", "key", "group"}
_OWN = {"idempotency_key", "invite_token"}  # unique texts


@dataclass
class Lives:
    """What was played of one kind: its rows, kept aside under `scale_<name>_<table>`."""

    name: str
    rows: dict[str, int] = field(default_factory=dict)


def growing() -> list[type[models.Model]]:
    """The tables that grow with the number of escrows, children after parents as far as it matters."""
    return [
        model
        for label in ("core", "chain", "payments", "disputes")
        for model in apps.get_app_config(label).get_models(include_auto_created=True)
        if model._meta.label not in _STILL
    ]


def prepare() -> None:
    """Start every counter of the growing tables, and of the network, at `HIGH`."""
    with connection.cursor() as cursor:
        for model in growing():
            if isinstance(model._meta.pk, models.AutoField):
                cursor.execute(
                    "SELECT setval(pg_get_serial_sequence(%s, %s), %s)",
                    [model._meta.db_table, model._meta.pk.column, HIGH],
                )
    for network in Network.objects.all():
        FinalSequence.objects.update_or_create(network=network, defaults={"last": HIGH})
        ProjectionCursor.objects.update_or_create(network=network, defaults={"seq": HIGH})


@contextmanager
def playing(name: str) -> Iterator[Lives]:
    """What is written inside is one kind of lives, to be copied by `copy`."""
    found = Lives(name)
    with connection.cursor() as cursor:
        for model in growing():
            table, pk = model._meta.db_table, model._meta.pk.column
            cursor.execute(f'CREATE TEMP TABLE before_{table} AS SELECT "{pk}" AS pk FROM "{table}"')
    yield found
    with connection.cursor() as cursor:
        for model in growing():
            table, pk = model._meta.db_table, model._meta.pk.column
            cursor.execute(
                f'CREATE TEMP TABLE scale_{name}_{table} AS SELECT * FROM "{table}" t '
                f'WHERE NOT EXISTS (SELECT 1 FROM before_{table} b WHERE b.pk = t."{pk}")'
            )
            found.rows[table] = cursor.rowcount
            cursor.execute(f"DROP TABLE before_{table}")


@dataclass(frozen=True)
class Copying:
    """How the columns of one kind of lives become those of one copy."""

    lives: Lives
    first: int
    times: int
    vaults: list[str]
    old: bool
    owners: dict[tuple[str, str], str]

    def insert(self, model: type[models.Model]) -> str:
        """The one statement that writes all copies of one table, oldest first."""
        columns = list(model._meta.local_fields)
        names = ", ".join(f'"{column.column}"' for column in columns)
        values = ", ".join(self._value(model, column) for column in columns)
        series = f"generate_series({self.first + self.times - 1}, {self.first}, -1) copy_no"
        table = model._meta.db_table
        return (
            f'INSERT INTO "{table}" ({names}) SELECT {values} '
            f"FROM {series}, scale_{self.lives.name}_{table} t"
        )

    def _value(self, model: type[models.Model], column: models.Field) -> str:
        """The first rule that fits; what none knows is copied as it is."""
        special = self.owners.get((model._meta.label, column.column))
        rules: tuple[tuple[bool, Callable[[Any, str], str]], ...] = (
            (bool(special), lambda _, __: special or ""),
            (isinstance(column, models.ForeignKey), self._reference),
            (isinstance(column, PrefixedIdField), lambda _, name: _id(name)),
            (isinstance(column, models.AutoField) or column.column in _COUNTERS, _counter),
            (column.column == _NONCE, lambda _, name: f"{name} + copy_no::bigint * {SPAN}"),
            (isinstance(column, HashField), _hash),
            (isinstance(column, AddressField), self._address),
            (self.old and isinstance(column, models.DateTimeField), self._instant),
            (column.column in _LOOSE, _loose),
            (column.column in _OWN, lambda _, name: f"left({name}, 24) || md5({name} || copy_no)"),
        )
        name = f't."{column.column}"'
        return next((rule(column, name) for fits, rule in rules if fits), name)

    def _reference(self, column: "models.ForeignKey", name: str) -> str:
        target = column.related_model
        if target not in growing() or target._meta.db_table not in self.lives.rows:
            return name
        key = target._meta.pk
        changed = _id(name) if isinstance(key, PrefixedIdField) else _counter(key, name)
        # What the lives only refer to was there before them, and is not copied with them.
        known = f"SELECT 1 FROM scale_{self.lives.name}_{target._meta.db_table} o"
        return f'CASE WHEN EXISTS ({known} WHERE o."{key.column}" = {name}) THEN {changed} ELSE {name} END'

    def _address(self, _: Any, name: str) -> str:
        listed = ", ".join(f"'{vault}'" for vault in self.vaults) or "''"
        # Digits alone: such an address is its own checksum.
        digits = f"translate(md5({name} || copy_no) || md5(copy_no || {name}), 'abcdef', '012345')"
        return f"CASE WHEN {name} IN ({listed}) THEN '0x' || left({digits}, 40) ELSE {name} END"

    def _instant(self, _: Any, name: str) -> str:
        age = f"(copy_no - {self.first} + 1) * {YEAR / self.times:.3f}"
        return f"{name} - make_interval(secs => {age})"


def _id(name: str) -> str:
    """Ids begin with their time: those of older copies are smaller."""
    instant = "'_00' || lpad((99999999 - copy_no)::text, 8, '0')"
    return f"split_part({name}, '_', 1) || {instant} || left(md5({name} || copy_no), 16)"


def _counter(_: Any, name: str) -> str:
    return f"CASE WHEN {name} < {HIGH} THEN {name} ELSE {name} - copy_no::bigint * {SPAN} END"


def _hash(_: Any, name: str) -> str:
    other = f"'0x' || md5({name} || copy_no) || md5(copy_no || {name})"
    return f"CASE WHEN {name} = '' THEN '' ELSE {other} END"


def _loose(_: Any, name: str) -> str:
    return f"CASE WHEN {name} ~ '^[a-z]+_[0-9a-z]{{26}}$' THEN {_id(name)} ELSE {name} END"


class Copier:
    """Copies lives; every copy has a number of its own, so that no two share a row's key."""

    def __init__(self, owners: dict[tuple[str, str], str]) -> None:
        self.owners = owners
        self.next = 1

    def copy(self, lives: Lives, times: int, *, old: bool = True) -> int:
        """Write `times` copies of `lives`, of the past year where `old`; returns how many rows."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT address FROM chain_watchedaddress")
            vaults = [row[0] for row in cursor.fetchall()]
        copying = Copying(lives, self.next, times, vaults, old, self.owners)
        self.next += times
        written = 0
        with connection.cursor() as cursor, unguarded(cursor):
            for model in growing():
                if lives.rows[model._meta.db_table]:
                    cursor.execute(copying.insert(model))
                    written += cursor.rowcount
        return written


@contextmanager
def unguarded(cursor: "object") -> Iterator[None]:
    """Guards and foreign keys rest, as only the superuser of a test database may let them; no time limit."""
    run = cursor.execute  # type: ignore[attr-defined]
    run("SET session_replication_role = replica")
    run("SET statement_timeout = 0")
    run("SET maintenance_work_mem = '512MB'")
    try:
        yield
    finally:
        run("SET session_replication_role = origin")
        run("SET statement_timeout = 30000")


@contextmanager
def without_indexes() -> Iterator[None]:
    """Indexes that guard nothing are built once at the end, which is much faster than row by row."""
    tables = [model._meta.db_table for model in growing()]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i "
            "WHERE NOT i.indisunique AND i.indrelid = ANY(%s::regclass[])",
            [tables],
        )
        found = cursor.fetchall()
        for name, _ in found:
            cursor.execute(f"DROP INDEX {name}")
    try:
        yield
    finally:
        _build([definition for _, definition in found])


def _build(definitions: list[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("SET maintenance_work_mem = '512MB'")
        for definition in definitions:
            cursor.execute(definition)
        cursor.execute("SET statement_timeout = 30000")


def analyze() -> None:
    """The planner learns what is there, as autovacuum would have told it; visibility maps as well."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("VACUUM (ANALYZE)")
        cursor.execute("SET statement_timeout = 30000")


def inventory() -> dict[str, Any]:
    """Rows and bytes, with indexes and long values, of the tables that matter; and of the database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, reltuples::bigint, pg_total_relation_size(oid) FROM pg_class "
            "WHERE relkind = 'r' AND reltuples > 1000 AND relnamespace = 'public'::regnamespace "
            "ORDER BY 3 DESC"
        )
        tables = cursor.fetchall()
        cursor.execute("SELECT pg_database_size(current_database())")
        return {"tables": tables, "database_mb": cursor.fetchone()[0] // 10**6}


def drop_templates() -> None:
    """The lives that were kept aside."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE tablename LIKE 'scale\\_%'")
        for (name,) in cursor.fetchall():
            cursor.execute(f'DROP TABLE "{name}"')
