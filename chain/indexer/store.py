"""Writing down what was read. All of it inside the caller's transaction, under the cursor's move."""

from collections import Counter
from dataclasses import dataclass

from django.db.models import F
from eth_utils.crypto import keccak

from chain.indexer import events
from chain.indexer.reading import Observed, RangeRead
from chain.models import (
    Block,
    ContractLog,
    FinalEvent,
    LogInclusion,
    Network,
    ScanCursor,
    Token,
    TokenTransfer,
    TransferInclusion,
)
from chain.rpc.answers import Header
from chain.services.alarms import raise_alarm, resolve_alarm

# (transfer, log): one of them is None.
Place = tuple[int | None, int | None]

_TOKEN_ALARMS = {
    events.PAUSE: "token_paused",
    events.DEPRECATE: "token_deprecated",
    events.PARAMS: "token_fee_changed",
    events.BLACKLISTED: "address_blacklisted",
    events.DESTROYED: "funds_destroyed",
}
_TOKEN_HEALED = {events.UNPAUSE: "token_paused", events.CLEARED: "address_blacklisted"}


class CursorMoved(Exception):
    """Somebody else read on or rewound: what was read is dropped, nothing was written."""


class OtherBlock(Exception):
    """Another block is canonical at that number; the head lane sorts it out first."""


def move_cursor(cursor: ScanCursor, to: Header) -> None:
    """Compare-and-set; raises `CursorMoved`, which must undo the whole transaction."""
    moved = ScanCursor.objects.filter(pk=cursor.pk, version=cursor.version).update(
        number=to.number, hash=to.hash, timestamp=to.timestamp, version=F("version") + 1
    )
    if not moved:
        raise CursorMoved


def keep_block(network: Network, header: Header) -> Block:
    """The stored block of `header`, canonical. Raises `OtherBlock` if another one is."""
    block, _ = Block.objects.get_or_create(
        network=network,
        hash=header.hash,
        defaults={
            "number": header.number,
            "parent_hash": header.parent_hash,
            "timestamp": header.timestamp,
            "canonical": False,
        },
    )
    if not block.canonical:
        if Block.objects.filter(network=network, number=header.number, canonical=True).exists():
            raise OtherBlock(f"block {header.number}")
        block.canonical = True
        block.save(update_fields=["canonical"])
    return block


@dataclass(slots=True)
class Stored:
    """An observation and the row it became."""

    entry: Observed
    row: TokenTransfer | ContractLog
    block: Block

    @property
    def place(self) -> Place:
        """The row, as final events name it."""
        return (self.row.pk, None) if isinstance(self.row, TokenTransfer) else (None, self.row.pk)


def keep_range(network: Network, read: RangeRead) -> list[Stored]:
    """Store blocks, observations and inclusions of a range, in order of the chain. Idempotent."""
    blocks = {number: keep_block(network, header) for number, header in sorted(read.headers.items())}
    ordered = sorted(read.observed, key=lambda entry: entry.log.place)
    return [_keep(network, entry, blocks[entry.log.block_number]) for entry in ordered]


def _keep(network: Network, entry: Observed, block: Block) -> Stored:
    log = entry.log
    if entry.transfer and entry.token:
        transfer, _ = TokenTransfer.objects.get_or_create(
            token=entry.token,
            tx_hash=log.tx_hash,
            ordinal=entry.ordinal,
            source=entry.transfer.source,
            recipient=entry.transfer.recipient,
            amount=entry.transfer.amount,
        )
        TransferInclusion.objects.get_or_create(
            transfer=transfer, block=block, defaults={"log_index": log.index}
        )
        return Stored(entry, transfer, block)
    row, _ = ContractLog.objects.get_or_create(
        network=network,
        address=log.address,
        tx_hash=log.tx_hash,
        ordinal=entry.ordinal,
        fact_hash=_fact_hash(entry),
        defaults={"topics": list(log.topics), "data": log.data},
    )
    LogInclusion.objects.get_or_create(log=row, block=block, defaults={"log_index": log.index})
    return Stored(entry, row, block)


def _fact_hash(entry: Observed) -> str:
    return "0x" + keccak(text="|".join([*entry.log.topics, entry.log.data])).hex()


def finalize(stored: list[Stored]) -> list[FinalEvent]:
    """Mark the observations final and return the events that are new, in order of the chain."""
    known = _known_events(stored)
    fresh: list[FinalEvent] = []
    for item in stored:
        if item.row.final_block_id is None:
            item.row.final_block = item.block
            item.row.save(update_fields=["final_block"])
            _apply_to_token(item.entry)
        for kind, key in item.entry.kinds:
            reversals = known[item.place, reversal(kind)]
            if known[item.place, kind] <= reversals:
                known[item.place, kind] += 1
                fresh.append(_event(item, kind, key, again=reversals))
    return fresh


def _known_events(stored: list[Stored]) -> Counter[tuple[Place, str]]:
    """How often each observation was told, and taken back, by kind."""
    transfers = [item.row.pk for item in stored if isinstance(item.row, TokenTransfer)]
    logs = [item.row.pk for item in stored if isinstance(item.row, ContractLog)]
    counted: Counter[tuple[Place, str]] = Counter()
    for rows in (
        FinalEvent.objects.filter(transfer__in=transfers),
        FinalEvent.objects.filter(log__in=logs),
    ):
        for event in rows:
            told = reversal(event.outcome) if event.kind == FinalEvent.Kind.REVERSED else event.kind
            counted[(event.transfer_id, event.log_id), told] += 1
    return counted


def reversal(kind: str) -> str:
    """What the taking back of an event of `kind` is counted as."""
    return f"{FinalEvent.Kind.REVERSED.value} {kind.split(' ', maxsplit=1)[0]}"


def _event(item: Stored, kind: FinalEvent.Kind, key: str, again: int) -> FinalEvent:
    return FinalEvent(
        kind=kind,
        key=key,
        outcome=f"again {again}" if again else "",
        transfer=item.row if isinstance(item.row, TokenTransfer) else None,
        log=item.row if isinstance(item.row, ContractLog) else None,
        block_number=item.block.number,
        block_hash=item.block.hash,
        block_timestamp=item.block.timestamp,
    )


def _apply_to_token(entry: Observed) -> None:
    """A token's own final events switch its flags: paused, and intake stopped for good when deprecated.

    What its owner did to it or to one of our addresses is told to a human as well.
    """
    if entry.token is None or entry.transfer is not None:
        return
    what, log = entry.log.topic0, entry.log
    changes = {
        events.PAUSE: {"paused": True},
        events.UNPAUSE: {"paused": False},
        events.DEPRECATE: {"deprecated": True, "enabled": False},
    }.get(what)
    if changes:
        Token.objects.filter(pk=entry.token.pk).update(**changes)
    kind = _TOKEN_ALARMS.get(what)
    if kind:
        about = events.account_of(log) or entry.token.address
        raise_alarm(entry.token.network, kind, about, f"{entry.token.symbol}, {log.tx_hash}")
    healed = _TOKEN_HEALED.get(what)
    if healed:
        resolve_alarm(entry.token.network, healed, events.account_of(log) or entry.token.address)


def touched_at(read: RangeRead) -> set[tuple[int, str]]:
    """(token, watched address) pairs whose balance the range changed."""
    pairs = set()
    for entry in read.observed:
        if entry.token and entry.log.topic0 == events.DESTROYED:
            pairs.add((entry.token.pk, events.account_of(entry.log) or ""))
        if entry.transfer and entry.token:
            sides = ((entry.transfer.source, entry.key_out), (entry.transfer.recipient, entry.key_in))
            pairs |= {(entry.token.pk, account) for account, key in sides if key}
    return pairs
