"""How many requests a node takes at once, learnt from its refusals; in memory, each process for itself."""

import threading

MOST = 50
# So many whole batches are served before a larger one is tried.
_SERVED_UNTIL_MORE = 20
_lock = threading.Lock()
_limits: dict[str, int] = {}
_served: dict[str, int] = {}


def of(url: str) -> int:
    """Requests in one batch."""
    return _limits.get(url, MOST)


def note(url: str, size: int, *, refused: bool) -> None:
    """`size` requests were answered at once; `refused`: after more than that were refused.

    A refusal sets the size; a quarter more, and one at least, is tried now and then.
    """
    with _lock:
        if refused:
            _limits[url], _served[url] = max(1, size), 0
        elif url in _limits and size >= _limits[url]:
            _served[url] += 1
            if _served[url] >= _SERVED_UNTIL_MORE:
                _grow(url)


def _grow(url: str) -> None:
    larger, _served[url] = _limits[url] + _limits[url] // 4 + 1, 0
    if larger < MOST:
        _limits[url] = larger
    else:
        del _limits[url]
