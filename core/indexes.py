"""Index operations for migrations of tables that have grown: nobody waits, and a broken-off one is repeated.

A migration that uses them says `atomic = False`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db.migrations import AlterField


class BuildIndex(AddIndexConcurrently):
    """Build an index while others read and write the table, for as long as that takes.

    What a broken-off attempt left (an index that PostgreSQL calls invalid) is dropped first, so `migrate`
    may simply be run again.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self._ensure_not_in_transaction(schema_editor)
        with _patience(schema_editor):
            name = schema_editor.quote_name(self.index.name)
            schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            super().database_forwards(app_label, schema_editor, from_state, to_state)


class DropIndex(RemoveIndexConcurrently):
    """Drop an index, if it is still there, while others read and write the table."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        with _patience(schema_editor):
            super().database_forwards(app_label, schema_editor, from_state, to_state)


class DropFieldIndex(AlterField):
    """Let a field have no index of its own any more (`db_index=False`), and change nothing else of it.

    Django's own operation drops a foreign key and makes it anew, which reads the whole table under a lock;
    broken off between the two, it never makes it again.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        with _patience(schema_editor):
            for index in self._indexes(app_label, schema_editor, from_state):
                schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index.parts['name']}")

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        with _patience(schema_editor):
            for index in self._indexes(app_label, schema_editor, to_state):
                schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index.parts['name']}")
                schema_editor.execute(str(index).replace("CREATE INDEX", "CREATE INDEX CONCURRENTLY", 1))

    def _indexes(self, app_label: str, schema_editor: Any, indexed: Any) -> list[Any]:
        """How the field's indexes are made in the state that has them."""
        model = indexed.apps.get_model(app_label, self.model_name)
        found: list[Any] = schema_editor._field_indexes_sql(model, model._meta.get_field(self.name))
        return found


@contextmanager
def _patience(schema_editor: Any) -> Iterator[None]:
    """The limits of the settings are made for statements that somebody waits for."""
    schema_editor.execute("SET statement_timeout = 0")
    schema_editor.execute("SET lock_timeout = 0")
    try:
        yield
    finally:
        schema_editor.execute("RESET statement_timeout")
        schema_editor.execute("RESET lock_timeout")
