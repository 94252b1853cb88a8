"""Ring a worker after the commit. A lost ring costs latency, never money: the sweeper finds the work."""

from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from django.db import transaction

log = structlog.get_logger(__name__)


def on_commit(ring: Callable[..., Any], *args: Any) -> None:
    """Call `ring(*args)` after the commit; a broker that does not answer is logged and forgotten.

    `ring` is usually the `delay` of a Celery task.
    """
    transaction.on_commit(partial(_ring, ring, args))


def _ring(ring: Callable[..., Any], args: tuple[Any, ...]) -> None:
    try:
        ring(*args)
    except Exception as error:
        log.warning("doorbell_lost", error=type(error).__name__)
