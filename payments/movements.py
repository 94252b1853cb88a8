"""What moved on the chain for one escrow, in the order of the chain: block, then place in the block.

Every view that lists payments reads this. A transaction is one movement, however many transfers to the escrow
it holds; those that were too small to count by themselves are told together.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg, JSONBAgg
from django.db.models import Count, Max, Min, QuerySet, Sum

from chain import selectors as chain_reads
from chain.models import Network, Token
from chain.selectors import Place
from core import clock
from core.money import Amount
from core.presentation import TimelineItem
from payments.models import SMALL, Deposit, Escrow
from payments.states import LegState

DEPOSIT = "deposit"


@dataclass(frozen=True, slots=True)
class Movement:
    """One final transaction: a deposit of `transfers` transfers, or a payout leg. `place.at` is block time.

    `address` is who sent or received it; empty if several sent. `flags` are those of its deposits.
    """

    kind: str
    amount: Amount
    place: Place
    tx_hash: str
    address: str
    transfers: int = 1
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Small:
    """All transactions to the escrow that each moved less than `least` of one token."""

    transfers: int
    amount: Amount
    least: Amount
    last: datetime

    def __str__(self) -> str:
        many = "payment" if self.transfers == 1 else "payments"
        together = "" if self.transfers == 1 else ", together"
        return f"{self.transfers:,} {many} below {self.least}{together}"


@dataclass(frozen=True, slots=True)
class Moved:
    """Deposits and paid legs in the order of the chain, and what is too small to be told one by one."""

    movements: list[Movement]
    small: list[Small]


def of(escrow: Escrow) -> Moved:
    """Everything that is final and booked; a constant number of queries."""
    tokens = {
        token.pk: token for token in Token.objects.filter(network=escrow.network).select_related("network")
    }
    rows = list(_deposited(Deposit.objects.filter(escrow=escrow)))
    legs = list(escrow.legs.filter(state=LegState.PAID).order_by("paid_at", "id"))
    hashes = {*(row["tx_hash"] for row in rows), *(leg.tx_hash for leg in legs)}
    places = chain_reads.places(escrow.network, hashes)
    found = [_deposit(row, tokens[row["token_id"]], places) for row in rows]
    for leg in legs:
        place = places.get(leg.tx_hash, Place(0, 0, leg.paid_at or leg.created))
        amount = Amount(leg.amount, tokens[leg.token_id].unit)
        found.append(Movement(leg.kind, amount, place, leg.tx_hash, leg.recipient))
    # Those of one transaction keep the order in which they were written down.
    return Moved(sorted(found, key=lambda item: item.place), _small(escrow, tokens))


def _deposited(deposits: QuerySet[Deposit]) -> Iterable[dict[str, Any]]:
    """The transactions that count by themselves, each with its sums."""
    found: Any = (
        deposits.exclude(flags__contains=[SMALL])
        .order_by()
        .values("token_id", "tx_hash")
        .annotate(
            units=Sum("amount"),
            transfers=Count("pk"),
            block=Min("block_number"),
            at=Min("block_time"),
            senders=ArrayAgg("sender", distinct=True),
            told=JSONBAgg("flags"),
        )
        .filter(units__gt=0)
    )
    rows: Iterable[dict[str, Any]] = found
    return rows


def _deposit(row: dict[str, Any], token: Token, places: dict[str, Place]) -> Movement:
    return Movement(
        kind=DEPOSIT,
        amount=Amount(int(row["units"]), token.unit),
        place=places.get(row["tx_hash"], Place(row["block"], 0, row["at"])),
        tx_hash=row["tx_hash"],
        address=row["senders"][0] if len(row["senders"]) == 1 else "",
        transfers=row["transfers"],
        flags=tuple(sorted({flag for flags in row["told"] for flag in flags})),
    )


def _small(escrow: Escrow, tokens: dict[int, Token]) -> list[Small]:
    rows = Deposit.objects.filter(escrow=escrow, flags__contains=[SMALL]).order_by().values("token_id")
    found = rows.annotate(transfers=Count("pk"), units=Sum("amount"), last=Max("block_time"))
    small = []
    for row in found.order_by("token_id"):
        token = tokens[row["token_id"]]
        sent, least = Amount(int(row["units"]), token.unit), token.least_amount_money
        small.append(Small(row["transfers"], sent, least, row["last"]))
    return small


def in_order(network: Network, items: Iterable[TimelineItem]) -> list[TimelineItem]:
    """Lines of a timeline, oldest first: what has a transaction stands where the chain has it and shows the
    time of its block; everything else stands at its own time. Lines of one place keep their order."""
    listed = list(items)
    places = chain_reads.places(network, {item.tx_hash for item in listed if item.tx_hash})

    def key(item: TimelineItem) -> tuple[datetime, int, int]:
        place = places.get(item.tx_hash)
        return (place.at, place.block_number, place.log_index) if place else (item.at or clock.now(), 0, 0)

    told = [replace(item, at=places[item.tx_hash].at) if item.tx_hash in places else item for item in listed]
    return sorted(told, key=key)
