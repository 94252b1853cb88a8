"""Writing down what was read. All of it inside the caller's transaction, under the cursor's move."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
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
from chain.rpc.errors import AllProvidersFailed, BadAnswer
from chain.services.alarms import raise_alarm, resolve_alarm

_BATCH = 1000  # rows in one statement
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
    return keep_blocks(network, [header])[header.number]


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


def keep_blocks(network: Network, headers: Iterable[Header]) -> dict[int, Block]:
    """`keep_block` for many, by number; a few statements for all of them.

    Raises `AllProvidersFailed` for a hash that stands for two blocks: a node made it up.
    """
    # By number: two lanes that store the same blocks wait for each other in one order.
    listed = sorted(headers, key=lambda header: header.number)
    wanted = {header.hash: header for header in listed}
    rows = Block.objects.filter(network=network, hash__in=wanted)
    known = {row.hash for row in rows}
    fresh = [
        Block(
            network=network,
            hash=header.hash,
            number=header.number,
            parent_hash=header.parent_hash,
            timestamp=header.timestamp,
            canonical=False,
        )
        for header in wanted.values()
        if header.hash not in known
    ]
    if fresh:
        # A rival may store the same: what stands there is read again, whoever wrote it.
        Block.objects.bulk_create(fresh, batch_size=_BATCH, ignore_conflicts=True)
        rows = rows.all()
    if len(wanted) < len(listed) or any(not _is_block_of(row, wanted[row.hash]) for row in rows):
        raise AllProvidersFailed([BadAnswer("a block hash that stands for another block")])
    blocks = {row.number: row for row in rows}
    lost = [row for row in blocks.values() if not row.canonical]
    if lost:
        numbers = [row.number for row in lost]
        other = Block.objects.filter(network=network, number__in=numbers, canonical=True).first()
        if other is not None:
            raise OtherBlock(f"block {other.number}")
        Block.objects.filter(pk__in=[row.pk for row in lost]).update(canonical=True)
        for row in lost:
            row.canonical = True
    return blocks


def _is_block_of(row: Block, header: Header) -> bool:
    return (row.number, row.parent_hash) == (header.number, header.parent_hash)


def keep_range(network: Network, read: RangeRead) -> list[Stored]:
    """Store blocks, observations and inclusions of a range, in order of the chain. Idempotent.

    A few statements for the whole range, however many observations there are.
    """
    blocks = keep_blocks(network, read.headers.values())
    ordered = sorted(read.observed, key=lambda entry: entry.log.place)
    transfers = _keep_transfers([entry for entry in ordered if entry.transfer and entry.token])
    logs = _keep_logs(network, [entry for entry in ordered if not (entry.transfer and entry.token)])
    stored = []
    for entry in ordered:
        row = transfers.get(_transfer_fact(entry)) or logs[_log_fact(entry)]
        stored.append(Stored(entry, row, blocks[entry.log.block_number]))
    _keep_inclusions(stored)
    return stored


def _transfer_fact(entry: Observed) -> tuple[Any, ...]:
    """What makes two transfers one, whatever block holds them."""
    if entry.transfer is None or entry.token is None:
        return ()
    what = entry.transfer
    return entry.token.pk, entry.log.tx_hash, entry.ordinal, what.source, what.recipient, what.amount


def _keep_transfers(entries: Sequence[Observed]) -> dict[tuple[Any, ...], TokenTransfer]:
    rows = TokenTransfer.objects.filter(
        token__in={entry.token.pk for entry in entries if entry.token},
        tx_hash__in={entry.log.tx_hash for entry in entries},
    )
    known = {_fact_of(row): row for row in rows} if entries else {}
    fresh = [
        TokenTransfer(
            token=entry.token,
            tx_hash=entry.log.tx_hash,
            ordinal=entry.ordinal,
            source=entry.transfer.source,
            recipient=entry.transfer.recipient,
            amount=entry.transfer.amount,
        )
        for entry in entries
        if entry.transfer and entry.token and _transfer_fact(entry) not in known
    ]
    if fresh:
        TokenTransfer.objects.bulk_create(fresh, batch_size=_BATCH, ignore_conflicts=True)
        known = {_fact_of(row): row for row in rows.all()}
    return known


def _fact_of(row: TokenTransfer) -> tuple[Any, ...]:
    return row.token_id, row.tx_hash, row.ordinal, row.source, row.recipient, row.amount


def _log_fact(entry: Observed) -> tuple[Any, ...]:
    """What makes two other logs one."""
    return entry.log.address, entry.log.tx_hash, entry.ordinal, _fact_hash(entry)


def _keep_logs(network: Network, entries: Sequence[Observed]) -> dict[tuple[Any, ...], ContractLog]:
    rows = ContractLog.objects.filter(
        network=network,
        address__in={entry.log.address for entry in entries},  # leads the index
        tx_hash__in={entry.log.tx_hash for entry in entries},
    )
    known = {_log_fact_of(row): row for row in rows} if entries else {}
    fresh = [
        ContractLog(
            network=network,
            address=entry.log.address,
            tx_hash=entry.log.tx_hash,
            ordinal=entry.ordinal,
            fact_hash=_fact_hash(entry),
            topics=list(entry.log.topics),
            data=entry.log.data,
        )
        for entry in entries
        if _log_fact(entry) not in known
    ]
    if fresh:
        ContractLog.objects.bulk_create(fresh, batch_size=_BATCH, ignore_conflicts=True)
        known = {_log_fact_of(row): row for row in rows.all()}
    return known


def _log_fact_of(row: ContractLog) -> tuple[Any, ...]:
    return row.address, row.tx_hash, row.ordinal, row.fact_hash


def _keep_inclusions(stored: Sequence[Stored]) -> None:
    of_transfers, of_logs = [], []
    for item in stored:
        index = item.entry.log.index
        if isinstance(item.row, TokenTransfer):
            of_transfers.append(TransferInclusion(transfer=item.row, block=item.block, log_index=index))
        else:
            of_logs.append(LogInclusion(log=item.row, block=item.block, log_index=index))
    TransferInclusion.objects.bulk_create(of_transfers, batch_size=_BATCH, ignore_conflicts=True)
    LogInclusion.objects.bulk_create(of_logs, batch_size=_BATCH, ignore_conflicts=True)


def _fact_hash(entry: Observed) -> str:
    return "0x" + keccak(text="|".join([*entry.log.topics, entry.log.data])).hex()


def finalize(stored: list[Stored]) -> list[FinalEvent]:
    """Mark the observations final and return the events that are new, in order of the chain."""
    known = _known_events(stored)
    fresh: list[FinalEvent] = []
    newly: list[Stored] = []
    for item in stored:
        if item.row.final_block_id is None:
            item.row.final_block = item.block
            newly.append(item)
            _apply_to_token(item.entry)
        for kind, key in item.entry.kinds:
            reversals = known[item.place, reversal(kind)]
            if known[item.place, kind] <= reversals:
                known[item.place, kind] += 1
                fresh.append(_event(item, kind, key, again=reversals))
    _set_final(TokenTransfer, [item for item in newly if isinstance(item.row, TokenTransfer)])
    _set_final(ContractLog, [item for item in newly if isinstance(item.row, ContractLog)])
    return fresh


def _set_final(model: type[TokenTransfer | ContractLog], items: Sequence[Stored]) -> None:
    """One statement for all: each row and the block that makes it final."""
    if items:
        table = connection.ops.quote_name(model._meta.db_table)
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {table} SET final_block_id = found.block "  # noqa: S608  (a table of ours)
                "FROM unnest(%s::bigint[], %s::bigint[]) AS found (id, block) "
                f"WHERE {table}.id = found.id",
                [[item.row.pk for item in items], [item.block.pk for item in items]],
            )


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
