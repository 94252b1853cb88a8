"""The safe lane: reads final blocks once, completely, and writes the sequence of final events."""

from django.db import transaction

from chain import selectors
from chain.indexer import catchup, quorum, store
from chain.indexer.balances import complete_by_balances
from chain.indexer.quorum import Agreed
from chain.indexer.reading import RangeRead, read_range
from chain.indexer.windows import FIRST, narrow, shrink, widen
from chain.models import Block, Network, Provider, ScanCoverage, ScanCursor
from chain.rpc import pool
from chain.rpc.answers import Header
from chain.rpc.client import Heads, Rpc
from chain.rpc.errors import AllProvidersFailed, BadAnswer, FinalConflict, LogsRefused, RpcError
from chain.services import final
from chain.services.alarms import raise_alarm
from core import clock


def step(network: Network) -> bool:
    """Read the next window of final blocks. True if the cursor moved or somebody else moved it.

    Raises `AllProvidersFailed` when nobody, or no quorum, gave an acceptable answer; nothing is written then.
    """
    cursor = ScanCursor.objects.filter(network=network, lane=ScanCursor.Lane.SAFE).first()
    if cursor is None:
        return _start(network)
    caught_up = catchup.step(network, cursor)
    if caught_up:
        cursor.refresh_from_db()
    try:
        agreed = _next(network, cursor)
    except LogsRefused as error:
        return shrink(cursor, error, asked=cursor.window)
    except AllProvidersFailed as error:
        narrow(cursor, error)
        raise
    return _write(network, cursor, agreed) if agreed else caught_up


def _start(network: Network) -> bool:
    """The cursor is born just below the first block that matters."""
    below = max(0, network.start_block - 1)

    def read(rpc: Rpc) -> Header | None:
        return rpc.header(below) if rpc.heads().final.number >= below else None

    header = pool.read(network, read)
    if header is None:
        return False
    with transaction.atomic():
        Block.objects.filter(network=network, number=below, canonical=True).exclude(hash=header.hash).update(
            canonical=False
        )
        store.keep_block(network, header)
        ScanCursor.objects.get_or_create(
            network=network,
            lane=ScanCursor.Lane.SAFE,
            defaults={
                "number": below,
                "hash": header.hash,
                "timestamp": header.timestamp,
                "window": FIRST,
            },
        )
    return True


def _next(network: Network, cursor: ScanCursor) -> Agreed | None:
    """The next window as one provider shows it, or as many as must agree; None if nothing is newly final."""
    members = pool.providers(network)
    need = quorum.needed(network, len(members))
    if need <= 1:
        read = pool.read(network, lambda rpc: _read_new(rpc, cursor), order=members)
        return Agreed(read[0], read[1], [], quorum.digest_of(read[0])) if read else None
    tops = _tops(network, members, cursor, need)
    top = sorted(tops.values(), reverse=True)[need - 1]
    if top <= cursor.number:
        return None
    end = min(top, cursor.number + cursor.window)
    fit = [member for member in members if tops.get(member, -1) >= end]
    return quorum.agree(network, lambda rpc: _read(rpc, cursor, end), fit)


def _tops(network: Network, members: list[Provider], cursor: ScanCursor, need: int) -> dict[Provider, int]:
    """The final heads of those who answer; as many as must agree, or `AllProvidersFailed`."""
    tops, causes = dict[Provider, int](), list[RpcError]()
    for member in members:
        try:
            tops[member] = pool.ask(network, member, lambda rpc: _final_number(rpc, cursor))
        except RpcError as error:
            causes.append(error)
    if len(tops) < need:
        raise AllProvidersFailed([*causes, quorum.missing(network, need, len(tops))])
    return tops


def _final_number(rpc: Rpc, cursor: ScanCursor) -> int:
    """The node's final head; if that is our own last final block, it must be the same block."""
    heads = rpc.heads()
    _check_forward(rpc, heads)
    if heads.final.number == cursor.number and heads.final.hash != cursor.hash:
        raise FinalConflict(f"final block {cursor.number} has another hash now")
    return heads.final.number


def _read_new(rpc: Rpc, cursor: ScanCursor) -> tuple[RangeRead, Provider] | None:
    top = _final_number(rpc, cursor)
    if top <= cursor.number:
        return None
    return _read(rpc, cursor, min(top, cursor.number + cursor.window)), rpc.provider


def _read(rpc: Rpc, cursor: ScanCursor, end: int) -> RangeRead:
    """All of `cursor.number + 1 .. end` that concerns us, on top of the block that was final before."""
    start = cursor.number + 1
    if rpc.header(start).parent_hash != cursor.hash:
        raise FinalConflict(f"block {start} does not follow final block {cursor.hash}")
    read = read_range(rpc, start, end)
    again = rpc.headers([start, end])
    if again[0].parent_hash != cursor.hash or again[1].hash != read.last.hash:
        raise BadAnswer("the chain moved while it was read")
    complete_by_balances(rpc, read)
    return read


def _check_forward(rpc: Rpc, heads: Heads) -> None:
    """A node that is behind, or whose finality moves back, is not fit to be asked."""
    provider, top = rpc.provider, heads.final
    if top.number < provider.final_number:
        seen = selectors.head(rpc.network)
        if seen and heads.latest.number < seen[0]:
            raise BadAnswer("the node is behind")
        detail = f"from {provider.final_number} to {top.number}"
        raise_alarm(rpc.network, "finality_moved_back", str(rpc), detail)
        raise BadAnswer("the final head moved back")
    Provider.objects.filter(pk=provider.pk, final_number__lt=top.number).update(final_number=top.number)


def _write(network: Network, cursor: ScanCursor, agreed: Agreed) -> bool:
    read = agreed.read
    try:
        with transaction.atomic():
            store.move_cursor(cursor, read.last)
            events = store.finalize(store.keep_range(network, read))
            ScanCoverage.objects.create(
                network=network,
                provider=agreed.provider,
                witnesses=[witness.pk for witness in agreed.witnesses],
                from_number=read.start,
                to_number=read.end,
                end_hash=read.last.hash,
                digest=agreed.digest,
                created_at=clock.now(),
            )
            final.append(network, events)
            widen(cursor, blocks=read.end - read.start + 1, logs=read.seen)
    except store.CursorMoved:
        return True
    except store.OtherBlock:
        # The head lane still holds the losing block; it walks back first, then the range is read again.
        return False
    return True
