"""Tables that have grown get their indexes while others use them, and a broken-off attempt is repeated."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import DatabaseError, NotSupportedError, connection, models, transaction
from django.db.migrations import AddIndex, AlterField, RemoveIndex
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

from core.indexes import BuildIndex, DropFieldIndex, DropIndex
from core.models import Deadline

# Before these every table was empty or small.
FIRST_OF_GROWN = {"core": "0002", "chain": "0003", "payments": "0004"}
NAME = "built_for_this_test"
BUILD = BuildIndex("deadline", models.Index(fields=["kind", "id"], name=NAME))


@pytest.fixture
def states(transactional_db: None) -> Iterator[tuple[ProjectState, ProjectState]]:
    """The models before and after the operation; what it built is gone afterwards."""
    before = MigrationLoader(connection).project_state()
    after = before.clone()
    BUILD.state_forwards("core", after)
    yield before, after
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX IF EXISTS {NAME}")


def do(operation: Any, states: tuple[ProjectState, ProjectState]) -> None:
    with connection.schema_editor(atomic=False) as editor:
        operation.database_forwards("core", editor, *states)


@contextmanager
def told() -> Iterator[list[str]]:
    """The statements that run inside."""
    found: list[str] = []

    def note(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        found.append(str(sql))
        return execute(sql, *rest)

    with connection.execute_wrapper(note):
        yield found


def valid() -> list[bool]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid WHERE relname = %s", [NAME]
        )
        return [row[0] for row in cursor.fetchall()]


def limits() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')")
        return list(cursor.fetchone())


def test_an_index_is_built_without_a_lock_and_without_a_limit_of_time(states: Any) -> None:
    before = limits()
    assert before == ["30s", "10s"]
    with told() as statements:
        do(BUILD, states)
    assert valid() == [True]
    build = next(place for place, sql in enumerate(statements) if "CREATE INDEX CONCURRENTLY" in sql)
    assert {"SET statement_timeout = 0", "SET lock_timeout = 0"} <= set(statements[:build])
    assert limits() == before, "and afterwards the limits hold again"


def test_what_a_broken_off_attempt_left_is_built_anew(states: Any) -> None:
    """Two rows alike, and an index that allows no two: PostgreSQL leaves it behind, invalid."""
    from core import clock

    for number in range(2):
        now = clock.now()
        Deadline.objects.create(
            kind="twice", subject_id=str(number), due_at=now, next_try_at=now, created=now
        )
    with connection.cursor() as cursor, pytest.raises(DatabaseError):
        cursor.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {NAME} ON core_deadline (kind)")
    assert valid() == [False]
    do(BUILD, states)
    assert valid() == [True]
    do(BUILD, states)
    for _ in range(2):
        do(DropIndex("deadline", NAME), states[::-1])
        assert valid() == []


def test_a_foreign_key_stands_while_its_index_goes_and_comes(transactional_db: None) -> None:
    """As often as the migration is repeated; Django's own operation drops it and reads the table anew."""
    after = MigrationLoader(connection).project_state()
    field = after.models["payments", "deal"].fields["partner"].clone()
    before = after.clone()
    field.db_index = True
    before.alter_field("payments", "deal", "partner", field, preserve_default=True)
    operation = DropFieldIndex("deal", "partner", after.models["payments", "deal"].fields["partner"])

    def names() -> tuple[list[str], list[str]]:
        with connection.cursor() as cursor:
            found = connection.introspection.get_constraints(cursor, "payments_deal")
        alone = {name: row for name, row in found.items() if row["columns"] == ["partner_id"]}
        indexes = sorted(name for name, row in alone.items() if row["index"])
        return indexes, [name for name, row in alone.items() if row["foreign_key"]]

    none, key = names()
    assert (none, len(key)) == ([], 1)
    with told() as statements, connection.schema_editor(atomic=False) as editor:
        for _ in range(2):
            operation.database_backwards("payments", editor, after, before)
            indexes, same = names()
            assert (len(indexes), same) == (2, key)
        for _ in range(2):
            operation.database_forwards("payments", editor, before, after)
            assert names() == ([], key)
    changes = [sql for sql in statements if "INDEX" in sql or ("CONSTRAINT" in sql and "ALTER" in sql)]
    assert all("INDEX CONCURRENTLY" in sql for sql in changes)


def test_it_is_refused_inside_a_transaction(states: Any) -> None:
    editor = SimpleNamespace(connection=connection)
    with transaction.atomic(), pytest.raises(NotSupportedError):
        BUILD.database_forwards("core", editor, *states)


@pytest.mark.parametrize("app", FIRST_OF_GROWN)
def test_no_migration_locks_a_grown_table_for_an_index(app: str) -> None:
    loader = MigrationLoader(None)
    names = sorted(name for label, name in loader.disk_migrations if label == app)
    later = [name for name in names if name >= FIRST_OF_GROWN[app]]
    assert later
    for name in later:
        migration = importlib.import_module(f"{app}.migrations.{name}").Migration
        made = {operation.name for operation in migration.operations if hasattr(operation, "bases")}
        for operation in migration.operations:
            if isinstance(operation, AddIndex | RemoveIndex) and operation.model_name not in made:
                assert isinstance(operation, BuildIndex | DropIndex), f"{app} {name}: {operation.describe()}"
                assert not migration.atomic
            if isinstance(operation, AlterField) and operation.field.remote_field:
                assert isinstance(operation, DropFieldIndex), f"{app} {name} makes a foreign key anew"
