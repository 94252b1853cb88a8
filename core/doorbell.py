"""Ring a worker after the commit. A lost ring costs latency, never money: the sweeper finds the work."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from django.db import transaction

log = structlog.get_logger(__name__)

# A ring that fails only after this many seconds is one of a broker that hangs; for the next seconds nobody
# in this process waits for it again.
_SLOW = 0.5
_REST = 15.0


class _Broker:
    """When this process may ring again, on the monotonic clock."""

    silent_until = 0.0


def on_commit(callback: Callable[..., Any], *args: Any) -> None:
    """`ring(callback, *args)` after the commit. `callback` is usually the `delay` of a Celery task."""
    transaction.on_commit(partial(ring, callback, *args))


def ring(callback: Callable[..., Any], *args: Any) -> None:
    """Call it now; a broker that does not answer is logged and forgotten.

    One that hangs makes a process wait once, not once for every ring.
    """
    start = time.monotonic()
    if start < _Broker.silent_until:
        log.info("doorbell_resting")
        return
    try:
        callback(*args)
    except Exception as error:
        end = time.monotonic()
        if end - start > _SLOW:
            _Broker.silent_until = end + _REST
        log.warning("doorbell_lost", error=type(error).__name__)
