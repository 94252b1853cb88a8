"""What every suite shares: a clean database between tests, in spite of tables that refuse to be emptied."""

import os
from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import TransactionTestCase

from tests.chaos.registry import numbers

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "escrow_platform.settings.test")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test named `test_fNN_...` is a failure test: `-m chaos` selects them all."""
    for item in items:
        if numbers(item.name):
            item.add_marker(pytest.mark.chaos)


def _empty_all_tables(self: TransactionTestCase) -> None:
    """Empty the database although append-only tables refuse TRUNCATE.

    Only the superuser of the test database may switch triggers off like this; the product's role cannot.
    """
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    kept = {"django_migrations", "django_content_type", "auth_permission"}
    names = ", ".join(f'"{table}"' for table in tables if table not in kept)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
        cursor.execute("SET session_replication_role = origin")


@pytest.fixture(autouse=True, scope="session")
def _truncate_around_guards() -> Iterator[None]:
    original = TransactionTestCase._fixture_teardown
    TransactionTestCase._fixture_teardown = _empty_all_tables  # type: ignore[method-assign]
    yield
    TransactionTestCase._fixture_teardown = original  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def _transaction_wrapper_is_not_the_products(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests on the plain `db` fixture run inside two atomic blocks of the test case itself."""
    from core import netguard

    wrapped = "db" in request.fixturenames and "transactional_db" not in request.fixturenames
    marker = request.node.get_closest_marker("django_db")
    if marker is not None and not marker.kwargs.get("transaction"):
        wrapped = "transactional_db" not in request.fixturenames
    netguard.ALLOWED_DEPTH = 2 if wrapped else 0
    yield
    netguard.ALLOWED_DEPTH = 0
