"""Network calls inside a database transaction are refused: they hold locks as long as a stranger likes."""

from django.db import connection


class NetworkInsideTransaction(RuntimeError):
    """Raised where code is about to talk to the network with a transaction open."""


# Tests that wrap everything in one transaction raise this to the depth of their wrapper.
ALLOWED_DEPTH = 0


def assert_no_transaction(what: str) -> None:
    """Raise `NetworkInsideTransaction` if the current connection is inside an atomic block."""
    if len(connection.savepoint_ids) + int(connection.in_atomic_block) > ALLOWED_DEPTH:
        raise NetworkInsideTransaction(f"{what} was called inside a database transaction")
