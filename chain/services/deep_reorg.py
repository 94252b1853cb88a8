"""The chain left blocks that it had called final. The network is halted; here a person accepts the new chain.

What was credited from blocks that are gone is taken back by events of the kind `reversed`: their reader
posts the reversal and freezes what it concerns. What the new chain holds too stays as it is: it is the same
deposit. Nothing is deleted.
"""

from dataclasses import dataclass

from django.db import transaction

from chain.indexer import quorum, store
from chain.indexer.catchup import read_windows
from chain.indexer.reading import RangeRead, read_range
from chain.models import Block, ContractLog, FinalEvent, Network, Reorg, ScanCursor, TokenTransfer
from chain.rpc import pool
from chain.rpc.answers import Header
from chain.rpc.client import Rpc
from chain.rpc.errors import BadAnswer
from chain.services import final
from chain.services.alarms import raise_alarm
from core import audit, clock
from core.actors import Actor
from core.errors import Conflict, Invalid

_WALK = 32


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many final events were taken back, and how many the new chain added."""

    reversed: int
    added: int


def accept_chain(*, network: Network, reason: str, acting: Actor) -> Outcome:
    """Take the chain that the nodes show now for final. Never inside a transaction: nodes are asked first.

    The network stays halted: `resume_network` lets it go on after the books were looked at. Raises `Invalid`
    without a reason, `Conflict` unless the network is halted and its nodes left our final blocks, and an
    `RpcError` unless a quorum shows the new chain as final up to where the old one was read.
    """
    if not reason.strip():
        raise Invalid("reason_missing", "Say what was found and why the new chain is the true one.")
    network.refresh_from_db(fields=["halted_reason"])
    cursor = ScanCursor.objects.filter(network=network, lane=ScanCursor.Lane.SAFE).first()
    if not network.halted_reason or cursor is None:
        raise Conflict("not_halted", "Only a halted network takes another chain.")
    common = pool.read(network, lambda rpc: _common(rpc, cursor))
    if common is None:
        raise Conflict("same_chain", "The nodes have the final block that was read. Resume the network.")
    reads = list(
        read_windows(network, common.number + 1, cursor.number, lambda low, high: _window(network, low, high))
    )
    if reads[0].headers[reads[0].start].parent_hash != common.hash:
        raise BadAnswer("the chain moved while it was read")
    with transaction.atomic():
        outcome = _replace(network, cursor, common, reads)
        data = {"reason": reason, "common": common.number, "reversed": outcome.reversed}
        audit.write(
            "network.chain_accepted", subject_id=network.slug, actor_id=acting.id,
            actor_label=acting.label, data=data,
        )  # fmt: skip
    return outcome


def _common(rpc: Rpc, cursor: ScanCursor) -> Block | None:
    """The highest stored block that this node has too; None if that is the last final one."""
    if rpc.heads().final.number < cursor.number:
        raise BadAnswer("the new chain is not final yet up to where the old one was read")
    stored = Block.objects.filter(network=rpc.network, canonical=True)
    below = cursor.number
    while blocks := list(stored.filter(number__lte=below).order_by("-number")[:_WALK]):
        theirs = rpc.headers(block.number for block in blocks)
        for block, header in zip(blocks, theirs, strict=True):
            if block.hash == header.hash:
                return None if block.number == cursor.number else block
        below = blocks[-1].number - 1
    raise BadAnswer("no stored block is on this chain")


def _window(network: Network, start: int, end: int) -> RangeRead:
    def read(rpc: Rpc) -> RangeRead:
        if rpc.heads().final.number < end:
            raise BadAnswer("the range is not final on this node")
        found = read_range(rpc, start, end)
        found.headers[start] = found.headers.get(start) or rpc.header(start)
        return found

    return quorum.agree(network, read).read


def _replace(network: Network, cursor: ScanCursor, common: Block, reads: list[RangeRead]) -> Outcome:
    last = reads[-1].last
    store.move_cursor(cursor, last)
    gone = Block.objects.filter(network=network, number__gt=common.number, canonical=True)
    lost = list(gone.values_list("pk", flat=True))
    gone.update(canonical=False)
    for model in (TokenTransfer, ContractLog):
        model._default_manager.filter(final_block__in=lost).update(final_block=None)
    stored = [item for read in reads for item in store.keep_range(network, read)]
    taken_back = _reversals(network, common, cursor.number, {item.place for item in stored})
    added = store.finalize(stored)
    final.append(network, [*taken_back, *added])
    _restart_head(network, last)
    _tell(network, cursor, common, taken_back)
    return Outcome(len(taken_back), len(added))


def _reversals(network: Network, common: Block, top: int, standing: set[store.Place]) -> list[FinalEvent]:
    """The newest first: what was told of the lost blocks and is not on the new chain."""
    told = FinalEvent.objects.filter(network=network, block_number__range=(common.number + 1, top))
    # Transfers of nothing were told once, and are not read any more.
    rows = list(told.exclude(kind=FinalEvent.Kind.CALL).exclude(transfer__amount=0).order_by("-seq"))
    back = {
        (row.transfer_id, row.log_id, row.outcome) for row in rows if row.kind == FinalEvent.Kind.REVERSED
    }
    found = []
    for row in rows:
        name = f"{row.kind} {row.outcome[6:]}".strip()
        known = row.kind == FinalEvent.Kind.REVERSED or (row.transfer_id, row.log_id, name) in back
        if not known and (row.transfer_id, row.log_id) not in standing:
            found.append(_reversed(row, name))
    return found


def _reversed(row: FinalEvent, name: str) -> FinalEvent:
    return FinalEvent(
        kind=FinalEvent.Kind.REVERSED,
        outcome=name,
        key=row.key,
        transfer_id=row.transfer_id,
        log_id=row.log_id,
        reason=f"event {row.seq}",
        block_number=row.block_number,
        block_hash=row.block_hash,
        block_timestamp=row.block_timestamp,
    )


def _restart_head(network: Network, last: Header) -> None:
    """The head lane begins again at the new final block; all above belongs to the lost chain."""
    head = ScanCursor.objects.filter(network=network, lane=ScanCursor.Lane.HEAD).first()
    if head is not None:
        store.move_cursor(head, last)


def _tell(network: Network, cursor: ScanCursor, common: Block, taken_back: list[FinalEvent]) -> None:
    Reorg.objects.create(
        network=network,
        common_number=common.number,
        depth=cursor.number - common.number,
        old_hash=cursor.hash,
        beyond_finality=True,
        detected_at=clock.now(),
    )
    for event in taken_back:
        raise_alarm(network, "final_event_reversed", event.key or event.tx_hash, f"{event.outcome}")
    lost_calls = FinalEvent.objects.filter(
        network=network, kind=FinalEvent.Kind.CALL, block_number__gt=common.number
    )
    for event in lost_calls.filter(outcome="done"):
        raise_alarm(network, "final_call_lost", str(event.call_id), f"was final in {event.block_number}")
