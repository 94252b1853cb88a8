"""The guards hold against the application's own role, whatever its session sets or tries."""

import secrets
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from core import rights
from core.models import AuditEntry
from escrow_platform.celery import start_as_nobody_special
from payments.models import Entry, Escrow, Journal
from tests.chain.fixtures import USDT
from tests.payments.fixtures import Desk

WRITTEN_ONCE = [model for model in apps.get_models() if "UPDATE" not in rights.rights_of(model)]
KEPT = [model for model in apps.get_models() if "DELETE" not in rights.rights_of(model)]


class App:
    """A session of a login in the application's role, as its web process or a worker has one."""

    def __init__(self, session: Any) -> None:
        self.session = session

    def does(self, *statements: str) -> int:
        """All statements in one transaction, which is committed; the rows of the last one."""
        with self.session, self.session.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return int(cursor.rowcount)

    def refused(self, *statements: str, match: str) -> None:
        with pytest.raises(psycopg2.Error, match=match):
            self.does(*statements)


@pytest.fixture(scope="module")
def login(django_db_setup: None, django_db_blocker: Any) -> Iterator[dict[str, Any]]:
    """What the application connects with; its rights were given by the command."""
    role, password = f"app_{secrets.token_hex(4)}", secrets.token_hex(8)
    at = connection.settings_dict
    with django_db_blocker.unblock():
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE ROLE {role} NOLOGIN")
            cursor.execute(f"CREATE ROLE {role}_web LOGIN PASSWORD '{password}' IN ROLE {role}")
        for _ in range(2):
            call_command("grant_rights", role=role)
    yield {
        "host": at["HOST"],
        "port": at["PORT"],
        "dbname": at["NAME"],
        "user": f"{role}_web",
        "password": password,
    }
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(f"DROP OWNED BY {role}, {role}_web; DROP ROLE {role}, {role}_web")


@pytest.fixture
def app(login: dict[str, Any]) -> Iterator[App]:
    session = psycopg2.connect(**login, options="-c lock_timeout=3000")
    yield App(session)
    session.close()


@pytest.fixture
def paid(desk: Desk) -> Escrow:
    """A funded escrow: with books, transitions and an audit entry."""
    return desk.funded(250 * USDT)


def test_no_row_that_stays_is_changed_or_taken_away(app: App, paid: Escrow) -> None:
    assert {AuditEntry, Journal, Entry} <= set(WRITTEN_ONCE)
    assert Escrow in KEPT
    for model in KEPT:
        table = model._meta.db_table
        app.refused(f"DELETE FROM {table}", match="permission denied")
        app.refused(f"TRUNCATE {table} CASCADE", match="permission denied")
    for model in WRITTEN_ONCE:
        table, key = model._meta.db_table, model._meta.pk.column
        app.refused(f"UPDATE {table} SET {key} = {key}", match="permission denied")


def test_no_setting_of_a_session_makes_a_guard_look_away(app: App, paid: Escrow) -> None:
    jump = f"UPDATE payments_escrow SET state = 'planned' WHERE id = '{paid.pk}'"
    names = "SELECT array_agg(tgname)::text FROM pg_trigger WHERE tgrelid = 'payments_escrow'::regclass"
    app.refused(jump, match="may not go from funded to planned")
    for scope in ("true", "false"):
        app.refused(f"SELECT set_config('pgtrigger.ignore', ({names}), {scope})", jump, match="may not go")
    app.refused("SET LOCAL pgtrigger.ignore = '{state_edge}'", jump, match="may not go")
    app.refused("SET session_replication_role = replica", match="permission denied")
    app.refused("SET SESSION AUTHORIZATION postgres", match="permission denied|does not exist")
    paid.refresh_from_db()
    assert paid.state == "funded"


def test_even_the_owner_is_not_let_through_by_a_setting(paid: Escrow) -> None:
    """What stands in the way is the guard itself, not only the rights of the role."""
    with connection.cursor() as cursor, pytest.raises(DatabaseError, match="annot"), transaction.atomic():
        cursor.execute(
            "SELECT set_config('pgtrigger.ignore', (SELECT array_agg(tgname)::text FROM pg_trigger), true)"
        )
        cursor.execute("UPDATE core_statetransition SET why = 'rewritten'")


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE payments_escrow DISABLE TRIGGER ALL",
        "ALTER TABLE payments_escrow DISABLE TRIGGER USER",
        "DROP TABLE payments_entry",
        "ALTER TABLE payments_escrow ADD COLUMN note text",
        "CREATE TABLE mine (id int)",
        "CREATE TEMPORARY TABLE payments_entry (journal_id int, account_id int, amount int)",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "CREATE OR REPLACE FUNCTION public._pgtrigger_should_ignore(trigger_name NAME) RETURNS BOOLEAN "
        "LANGUAGE sql AS 'SELECT TRUE'",
        "DROP FUNCTION public._pgtrigger_should_ignore(NAME) CASCADE",
        "INSERT INTO django_migrations (app, name, applied) VALUES ('core', 'x', now())",
    ],
)
def test_the_application_builds_and_unbuilds_nothing(app: App, statement: str) -> None:
    app.refused(statement, match="permission denied|must be owner|Only roles with")


def test_an_unbalanced_journal_is_not_committed(app: App, paid: Escrow) -> None:
    book = Journal.objects.order_by("pk")[0].pk
    account = Entry.objects.order_by("pk")[0].account_id
    row = f"INSERT INTO payments_entry (journal_id, account_id, amount) VALUES ('{book}', {account}, 1)"
    app.refused(row, match="does not balance")


def test_the_application_does_its_ordinary_work(app: App, paid: Escrow) -> None:
    assert app.does(f"SELECT 1 FROM payments_escrow WHERE id = '{paid.pk}' FOR UPDATE") == 1
    assert app.does(f"UPDATE payments_escrow SET state = state WHERE id = '{paid.pk}'") == 1
    assert app.does("INSERT INTO core_lease (name, holder, until) VALUES ('trial', 'me', now())") == 1
    assert app.does("DELETE FROM core_lease WHERE name = 'trial'") == 1
    assert app.does("SELECT pg_advisory_xact_lock(1)") == 1


@pytest.mark.django_db(transaction=True)
def test_a_start_as_superuser_or_owner_is_refused_and_as_the_application_is_not(
    login: dict[str, Any], settings: Any
) -> None:
    settings.PLAIN_DATABASE_ROLE = True
    with pytest.raises(ImproperlyConfigured, match=r"superuser.*owns tables"):
        rights.require_plain_role()
    with pytest.raises(SystemExit, match="superuser"):
        start_as_nobody_special()
    (found,) = rights.check_role(databases=["default"])
    assert found.id == "holdfast.E001"
    with connection.cursor() as cursor:
        cursor.execute(f"SET ROLE {login['user']}")
        try:
            assert rights.shortcomings() == []
            assert rights.check_role(databases=["default"]) == []
        finally:
            cursor.execute("RESET ROLE")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("ALL ON ALL TABLES IN SCHEMA public", "empty tables"),
        ("TRUNCATE ON core_auditentry", "empty tables"),
        ("TRIGGER ON payments_escrow", "empty tables"),
        ("CREATE ON DATABASE {database}", "schemas"),
        ("CREATE ON SCHEMA public", "schemas"),
    ],
)
def test_a_role_that_was_given_more_by_hand_is_refused(login: dict[str, Any], more: str, told: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"GRANT {more.format(database=connection.settings_dict['NAME'])} TO {login['user']}")
        cursor.execute(f"SET LOCAL ROLE {login['user']}")
    (found,) = rights.shortcomings()
    assert told in found


@pytest.mark.django_db
def test_a_role_that_is_missing_is_told() -> None:
    with pytest.raises(CommandError, match="First start"):
        call_command("grant_rights", role="nobody_there")
    call_command("grant_rights", "--if-there", role="nobody_there")
