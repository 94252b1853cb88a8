"""Balances prove that no transfer of a watched address is missing."""

from collections.abc import Iterable

import structlog
from django.db.models import Sum

from chain.indexer import events
from chain.indexer.reading import RangeRead, read_named
from chain.indexer.store import touched_at
from chain.models import Token, TokenTransfer
from chain.rpc.answers import hexadecimal
from chain.rpc.client import Rpc
from chain.rpc.errors import NodeError, RpcError, Unreachable
from chain.services.alarms import raise_alarm

log = structlog.get_logger(__name__)
_BALANCE_OF = "0x70a08231"
Pair = tuple[int, str]


def complete_by_balances(rpc: Rpc, read: RangeRead) -> None:
    """Compare the balance of every touched address at the range's end with the sum of its transfers.

    A difference makes the range be read again by address; what only that finds is added, with an alarm.
    A difference that remains is an alarm as well, but does not stop the reading: the books' reconciliation
    stops the money it concerns.
    """
    wrong = _differing(rpc, read, touched_at(read))
    if not wrong:
        return
    again = read_named(rpc, sorted({account for _, account in wrong}), read.start, read.end)
    places = {entry.log.place for entry in read.observed}
    late = [entry for entry in again.observed if entry.log.place not in places]
    if late:
        raise_alarm(rpc.network, "logs_withheld", str(rpc), f"{len(late)} in {read.start}..{read.end}")
        read.observed += late
        read.headers = again.headers | read.headers
        wrong = _differing(rpc, read, wrong)
    for token, account in wrong:
        raise_alarm(rpc.network, "balance_differs", account, f"token {token} at block {read.end}")


def _differing(rpc: Rpc, read: RangeRead, pairs: Iterable[Pair]) -> set[Pair]:
    listed = sorted(pairs)
    if not listed:
        return set()
    found = balances(rpc, listed, read.end)
    books = known_balances(listed, read.start - 1)
    for entry in read.observed:
        if entry.transfer and entry.token:
            _add(books, (entry.token.pk, entry.transfer.recipient), entry.transfer.amount)
            _add(books, (entry.token.pk, entry.transfer.source), -entry.transfer.amount)
    return {pair for pair in listed if pair in found and found[pair] != books[pair]}


def _add(books: dict[Pair, int], pair: Pair, amount: int) -> None:
    if pair in books:
        books[pair] += amount


def balances(rpc: Rpc, pairs: list[Pair], number: int) -> dict[Pair, int]:
    """On-chain balances at a block; pairs whose state the node no longer has are left out."""
    contracts = {token.pk: token.address for token in Token.objects.filter(network=rpc.network)}
    requests = [
        (
            "eth_call",
            [{"to": contracts[token], "data": _BALANCE_OF + events.padded(account)[2:]}, hex(number)],
        )
        for token, account in pairs
    ]
    answers = rpc.batch_or_errors([(method, list(params)) for method, params in requests])
    found = {}
    for pair, answer in zip(pairs, answers, strict=True):
        if isinstance(answer, NodeError):
            log.warning("balance_unknown", provider=str(rpc), error=str(answer)[:200])
        elif isinstance(answer, RpcError):
            raise Unreachable("a balance")
        else:
            found[pair] = int(hexadecimal(answer, "balance") or "0x0", 16)
    return found


def known_balances(pairs: Iterable[Pair], number: int) -> dict[Pair, int]:
    """Sums of the final transfers up to block `number` stored for each (token, address).

    Others go on reading meanwhile: what they store above `number` is not part of the comparison.
    """
    return {(token, account): _sum(token, number, recipient=account) - _sum(token, number, source=account)
            for token, account in pairs}  # fmt: skip


def _sum(token: int, number: int, **side: str) -> int:
    rows = TokenTransfer.objects.filter(token_id=token, final_block__number__lte=number, **side)
    return int(rows.aggregate(total=Sum("amount"))["total"] or 0)
