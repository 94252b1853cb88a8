"""Who may do what in the database: the guards hold only against a role that cannot switch them off.

A migrating role owns the tables. The application's role owns nothing and may only do what its tables allow:
rows that are written once are inserted and read, rows that stay for good are never deleted.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection, models, transaction

# The triggers of the models ask this function whether they are to be passed over. Its own answer would be
# whatever a session has set; ours is no, whoever asks.
_ASKED = "_pgtrigger_should_ignore"
_ANSWER = "SELECT FALSE"
_SEAL = f"""
    CREATE OR REPLACE FUNCTION public.{_ASKED}(trigger_name NAME) RETURNS BOOLEAN
    LANGUAGE sql IMMUTABLE AS '{_ANSWER}'
"""
_SHORTCOMINGS = {
    "rolsuper": "it is a superuser, whom no guard stops",
    "rolcreaterole": "it may make roles",
    "owner": "it owns tables, so that it can switch their guards off",
    "empties": "it may empty tables or put triggers on them, which no guard notices",
    "creates": "it may create tables, functions or schemas",
    "temporary": "it may create temporary tables, which could stand in for those that the guards read",
}
_ASK = """
    SELECT r.rolname, r.rolsuper, r.rolcreaterole,
        EXISTS (
            SELECT 1 FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
            AND c.relkind IN ('r', 'p') AND pg_has_role(r.oid, c.relowner, 'MEMBER')
        ),
        EXISTS (
            SELECT 1 FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
            AND c.relkind IN ('r', 'p') AND has_table_privilege(r.oid, c.oid, 'TRUNCATE, TRIGGER')
        ),
        has_schema_privilege(r.oid, 'public', 'CREATE')
            OR has_database_privilege(r.oid, current_database(), 'CREATE'),
        has_database_privilege(r.oid, current_database(), 'TEMPORARY'),
        (SELECT prosrc FROM pg_proc WHERE proname = %s AND pronamespace = 'public'::regnamespace)
    FROM pg_roles r WHERE r.rolname = current_user
"""


class NoSuchRole(LookupError):
    """The database knows no role of this name."""


def seal(**_: Any) -> None:
    """From now on no setting of a session makes the guards look away. Runs at the end of every migration."""
    with connection.cursor() as cursor:
        cursor.execute(_SEAL)


@transaction.atomic
def grant(role: str) -> int:
    """Give the application's role what it needs of every table, and take everything else. Idempotent.

    Returns the number of tables. Raises `NoSuchRole`. Runs as the owner of the tables, after each migration.
    """
    seal()
    who, database = _quoted(role), _quoted(connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        if cursor.fetchone() is None:
            raise NoSuchRole(role)
        for statement in (
            "REVOKE TEMPORARY, CREATE ON DATABASE {database} FROM PUBLIC, {role}",
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC, {role}",
            "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, {role}",
            "REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC, {role}",
            "GRANT USAGE ON SCHEMA public TO {role}",
            "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}",
            "GRANT SELECT ON django_migrations TO {role}",
        ):
            cursor.execute(statement.format(role=who, database=database))
        tables = dict(_tables())
        for table, rights in tables.items():
            cursor.execute(f"GRANT {', '.join(rights)} ON {_quoted(table)} TO {who}")
    return len(tables)


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)


@contextmanager
def unguarded(table: str, guard: str) -> Iterator[None]:
    """For migrations, which run as the owner: one transaction in which one guard of a table is off.

    Others wait with their writes to the table until it ends: for them the guard is never off. Keep it short.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND tgname LIKE %s",
            [table, rf"pgtrigger\_{guard}\_%"],
        )
        (name,) = cursor.fetchone()
        cursor.execute(f"ALTER TABLE {_quoted(table)} DISABLE TRIGGER {_quoted(name)}")
        yield
        cursor.execute(f"ALTER TABLE {_quoted(table)} ENABLE TRIGGER {_quoted(name)}")


def rights_of(model: type[models.Model]) -> list[str]:
    """What the application may do with the rows of this model, read from the model's own guards."""
    guards = {trigger.name for trigger in getattr(model._meta, "triggers", ())}
    rights = ["SELECT", "INSERT"]
    if "no_update" not in guards:
        rights.append("UPDATE")
    if "no_delete" not in guards:
        rights.append("DELETE")
    return rights


def _tables() -> Iterator[tuple[str, list[str]]]:
    for model in apps.get_models(include_auto_created=True):
        if model._meta.managed and not model._meta.proxy:
            yield model._meta.db_table, rights_of(model)


def shortcomings() -> list[str]:
    """Why the role that is connected now is no role for the application; empty if it is one."""
    with connection.cursor() as cursor:
        cursor.execute(_ASK, [_ASKED])
        _, *facts, answer = cursor.fetchone()
    found = [told for told, fact in zip(_SHORTCOMINGS.values(), facts, strict=True) if fact]
    if answer is not None and answer.strip() != _ANSWER:
        found.append("a setting of its session makes the guards look away: run manage.py migrate")
    return found


def require_plain_role() -> None:
    """Where the settings demand it, refuse to start with a role that could switch the guards off.

    Says nothing while PostgreSQL is away: the servers start without it too.
    """
    if not settings.PLAIN_DATABASE_ROLE:
        return
    try:
        found = shortcomings()
    except DatabaseError:
        return
    finally:
        connection.close()
    if found:
        raise ImproperlyConfigured(_sentence(found))


def _sentence(found: list[str]) -> str:
    return (
        f"DATABASE_URL names a role that is too powerful for the application: {'; '.join(found)}. Name a "
        "login in the role of manage.py grant_rights; only migrate and grant_rights run as the owner."
    )


@checks.register(checks.Tags.database, deploy=True)
def check_role(
    app_configs: Any = None, databases: Sequence[str] | None = None, **_: Any
) -> list[checks.CheckMessage]:
    """For `manage.py check --deploy --database default`, run as the application."""
    if not databases or connection.alias not in databases:
        return []
    found = shortcomings()
    return [checks.Error(_sentence(found), id="holdfast.E001")] if found else []
