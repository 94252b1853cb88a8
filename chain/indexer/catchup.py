"""Addresses that began to be watched after some of their blocks were read: those blocks are read for them."""

from collections.abc import Callable, Iterator

from django.db import transaction
from django.db.models import F

from chain.indexer import quorum, store
from chain.indexer.reading import RangeRead, read_named
from chain.indexer.windows import UNREADABLE, was_silent
from chain.models import Network, ScanCursor, WatchedAddress
from chain.rpc.errors import AllProvidersFailed, LogsRefused
from chain.services import final
from chain.services.alarms import raise_alarm, resolve_alarm

_AT_ONCE = 100
_WINDOW = 2000


def step(network: Network, cursor: ScanCursor) -> bool:
    """Read what the newly watched addresses missed up to the safe cursor. True if any address caught up.

    Marking an address bumps the cursor's version: a range that was read before the address was visible
    can then not be stored any more, and is read again with it.
    """
    behind = list(
        WatchedAddress.objects.filter(network=network, caught_up=False).order_by("from_block", "pk")[
            :_AT_ONCE
        ]
    )
    if not behind:
        return False
    start = behind[0].from_block
    try:
        reads = list(read_for(network, [row.address for row in behind], start, cursor.number))
        with transaction.atomic():
            _write(network, cursor, behind, reads)
    except LogsRefused:
        # A human was told which block; the safe lane goes on meanwhile.
        return False
    except (store.CursorMoved, store.OtherBlock):
        # In the second case the head lane still holds the losing block; it walks back first.
        return False
    return True


def read_for(network: Network, addresses: list[str], start: int, end: int) -> Iterator[RangeRead]:
    """Transfers from and to `addresses` in a range that was read before, window by window."""
    return read_windows(network, start, end, lambda low, high: _read_window(network, addresses, low, high))


def read_windows(
    network: Network, start: int, end: int, read: Callable[[int, int], RangeRead]
) -> Iterator[RangeRead]:
    """`start..end` in windows as wide as the nodes allow.

    A single block that is refused even in portions is an alarm, and `LogsRefused` is raised.
    """
    window = _WINDOW
    while start <= end:
        upto = min(end, start + window - 1)
        try:
            found = read(start, upto)
        except LogsRefused as error:
            if upto == start:
                raise_alarm(network, UNREADABLE, str(start), error.message)
                raise
            window = max(1, min(error.suggested or window, (upto - start + 1) // 2))
        except AllProvidersFailed as error:
            if upto == start or not was_silent(error):
                raise
            window = (upto - start + 1) // 2
        else:
            if upto == start:
                resolve_alarm(network, UNREADABLE, str(start))
            yield found
            start = upto + 1


def _read_window(network: Network, addresses: list[str], start: int, end: int) -> RangeRead:
    """A window that is credited like any other final range: a quorum must agree on it."""
    return quorum.agree(network, lambda rpc: read_named(rpc, addresses, start, end)).read


def _write(network: Network, cursor: ScanCursor, rows: list[WatchedAddress], reads: list[RangeRead]) -> None:
    moved = ScanCursor.objects.filter(pk=cursor.pk, version=cursor.version).update(version=F("version") + 1)
    if not moved:
        raise store.CursorMoved
    events = [event for read in reads for event in store.finalize(store.keep_range(network, read))]
    final.append(network, events)
    # The version that the cursor has from now on: whoever stores a range by it has matched these rows.
    WatchedAddress.objects.filter(pk__in=[row.pk for row in rows]).update(
        caught_up=True, since_version=cursor.version + 1
    )
