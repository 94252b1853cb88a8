"""The second pass: every final range is read once more, hours later, by somebody who did not read it first.

A log that only this reading shows was withheld: it is credited now, the first reader is asked last from
then on, and a human is told. So is one that this reading does not show. Nothing is ever taken back here.
"""

from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction

from chain.indexer import store
from chain.indexer.reading import RangeRead, read_range
from chain.indexer.windows import FIRST, narrow, shrink, widen
from chain.models import (
    FinalEvent,
    Network,
    Provider,
    ScanCoverage,
    ScanCursor,
    SecondPass,
    WatchedAddress,
)
from chain.rpc import health, pool
from chain.rpc.client import Rpc
from chain.rpc.errors import AllProvidersFailed, BadAnswer, FinalConflict, LogsRefused
from chain.services import final
from chain.services.alarms import raise_alarm
from core import clock

_MOST_ROWS = 500


def step(network: Network) -> bool:
    """Read the next range that is old enough again. True if there may be more.

    Raises `AllProvidersFailed` when nobody answers acceptably; among its causes a `FinalConflict` when the
    blocks themselves are others now.
    """
    cursor = _cursor(network)
    due = _due(network, cursor) if cursor else []
    if cursor is None or not due:
        return False
    start, end = cursor.number + 1, min(due[-1].to_number, cursor.number + cursor.window)
    order = _others_first(network, due)
    try:
        read, provider = pool.run(network, lambda rpc: _read(rpc, start, end), order=order)
    except LogsRefused as error:
        return shrink(cursor, error, asked=cursor.window)
    except AllProvidersFailed as error:
        narrow(cursor, error)
        raise
    try:
        with transaction.atomic():
            store.move_cursor(cursor, read.last)
            _store(network, read, provider, due)
            widen(cursor, blocks=read.end - read.start + 1, logs=read.seen)
    except store.CursorMoved:
        return True
    except store.OtherBlock:
        conflict = FinalConflict(f"a final block up to {end} has another hash now")
        raise AllProvidersFailed([conflict]) from None
    return True


def _cursor(network: Network) -> ScanCursor | None:
    """Where this lane stands; it begins just below the first range that was ever read."""
    lane = ScanCursor.Lane.SECOND
    cursor = ScanCursor.objects.filter(network=network, lane=lane).first()
    first = None if cursor else ScanCoverage.objects.filter(network=network).order_by("from_number").first()
    if first is None:
        return cursor
    facts = {
        "number": first.from_number - 1,
        "hash": first.end_hash,
        "timestamp": first.created_at,
        "window": FIRST,
    }
    return ScanCursor.objects.get_or_create(network=network, lane=lane, defaults=facts)[0]


def _due(network: Network, cursor: ScanCursor) -> list[ScanCoverage]:
    """The ranges from the cursor on that were read long enough ago, as many as one window holds."""
    until = clock.now() - timedelta(seconds=network.second_pass_after)
    rows = ScanCoverage.objects.filter(network=network, from_number__lte=cursor.number + cursor.window)
    # The cursor may stand inside a range, when that was too large for this reader.
    after = rows.filter(from_number__gt=cursor.number).order_by("from_number")
    around = rows.filter(from_number__lte=cursor.number).order_by("-from_number")[:1]
    found = [row for row in around if row.to_number > cursor.number]
    for row in [*found, *after[:_MOST_ROWS]]:
        if row.created_at > until:
            return found
        if row not in found:
            found.append(row)
    return found


def _others_first(network: Network, due: Iterable[ScanCoverage]) -> list[Provider]:
    """Who did not read these ranges comes first; the only provider of a network reads them again itself."""
    before = {pk for row in due for pk in (row.provider_id, *row.witnesses)}
    return sorted(pool.providers(network), key=lambda provider: provider.pk in before)


def _read(rpc: Rpc, start: int, end: int) -> tuple[RangeRead, Provider]:
    if rpc.heads().final.number < end:
        raise BadAnswer("the node is behind the range it was asked for")
    return read_range(rpc, start, end), rpc.provider


def _store(network: Network, read: RangeRead, provider: Provider, due: list[ScanCoverage]) -> None:
    stored = store.keep_range(network, read)
    late = store.finalize(stored)
    unconfirmed = _unconfirmed(network, read, stored)
    final.append(network, late)
    SecondPass.objects.create(
        network=network,
        provider=provider,
        from_number=read.start,
        to_number=read.end,
        late=len(late),
        unconfirmed=len(unconfirmed),
        created_at=clock.now(),
    )
    if late:
        _accuse(network, late, due)
    for event in unconfirmed:
        detail = f"final event {event.seq} in block {event.block_number} was not shown by {provider}"
        raise_alarm(network, "final_event_unconfirmed", str(event.seq), detail)


def _unconfirmed(network: Network, read: RangeRead, stored: list[store.Stored]) -> list[FinalEvent]:
    """Events of this range whose log this reading does not have."""
    shown = {(type(item.row).__name__, item.row.pk) for item in stored}
    rows = FinalEvent.objects.filter(network=network, block_number__range=(read.start, read.end))
    return [
        event
        for event in rows.exclude(kind=FinalEvent.Kind.CALL).exclude(transfer__amount=0)
        if not {("TokenTransfer", event.transfer_id), ("ContractLog", event.log_id)} & shown
    ]


def _accuse(network: Network, late: list[FinalEvent], due: list[ScanCoverage]) -> None:
    """Who read the range first withheld what it was asked for: only addresses watched then count."""
    numbers = sorted({event.block_number for event in late})
    raise_alarm(network, "late_log", detail=f"{len(late)} final events were missing in blocks {numbers[:20]}")
    since = dict(
        WatchedAddress.objects.filter(network=network, key__in={event.key for event in late}).values_list(
            "key", "from_block"
        )
    )
    withheld = {event.block_number for event in late if event.block_number >= since.get(event.key, 0)}
    for row in due:
        if any(row.from_number <= number <= row.to_number for number in withheld):
            for provider in Provider.objects.filter(pk__in=[row.provider_id, *row.witnesses]):
                health.demote(network, provider, f"withheld logs of {row.from_number}..{row.to_number}")
