"""The sequence of what became final: written here, pulled by whoever projects it."""

from collections.abc import Iterable

from chain import hooks
from chain.models import Block, Call, FinalEvent, FinalSequence, Network
from core import clock


def final_events_after(network: Network, seq: int, limit: int = 100) -> list[FinalEvent]:
    """The next final events after `seq`, oldest first, without gaps.

    Within a block they stand in the order of the chain; the outcome of a call never stands before the
    logs of its own block.
    """
    return list(
        FinalEvent.objects.filter(network=network, seq__gt=seq)
        .select_related("transfer__token__network", "log", "call__transaction__mined_attempt")
        .order_by("seq")[:limit]
    )


def append(network: Network, events: Iterable[FinalEvent]) -> int:
    """Give `events` the next numbers and store them, in the caller's transaction. Returns how many.

    The counter row stays locked until the commit, which keeps the sequence free of gaps.
    """
    FinalSequence.objects.get_or_create(network=network)
    counter = FinalSequence.objects.select_for_update().get(network=network)
    now = clock.now()
    rows = list(events)
    for offset, event in enumerate(rows, start=1):
        event.network, event.seq, event.created_at = network, counter.last + offset, now
    if rows:
        FinalEvent.objects.bulk_create(rows)
        counter.last += len(rows)
        counter.save(update_fields=["last"])
        hooks.ring_final(network.pk)
    return len(rows)


def call_event(call: Call, block: Block, outcome: str, reason: str = "") -> FinalEvent:
    """The decided outcome of a call, as of a final block."""
    return FinalEvent(
        kind=FinalEvent.Kind.CALL,
        call=call,
        outcome=outcome,
        reason=reason[:300],
        block_number=block.number,
        block_hash=block.hash,
        block_timestamp=block.timestamp,
    )
