"""How word travels upwards without an import: callables registered in `AppConfig.ready()`.

Both are doorbells, rung after the commit: whoever misses one finds the same news in the tables.
"""

import traceback
from collections.abc import Callable, Collection

import structlog
from django.db import transaction

log = structlog.get_logger(__name__)

HeadChange = Callable[[int, list[str]], object]
Final = Callable[[int], object]
_head_change: list[HeadChange] = []
_final: list[Final] = []


def on_head_change(callback: HeadChange) -> None:
    """`callback(network_id, keys)`: pending transfers of these keys were seen, counted or orphaned."""
    if callback not in _head_change:
        _head_change.append(callback)


def on_final(callback: Final) -> None:
    """`callback(network_id)`: there are new final events."""
    if callback not in _final:
        _final.append(callback)


def ring_head_change(network_id: int, keys: Collection[str]) -> None:
    """Tell after the commit; silent without keys."""
    if keys:
        listed = sorted(set(keys))
        transaction.on_commit(lambda: _tell(_head_change, network_id, listed))


def ring_final(network_id: int) -> None:
    """Tell after the commit that the sequence grew."""
    transaction.on_commit(lambda: _tell(_final, network_id))


def _tell(callbacks: list[Callable[..., object]], *args: object) -> None:
    for callback in list(callbacks):
        try:
            callback(*args)
        except Exception as error:
            # The engine does not depend on its listeners: they heal from the tables. One line, for with a
            # dead broker this happens for every event.
            log.warning("hook_failed", error=f"{type(error).__name__}: {error}"[:200], at=_place(error))


def _place(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.filename}:{frame.lineno}"
