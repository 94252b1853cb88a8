"""The daily proof of completeness: every watched balance against the transfers we know."""

from datetime import timedelta

from django.db import transaction

from chain.indexer import store
from chain.indexer.balances import Pair, balances, known_balances
from chain.indexer.catchup import read_for
from chain.models import Network, ScanCursor, Token, WatchedAddress
from chain.rpc import pool
from chain.services import final
from chain.services.alarms import raise_alarm, resolve_alarm
from core import rounds

_AT_ONCE = 200
_EVERY = timedelta(days=1)


def check_balances(network: Network) -> int:
    """Compare the balance of every watched address with its final transfers, at the safe cursor.

    Where they differ the address is read again from its first block, and what was missing becomes final
    events. Returns how many addresses still differ; each has an open alarm.
    """
    left, after = 0, 0
    while portion := _watched(network, after):
        after = portion[-1].pk
        left += _check(network, portion)
    return left


def go_on(network: Network, seconds: float = 40.0) -> None:
    """The same a portion at a time: for about `seconds`, then again from there, one round a day."""

    def some(after: str) -> str | None:
        portion = _watched(network, int(after or 0))
        _check(network, portion)
        return str(portion[-1].pk) if portion else None

    rounds.go_on(f"audit {network.slug}", some, seconds=seconds, pause=_EVERY)


def _watched(network: Network, after: int) -> list[WatchedAddress]:
    rows = WatchedAddress.objects.filter(network=network, caught_up=True, pk__gt=after)
    return list(rows.order_by("pk")[:_AT_ONCE])


def _check(network: Network, portion: list[WatchedAddress]) -> int:
    cursor = ScanCursor.objects.filter(network=network, lane=ScanCursor.Lane.SAFE).first()
    if cursor is None or not portion:
        return 0
    tokens = list(Token.objects.filter(network=network).values_list("pk", flat=True))
    pairs = [(token, row.address) for row in portion for token in tokens]
    wrong = _differing(network, pairs, cursor.number)
    if not wrong:
        return 0
    _read_again(network, sorted({account for _, account in wrong}), cursor)
    return _report(network, wrong, _differing(network, wrong, cursor.number))


def _differing(network: Network, pairs: list[Pair], number: int) -> list[Pair]:
    found = pool.read(network, lambda rpc: balances(rpc, pairs, number))
    known = known_balances(pairs, number)
    return [pair for pair in pairs if pair in found and found[pair] != known[pair]]


def _read_again(network: Network, addresses: list[str], cursor: ScanCursor) -> None:
    rows = WatchedAddress.objects.filter(network=network, address__in=addresses)
    start = min(row.from_block for row in rows)
    found = 0
    for read in read_for(network, addresses, start, cursor.number):
        # Stored window by window: a long past that ends the task's time is not read in vain.
        with transaction.atomic():
            found += final.append(network, store.finalize(store.keep_range(network, read)))
    if found:
        raise_alarm(network, "logs_withheld", "audit", f"{found} final events were missing")


def _report(network: Network, wrong: list[Pair], still: list[Pair]) -> int:
    for token, account in wrong:
        if (token, account) in still:
            raise_alarm(network, "balance_differs", account, f"token {token}")
        else:
            resolve_alarm(network, "balance_differs", account)
    return len(still)
