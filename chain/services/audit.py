"""The daily proof of completeness: every watched balance against the transfers we know."""

import random
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from itertools import islice

from django.db import transaction

from chain.indexer import store
from chain.indexer.balances import Pair, balances, known_balances
from chain.indexer.catchup import read_for
from chain.models import Alarm, Network, ScanCursor, Token, WatchedAddress
from chain.rpc import pool
from chain.services import final
from chain.services.alarms import raise_alarm, resolve_alarm
from core import rounds, tries

DIFFERS = "balance_differs"
_AT_ONCE = 200  # addresses
_WINDOWS = 3  # of blocks: what is read again before its place is stored
_EVERY = timedelta(days=1)


def go_on(network: Network, seconds: float = 30.0) -> int:
    """One turn: compare addresses for about `seconds`, then read again, for half of it, those that differ.

    Each balance is compared, once a day, with the address's final transfers at the safe cursor. One that
    differs has an open alarm from then on and is read again from its first block, over as many turns as that
    takes, while the comparison goes on with the next; what was missing becomes final events. Returns how many
    addresses still differ. Raises `RpcError` when no node answered.
    """
    cursor = ScanCursor.objects.filter(network=network, lane=ScanCursor.Lane.SAFE).first()
    if cursor is None:
        return 0
    name, compare = rounds.of(network.slug, "audit"), partial(_compare, network, cursor.number)
    tries.each(
        partial(rounds.go_on, name, compare, seconds=seconds, pause=_EVERY),
        partial(_read_again, network, cursor.number, seconds / 2),
        partial(_close, network, cursor.number),
    )
    return len(_wrong(network))


def _compare(network: Network, number: int, after: str) -> str | None:
    watched = WatchedAddress.objects.filter(network=network, caught_up=True, pk__gt=int(after or 0))
    rows = list(watched.order_by("pk")[:_AT_ONCE])
    for token, account in _differing(network, rows, number):
        raise_alarm(network, DIFFERS, account, f"token {token} at block {number}")
    return str(rows[-1].pk) if rows else None


def _differing(network: Network, rows: Sequence[WatchedAddress], number: int) -> list[Pair]:
    tokens = list(Token.objects.filter(network=network).values_list("pk", flat=True))
    pairs = [(token, row.address) for row in rows for token in tokens]
    if not pairs:
        return []
    found = pool.read(network, lambda rpc: balances(rpc, pairs, number))
    known = known_balances(pairs, number)
    return [pair for pair in pairs if pair in found and found[pair] != known[pair]]


def _wrong(network: Network) -> list[WatchedAddress]:
    """Addresses with an open alarm, whoever raised it; the oldest first."""
    told = Alarm.objects.filter(network=network, kind=DIFFERS, resolved_at=None).order_by("first_at", "pk")
    order = {address: place for place, address in enumerate(told.values_list("subject", flat=True))}
    rows = WatchedAddress.objects.filter(network=network, address__in=list(order))
    return sorted(rows, key=lambda row: order[row.address])


def _read_again(network: Network, number: int, seconds: float) -> None:
    """Up to block `number`, each address a round of its own: one that cannot be read holds up no other.

    In any order, because one whose failure takes all of the time must not be the first every time.
    """
    rows, end = _wrong(network), time.monotonic() + seconds
    random.shuffle(rows)

    def go(row: WatchedAddress) -> None:
        left = end - time.monotonic()
        if left > 0 or row is rows[0]:
            portion = partial(_read_on, network, row, number)
            rounds.go_on(f"read again {row.pk}", portion, seconds=left, pause=_EVERY)

    tries.each(*(partial(go, row) for row in rows))


def _read_on(network: Network, row: WatchedAddress, number: int, after: str) -> str | None:
    start = int(after) + 1 if after else row.from_block
    last = None
    for read in islice(read_for(network, [row.address], start, number), _WINDOWS):
        with transaction.atomic():
            found = final.append(network, store.finalize(store.keep_range(network, read)))
        if found:
            raise_alarm(network, "logs_withheld", "audit", f"{found} final events up to {read.end}")
        last = str(read.end)
    return last


def _close(network: Network, number: int) -> None:
    """End the alarms of those that differ no more."""
    rows = _wrong(network)
    for place in range(0, len(rows), _AT_ONCE):
        portion = rows[place : place + _AT_ONCE]
        still = {account for _, account in _differing(network, portion, number)}
        for row in portion:
            if row.address not in still:
                resolve_alarm(network, DIFFERS, row.address)
