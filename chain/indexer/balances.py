"""Balances prove that no transfer of a watched address is missing."""

from collections.abc import Collection, Iterable, Iterator

from django.db.models import Sum

from chain.indexer import events
from chain.indexer.reading import RangeRead, read_named
from chain.indexer.store import touched_at
from chain.models import ContractLog, Token, TokenTransfer
from chain.rpc.answers import word
from chain.rpc.client import Rpc
from chain.rpc.errors import NodeError, RpcError, Unreachable
from chain.services.alarms import raise_alarm, resolve_alarm

_BALANCE_OF = "0x70a08231"
UNPROVEN = "balance_unproven"
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
    for pair, units in _movements(read):
        _add(books, pair, units)
    return {pair for pair in listed if pair in found and found[pair] != books[pair]}


def _movements(read: RangeRead) -> Iterator[tuple[Pair, int]]:
    for entry in read.observed:
        if entry.transfer and entry.token:
            yield (entry.token.pk, entry.transfer.recipient), entry.transfer.amount
            yield (entry.token.pk, entry.transfer.source), -entry.transfer.amount
        elif entry.token and (gone := events.destroyed(entry.log.topic0, entry.log.topics, entry.log.data)):
            yield (entry.token.pk, gone[0]), -gone[1]


def _add(books: dict[Pair, int], pair: Pair, amount: int) -> None:
    if pair in books:
        books[pair] += amount


def balances(rpc: Rpc, pairs: list[Pair], number: int) -> dict[Pair, int]:
    """On-chain balances at a block. Pairs whose state the node no longer has are left out, with an alarm
    until it answers again: nothing proves then that no transfer of theirs is missing."""
    contracts = {token.pk: token.address for token in Token.objects.filter(network=rpc.network)}
    requests = [
        (
            "eth_call",
            [{"to": contracts[token], "data": _BALANCE_OF + events.padded(account)[2:]}, hex(number)],
        )
        for token, account in pairs
    ]
    answers = rpc.batch_or_errors([(method, list(params)) for method, params in requests])
    found, refusal = dict[Pair, int](), ""
    for pair, answer in zip(pairs, answers, strict=True):
        if isinstance(answer, NodeError):
            refusal = str(answer)
        elif isinstance(answer, RpcError):
            raise Unreachable("a balance")
        else:
            found[pair] = word(answer, "balance")
    if refusal:
        detail = f"{len(pairs) - len(found)} of {len(pairs)} at block {number}: {refusal}"
        raise_alarm(rpc.network, UNPROVEN, str(rpc), detail[:300])
    else:
        resolve_alarm(rpc.network, UNPROVEN, str(rpc))
    return found


def known_balances(pairs: Iterable[Pair], number: int) -> dict[Pair, int]:
    """Sums of the final transfers up to block `number` stored for each (token, address), less what a token's
    owner destroyed.

    Others go on reading meanwhile: what they store above `number` is not part of the comparison.
    """
    known = dict.fromkeys(pairs, 0)
    for side, sign in (("recipient", 1), ("source", -1)):
        for pair, units in _sums(known, number, side):
            _add(known, pair, sign * units)
    for pair, units in _destroyed(known, number):
        _add(known, pair, -units)
    return known


def _sums(pairs: Collection[Pair], number: int, side: str) -> Iterator[tuple[Pair, int]]:
    """In one query for all: the token is a constant of the index, the accounts are looked up in it."""
    wanted = {"token__in": {token for token, _ in pairs}, f"{side}__in": {account for _, account in pairs}}
    rows = TokenTransfer.objects.filter(final_block__number__lte=number, **wanted)
    for token, account, total in rows.values_list("token", side).annotate(total=Sum("amount")):
        yield (token, account), int(total)


def _destroyed(pairs: Collection[Pair], number: int) -> Iterator[tuple[Pair, int]]:
    """A token's own logs are few: only those that concern us, and its switches, are ever stored."""
    tokens = {token.address: token for token in Token.objects.filter(pk__in={token for token, _ in pairs})}
    rows = ContractLog.objects.filter(
        network__in={token.network_id for token in tokens.values()},
        address__in=tokens,
        final_block__number__lte=number,
    )
    for row in rows:
        topic0 = row.topics[0] if row.topics else ""
        if gone := events.destroyed(topic0, row.topics, row.data):
            yield (tokens[row.address].pk, gone[0]), gone[1]


def destroyed_units(token: Token, account: str, number: int) -> int:
    """Base units of one account that the token's owner destroyed up to block `number`."""
    return sum(units for (_, whose), units in _destroyed([(token.pk, account)], number) if whose == account)
