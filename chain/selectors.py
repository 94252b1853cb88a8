"""Reads for whoever stands above: what the head shows, and how far the final part was read."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import (
    BooleanField,
    Count,
    ExpressionWrapper,
    F,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
)

from chain.indexer.balances import destroyed_units
from chain.models import (
    LogInclusion,
    Network,
    ScanCursor,
    Token,
    TokenTransfer,
    TransferInclusion,
    WatchedAddress,
)


@dataclass(frozen=True, slots=True)
class PendingTransfer:
    """A transfer to a watched address that a canonical block holds and that is not final yet."""

    key: str
    transfer: TokenTransfer
    block_number: int
    block_timestamp: datetime
    confirmations: int


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a transaction stands: places sort as the chain does. `at` is the time of its block."""

    block_number: int
    log_index: int
    at: datetime


def places(network: Network, tx_hashes: Collection[str]) -> dict[str, Place]:
    """Where those of these transactions stand on the chain that moved a watched token or said something at
    the escrow contract; the first log that concerns us counts. Two queries for any number."""
    transfers = TransferInclusion.objects.filter(
        transfer__token__network=network, transfer__tx_hash__in=tx_hashes, block__canonical=True
    )
    logs = LogInclusion.objects.filter(
        log__network=network,
        log__address=network.escrow_contract,  # leads the index
        log__tx_hash__in=tx_hashes,
        block__canonical=True,
    )
    found: dict[str, Place] = {}
    for rows, name in ((transfers, "transfer__tx_hash"), (logs, "log__tx_hash")):
        for tx_hash, *place in rows.values_list(name, "block__number", "log_index", "block__timestamp"):
            stands = Place(*place)
            found[tx_hash] = min(found.get(tx_hash, stands), stands)
    return found


def _cursor(network: Network, lane: str) -> ScanCursor | None:
    return ScanCursor.objects.filter(network=network, lane=lane).first()


def head(network: Network) -> tuple[int, datetime] | None:
    """Number and timestamp of the newest block read by the head lane; None before the first."""
    cursor = _cursor(network, ScanCursor.Lane.HEAD)
    return (cursor.number, cursor.timestamp) if cursor else None


def final_head(network: Network) -> tuple[int, str, datetime] | None:
    """Number, hash and timestamp of the newest final block; all up to it was read and is in the sequence."""
    cursor = _cursor(network, ScanCursor.Lane.SAFE)
    return (cursor.number, cursor.hash, cursor.timestamp) if cursor else None


def final_numbers() -> dict[int, int]:
    """The number of the newest final block of every network that was read, by the network's key."""
    return dict(ScanCursor.objects.filter(lane=ScanCursor.Lane.SAFE).values_list("network", "number"))


def pending_rows(network: Network) -> QuerySet[TransferInclusion]:
    """Canonical inclusions of incoming transfers that are not final."""
    return TransferInclusion.objects.filter(
        block__network=network,
        block__canonical=True,
        transfer__final_block__isnull=True,
        transfer__amount__gt=0,
    )


def pending_transfers(network: Network, keys: Collection[str]) -> list[PendingTransfer]:
    """Transfers to the addresses watched under `keys`: canonical, not yet final, oldest first."""
    top = head(network)
    watched = dict(WatchedAddress.objects.filter(network=network, key__in=keys).values_list("address", "key"))
    rows = (
        pending_rows(network)
        .filter(transfer__recipient__in=watched)
        .select_related("transfer__token__network", "block")
        .order_by("block__number", "log_index")
    )
    return [
        PendingTransfer(
            key=watched[row.transfer.recipient],
            transfer=row.transfer,
            block_number=row.block.number,
            block_timestamp=row.block.timestamp,
            confirmations=max(1, top[0] - row.block.number + 1) if top else 1,
        )
        for row in rows
    ]


def _canonical(addresses: Collection[str], tokens: Collection[int]) -> QuerySet[TransferInclusion]:
    """Transfers to these addresses that the chain holds, each once."""
    return TransferInclusion.objects.filter(
        transfer__recipient__in=addresses,
        transfer__token__in=tokens,
        transfer__amount__gt=0,
        block__canonical=True,
    )


@dataclass(frozen=True, slots=True)
class Arrived:
    """Base units of one token that reached one address: on final blocks, and on newer ones. In so many
    transfers, the last at `last`."""

    final: int
    pending: int
    transfers: int
    last: datetime


def arrived(addresses: Collection[str], tokens: Collection[int]) -> dict[tuple[str, int], Arrived]:
    """What reached each of these addresses in each of these tokens (primary keys), where anything did.

    One statement, so that a transfer that becomes final meanwhile counts exactly once.
    """
    final, pending = (Q(transfer__final_block__isnull=not_yet) for not_yet in (False, True))
    rows = _canonical(addresses, tokens).values("transfer__recipient", "transfer__token")
    summed = rows.annotate(
        final=Sum("transfer__amount", filter=final),
        pending=Sum("transfer__amount", filter=pending),
        transfers=Count("pk"),
        last=Max("block__timestamp"),
    )
    return {
        (row["transfer__recipient"], row["transfer__token"]): Arrived(
            int(row["final"] or 0), int(row["pending"] or 0), row["transfers"], row["last"]
        )
        for row in summed
    }


@dataclass(frozen=True, slots=True)
class Sent:
    """What one transaction sent to an address in one token: base units in so many transfers."""

    token_id: int
    tx_hash: str
    units: int
    transfers: int
    final: bool
    block_number: int
    at: datetime


def sent_to(address: str, tokens: Collection[int]) -> list[Sent]:
    """The transactions on the chain that sent this address at least the least amount of one of these tokens
    (primary keys), in the order of the chain."""
    rows = _canonical([address], tokens).annotate(
        final=ExpressionWrapper(Q(transfer__final_block__isnull=False), BooleanField())
    )
    found = rows.values(
        "transfer__token", "transfer__tx_hash", "final", least=F("transfer__token__least_amount")
    )
    summed = found.annotate(
        units=Sum("transfer__amount"),
        transfers=Count("pk"),
        number=Max("block__number"),
        place=Min("log_index"),
        at=Max("block__timestamp"),
    ).filter(units__gte=F("least"))
    return [
        Sent(
            row["transfer__token"],
            row["transfer__tx_hash"],
            int(row["units"]),
            row["transfers"],
            row["final"],
            row["number"],
            row["at"],
        )
        for row in summed.order_by("number", "place")
    ]


def pending_keys(network: Network) -> list[str]:
    """Keys of watched addresses with pending incoming transfers; its cost is theirs alone."""
    key = WatchedAddress.objects.filter(network=network, address=OuterRef("transfer__recipient"))
    rows = pending_rows(network).annotate(key=Subquery(key.values("key")[:1])).filter(key__isnull=False)
    return sorted(set(rows.values_list(F("key"), flat=True)))


def destroyed(token: Token, account: str, number: int) -> int:
    """Base units of an account that the token's owner destroyed, final up to block `number`."""
    return destroyed_units(token, account, number)
