"""The watched addresses as a set in memory: a block is matched without asking the database for strangers.

Rows are never deleted and never change, so the set only grows. A row joins it when the safe cursor covers
it (`since_version`, given in the transaction that moves the cursor's version on): whoever stores a range by
compare-and-set on version v had a set with every row up to v, or is refused. Rows not covered yet are few
and read each time. Before it grows, the newest known row is looked for again: if it is not there, the
database was restored to an earlier time, and the set is read anew.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from chain.models import Network, WatchedAddress

MOST = 1_000_000  # above it the database joins: a set of a million takes about 90 MB
_PORTION = 10_000
Row = tuple[int, int, str, datetime]


@dataclass(slots=True)
class WatchSet:
    """What one process knows of one network."""

    known: set[bytes] = field(default_factory=set)
    newest: Row | None = None
    overflowed: bool = False


_sets: dict[int, WatchSet] = {}
_lock = threading.Lock()


def candidates(network: Network, names: Iterable[str]) -> set[str]:
    """Those of `names` that may be watched: all that are, and few others. Addresses as hexadecimal digits of
    any case; they come back as they were given."""
    asked = set(names)
    if not asked:
        return asked
    # Asked first: a row that is covered meanwhile is found in the set then.
    behind = WatchedAddress.objects.filter(network=network, caught_up=False).values_list("address", flat=True)
    fresh = {bytes.fromhex(address[2:]) for address in behind}
    with _lock:
        watched = _refreshed(network.pk)
        if watched.overflowed:
            return asked
        known = watched.known
        return {name for name in asked if (raw := bytes.fromhex(name[2:])) in known or raw in fresh}


def _refreshed(network_id: int) -> WatchSet:
    watched = _sets.setdefault(network_id, WatchSet())
    if watched.overflowed:
        return watched
    if not _grow(network_id, watched):
        watched = _sets[network_id] = WatchSet()
        _grow(network_id, watched)
    return watched


def _grow(network_id: int, watched: WatchSet) -> bool:
    """Add what is new since the newest known row; False if that row is not in the database any more."""
    anchor = watched.newest
    while portion := _portion(network_id, watched.newest):
        if anchor is not None:
            if portion[0] != anchor:
                return False
            anchor = None
        watched.known.update(bytes.fromhex(address[2:]) for _, _, address, _ in portion)
        watched.newest = portion[-1]
        if len(watched.known) > MOST:
            watched.known, watched.overflowed = set(), True
            return True
        if len(portion) < _PORTION:
            return True
    return anchor is None


def _portion(network_id: int, newest: Row | None) -> list[Row]:
    """The next rows by (version, id), the newest known one first."""
    covered = WatchedAddress.objects.filter(network_id=network_id, caught_up=True)
    rows = covered.order_by("since_version", "pk").values_list("since_version", "pk", "address", "created_at")
    if newest is None:
        return list(rows[:_PORTION])
    # Two ranges of the index in one statement: a condition with OR would walk through all that is known.
    same = rows.filter(since_version=newest[0], pk__gte=newest[1])[:_PORTION]
    later = rows.filter(since_version__gt=newest[0])[:_PORTION]
    return list(same.union(later, all=True).order_by("since_version", "pk")[:_PORTION])
