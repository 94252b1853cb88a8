"""The fast lane: follows the head block by block and shows what is seen. It moves no state and no money."""

from dataclasses import dataclass

from django.db import transaction

from chain import hooks, selectors
from chain.indexer import store
from chain.indexer.reading import RangeRead, read_range
from chain.indexer.windows import narrow, shrink, widen
from chain.models import Block, Network, Reorg, ScanCursor
from chain.rpc import pool
from chain.rpc.answers import Header
from chain.rpc.client import Heads, Rpc
from chain.rpc.errors import AllProvidersFailed, BadAnswer, FinalConflict, LogsRefused
from core import clock

STEP = 40  # headers in one round
LONGEST_CHASE = 400  # further behind than this, the lane starts again at the final head
_WALK = 32


@dataclass(frozen=True, slots=True)
class Rewind:
    """The chain left us after `common`."""

    common: Block
    new_hash: str


Plan = Header | RangeRead | Rewind | None


def step(network: Network) -> bool:
    """Read the next blocks of the head, or go back to the common ancestor. True if anything changed."""
    cursor = ScanCursor.objects.filter(network=network, lane=ScanCursor.Lane.HEAD).first()
    try:
        plan = pool.read(network, lambda rpc: _plan(rpc, cursor))
    except LogsRefused as error:
        return cursor is not None and shrink(cursor, error, asked=min(STEP, cursor.window))
    except AllProvidersFailed as error:
        if cursor is not None:
            narrow(cursor, error)
        raise
    if plan is None:
        return False
    try:
        with transaction.atomic():
            _carry_out(network, cursor, plan)
    except store.CursorMoved:
        return True
    except store.OtherBlock as error:
        # Only a final block can stand above our own cursor: the node shows a head of another chain.
        raise AllProvidersFailed([BadAnswer(f"the head contradicts final {error}")]) from None
    return True


def _plan(rpc: Rpc, cursor: ScanCursor | None) -> Plan:
    heads = rpc.heads()
    if cursor is None:
        return heads.final
    if not _still_on_chain(rpc, cursor, heads):
        return _walk_back(rpc, cursor, heads)
    if heads.latest.number <= cursor.number:
        return None
    if heads.latest.number - cursor.number > LONGEST_CHASE and heads.final.number > cursor.number:
        return heads.final
    return _extend(rpc, cursor, heads)


def _still_on_chain(rpc: Rpc, cursor: ScanCursor, heads: Heads) -> bool:
    """A node that is merely behind agrees with what we stored at its own head."""
    if heads.latest.number >= cursor.number:
        return rpc.header(cursor.number).hash == cursor.hash
    stored = Block.objects.filter(network=rpc.network, number=heads.latest.number, canonical=True).first()
    return stored is None or stored.hash == heads.latest.hash


def _extend(rpc: Rpc, cursor: ScanCursor, heads: Heads) -> RangeRead:
    end = min(heads.latest.number, cursor.number + min(STEP, cursor.window))
    headers = rpc.headers(range(cursor.number + 1, end + 1))
    parent = cursor.hash
    for header in headers:
        if header.parent_hash != parent:
            raise BadAnswer("the chain moved while it was read")
        parent = header.hash
    return read_range(rpc, cursor.number + 1, end, {header.number: header for header in headers})


def _walk_back(rpc: Rpc, cursor: ScanCursor, heads: Heads) -> Rewind:
    """The highest stored canonical block that the node has too. Raises `FinalConflict` below finality."""
    stored = Block.objects.filter(network=rpc.network, canonical=True, number__lte=cursor.number)
    below = min(cursor.number, heads.latest.number)
    while True:
        blocks = list(stored.filter(number__lte=below).order_by("-number")[:_WALK])
        if not blocks:
            raise FinalConflict("no stored block is on this chain")
        theirs = rpc.headers(block.number for block in blocks)
        for block, header in zip(blocks, theirs, strict=True):
            if block.hash == header.hash:
                return _rewind_to(rpc, block, heads)
        below = blocks[-1].number - 1


def _rewind_to(rpc: Rpc, common: Block, heads: Heads) -> Rewind:
    safe = selectors.final_head(rpc.network)
    if safe and common.number < safe[0] and rpc.header(safe[0]).hash != safe[1]:
        raise FinalConflict(f"the chain left us at block {common.number}, below final block {safe[0]}")
    newer = rpc.header_or_none(common.number + 1) if heads.latest.number > common.number else None
    return Rewind(common, newer.hash if newer else "")


def _carry_out(network: Network, cursor: ScanCursor | None, plan: Header | RangeRead | Rewind) -> None:
    if isinstance(plan, Header):
        _start_at(network, cursor, plan)
    elif isinstance(plan, Rewind) and cursor:
        _rewind(network, cursor, plan)
    elif isinstance(plan, RangeRead) and cursor:
        store.move_cursor(cursor, plan.last)
        widen(cursor, blocks=plan.end - plan.start + 1, logs=plan.seen)
        stored = store.keep_range(network, plan)
        seen = {item.entry.key_in for item in stored if item.entry.key_in}
        hooks.ring_head_change(network.pk, {*seen, *selectors.pending_keys(network)})


def _start_at(network: Network, cursor: ScanCursor | None, header: Header) -> None:
    store.keep_block(network, header)
    if cursor:
        store.move_cursor(cursor, header)
        return
    ScanCursor.objects.get_or_create(
        network=network,
        lane=ScanCursor.Lane.HEAD,
        defaults={"number": header.number, "hash": header.hash, "timestamp": header.timestamp},
    )


def _rewind(network: Network, cursor: ScanCursor, plan: Rewind) -> None:
    """Nothing is deleted: blocks lose their mark, what they held is orphaned until seen again."""
    common = plan.common
    touched = selectors.pending_keys(network)
    store.move_cursor(cursor, Header(common.number, common.hash, common.parent_hash, common.timestamp, None))
    # What stands above our own cursor was read by the safe lane, which may have passed us: it stays.
    Block.objects.filter(
        network=network, number__gt=common.number, number__lte=cursor.number, canonical=True
    ).update(canonical=False)
    Reorg.objects.create(
        network=network,
        common_number=common.number,
        depth=cursor.number - common.number,
        old_hash=cursor.hash,
        new_hash=plan.new_hash,
        detected_at=clock.now(),
    )
    hooks.ring_head_change(network.pk, touched)
