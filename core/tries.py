"""Several things of which none may keep another from being done."""

from collections.abc import Callable

import structlog
from celery.exceptions import SoftTimeLimitExceeded

log = structlog.get_logger(__name__)


def each(*works: Callable[[], object]) -> None:
    """Do all of them, whichever fails; then raise the first failure. The others are logged.

    Only the end of the task's time ends it at once: what goes on after it is killed.
    """
    failed: Exception | None = None
    for work in works:
        try:
            work()
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:
            if failed:
                log.exception("failed_as_well")
            failed = failed or error
    if failed:
        raise failed
