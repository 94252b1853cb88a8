"""A block whose logs a node does not give at once: asked for in portions, as small as it takes.

First contract by contract and event by event, then the transfers by who sends and who receives, for the
watched addresses alone. What concerns us is the same set of logs either way.
"""

from collections.abc import Iterator, Sequence

from chain.indexer import events
from chain.models import Network, WatchedAddress
from chain.rpc.answers import Header, Log, by_place
from chain.rpc.client import LogFilter, Rpc
from chain.rpc.errors import BadAnswer, LogsRefused

PARTIES = 500  # addresses in one filter: geth takes 1,000
Topics = Sequence[Sequence[str] | None]


def logs(rpc: Rpc, wanted: Sequence[LogFilter], start: int, end: int) -> tuple[list[Log], Header]:
    """The logs that the filters admit, or of a refused block those that concern us, each once and in order of
    the chain; and the header of `end`.

    Raises `LogsRefused` for more than one block, and for one that is refused in the smallest portions.
    """
    try:
        lists, last = rpc.logs(wanted, start, end)
    except LogsRefused as refusal:
        if start < end:
            raise
        lists, headers = [], list[Header]()
        for entry in wanted:
            for found, header in _in_portions(rpc, entry, start, refusal):
                lists.append(found)
                headers.append(header)
        if len({header.hash for header in headers}) != 1:
            raise BadAnswer("the chain moved while it was read") from None
        last = headers[-1]
    if len(full := [found for found in lists if found]) <= 1:
        return (full[0] if full else []), last
    # A transfer between two of ours is in more than one portion.
    unique = {log.place: log for found in full for log in found}
    return sorted(unique.values(), key=by_place), last


def _in_portions(
    rpc: Rpc, wanted: LogFilter, number: int, refusal: LogsRefused
) -> Iterator[tuple[list[Log], Header]]:
    for part in _parts(rpc.network, wanted, refusal):
        try:
            (found,), header = rpc.logs([part], number, number)
        except LogsRefused as error:
            yield from _in_portions(rpc, part, number, error)
        else:
            yield found, header


def _parts(network: Network, wanted: LogFilter, refusal: LogsRefused) -> Iterator[LogFilter]:
    """Filters that together admit all of `wanted` that concerns us. Raises `refusal` when there are none."""
    addresses, topics = list(wanted.addresses), list(wanted.topics)
    if len(addresses) > 1:
        yield from (LogFilter(half, topics) for half in _halves(addresses))
        return
    if not topics and addresses == [network.escrow_contract]:
        yield from (LogFilter(addresses, [[topic]]) for topic in events.of_escrow())
        return
    for place, alternatives in enumerate(topics):
        if alternatives and len(alternatives) > 1:
            for half in _halves(list(alternatives)):
                yield LogFilter(addresses, [*topics[:place], half, *topics[place + 1 :]])
            return
    if topics != [[events.TRANSFER]]:
        raise refusal
    for parties in _watched(network):
        yield LogFilter(addresses, [[events.TRANSFER], parties])
        yield LogFilter(addresses, [[events.TRANSFER], None, parties])


def _halves(entries: list[str]) -> tuple[list[str], list[str]]:
    middle = len(entries) // 2
    return entries[:middle], entries[middle:]


def _watched(network: Network) -> Iterator[list[str]]:
    """All watched addresses as topics; at least one portion."""
    after, rows = 0, WatchedAddress.objects.filter(network=network).order_by("pk")
    while found := list(rows.filter(pk__gt=after).values_list("pk", "address")[:PARTIES]):
        yield [events.padded(address) for _, address in found]
        after = found[-1][0]
