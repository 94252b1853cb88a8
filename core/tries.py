"""Several things of which none may keep another from being done."""

from collections.abc import Callable


def each(*works: Callable[[], object]) -> None:
    """Do all of them, whichever fails; then raise the first failure."""
    failed: Exception | None = None
    for work in works:
        try:
            work()
        except Exception as error:
            failed = failed or error
    if failed:
        raise failed
