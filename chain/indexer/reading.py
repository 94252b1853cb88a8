"""Reading a range from one node, so that its answer can be believed."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from chain.indexer import events, portions, watchset
from chain.indexer.events import Transfer
from chain.models import FinalEvent, Network, Token, WatchedAddress
from chain.rpc.answers import Header, Log, checksummed, one_hash_per_block
from chain.rpc.client import LogFilter, Rpc
from chain.rpc.errors import BadAnswer, RateLimited, SilentOnRange, Unreachable

_CHUNK = 5000


@dataclass(slots=True)
class Observed:
    """A log that concerns us, with its place inside its transaction and the watched keys it touches."""

    log: Log
    ordinal: int
    token: Token | None = None
    transfer: Transfer | None = None
    key_in: str = ""
    key_out: str = ""

    @property
    def kinds(self) -> list[tuple[FinalEvent.Kind, str]]:
        """What it becomes when final, outgoing first."""
        if self.transfer is None:
            return [(FinalEvent.Kind.TOKEN if self.token else FinalEvent.Kind.LOG, self.key_in)]
        both = [
            (FinalEvent.Kind.TRANSFER_OUT, self.key_out),
            (FinalEvent.Kind.TRANSFER_IN, self.key_in),
        ]
        return [(kind, key) for kind, key in both if key]


@dataclass(slots=True)
class RangeRead:
    """What a node said of `start..end`; `headers` holds the blocks that matter, the last one included.

    `seen` counts all logs it gave, those of strangers included: what the answer cost to carry and to hold.
    """

    start: int
    end: int
    headers: dict[int, Header] = field(default_factory=dict)
    observed: list[Observed] = field(default_factory=list)
    seen: int = 0

    @property
    def last(self) -> Header:
        """Header of `end`."""
        return self.headers[self.end]


def tokens_of(network: Network) -> list[Token]:
    """Every token ever listed: an address once shown stays watched."""
    return list(Token.objects.filter(network=network).order_by("pk"))


def read_range(rpc: Rpc, start: int, end: int, known: dict[int, Header] | None = None) -> RangeRead:
    """Read all logs that concern us in `start..end` from one node.

    Refused (`BadAnswer`) unless the node was at or past `end` before and after, every log lies in range,
    carries the hash of the canonical header at its number, and stands in its own receipt. `known` are
    headers of the range read before from the same node. Raises `LogsRefused` or `SilentOnRange` when less
    should be asked for.
    """
    network, tokens = rpc.network, tokens_of(rpc.network)
    return _read(rpc, tokens, events.filters(network, tokens), start, end, known=known or {})


def _read(
    rpc: Rpc, tokens: list[Token], wanted: list[LogFilter], start: int, end: int, *, known: dict[int, Header]
) -> RangeRead:
    with _silence_is_about_the_range():
        found, last = portions.logs(rpc, wanted, start, end)
        read = RangeRead(start, end, {end: last}, seen=len(found))
        matched = match(rpc.network, tokens, found)
        _attach_headers(rpc, read, (entry.log for entry in matched), known)
        one_hash_per_block([*found, *(entry.log for entry in matched)])
        read.observed = with_ordinals(rpc, matched)
    return read


@contextmanager
def _silence_is_about_the_range() -> Iterator[None]:
    """Who answered before and now says nothing has too much to do; who wants to be asked later has not."""
    try:
        yield
    except RateLimited:
        raise
    except Unreachable as error:
        raise SilentOnRange(str(error), slow=error.slow) from None


def _attach_headers(rpc: Rpc, read: RangeRead, logs: Iterable[Log], known: dict[int, Header]) -> None:
    hashes = one_hash_per_block(logs)
    missing = [number for number in hashes if number not in known and number != read.end]
    fetched = {header.number: header for header in rpc.headers(missing)}
    for number, header in (known | fetched).items():
        if number in hashes or number in known:
            if read.headers.get(number, header).hash != header.hash:
                raise BadAnswer("the chain moved while it was read")
            read.headers[number] = header
    if any(read.headers[number].hash != block_hash for number, block_hash in hashes.items()):
        raise BadAnswer("a log from a block that is not on the chain")


def match(network: Network, tokens: list[Token], logs: Sequence[Log]) -> list[Observed]:
    """The logs that concern us, without ordinals yet. What strangers do is dropped in memory, as it came."""
    by_address = {token.address: token for token in tokens}
    transfers = [log.address in by_address and events.is_transfer(log) for log in logs]
    # A party is named by a topic: most stand in many logs, and few are ours.
    words = {word for log, is_one in zip(logs, transfers, strict=True) if is_one for word in log.topics[1:]}
    named = {word: events.unpadded(word) for word in words}
    others = (log for log, is_one in zip(logs, transfers, strict=True) if not is_one)
    accounts = {account.lower() for log in others if (account := events.account_of(log))}
    found = map(checksummed, watchset.candidates(network, accounts.union(named.values())))
    keys = {address.lower(): key for address, key in watched_keys(network, found).items()}
    ours = {word for word, address in named.items() if address in keys}
    matched = []
    for log, is_one in zip(logs, transfers, strict=True):
        # Every reading of a block comes through here: what is no money for one of them is none for any.
        if is_one and (ours.isdisjoint(log.topics) or events.moves_nothing(log)):
            continue
        entry = _observed(log, by_address.get(log.address), events.parties(log) if is_one else None, keys)
        if _concerns(entry):
            matched.append(entry)
    return matched


def _observed(log: Log, token: Token | None, pair: tuple[str, str] | None, keys: dict[str, str]) -> Observed:
    if pair:
        source, recipient = pair
        return Observed(
            log, -1, token, Transfer.of(log), key_in=keys.get(recipient, ""), key_out=keys.get(source, "")
        )
    account = events.account_of(log) if token else None
    return Observed(log, -1, token, key_in=keys.get((account or "").lower(), ""))


def _concerns(entry: Observed) -> bool:
    if entry.token is None or entry.log.topic0 in events.OF_TOKEN:
        return True
    return bool(entry.key_in or entry.key_out)


def watched_keys(network: Network, addresses: Iterable[str]) -> dict[str, str]:
    """Keys of those `addresses` that are watched."""
    listed = sorted(addresses)
    keys: dict[str, str] = {}
    for start in range(0, len(listed), _CHUNK):
        rows = WatchedAddress.objects.filter(network=network, address__in=listed[start : start + _CHUNK])
        keys.update(rows.values_list("address", "key"))
    return keys


def with_ordinals(rpc: Rpc, matched: list[Observed]) -> list[Observed]:
    """Set each log's place inside its transaction from its receipt, which must contain it."""
    hashes = sorted({entry.log.tx_hash for entry in matched})
    receipts = rpc.receipts(hashes)
    if len(receipts) != len(hashes):
        raise BadAnswer("a log without a receipt")
    for entry in matched:
        entry.ordinal = receipts[entry.log.tx_hash].ordinal(entry.log)
    return matched


def read_named(rpc: Rpc, addresses: Sequence[str], start: int, end: int) -> RangeRead:
    """Read transfers from and to the named addresses only, by topics: for ranges that were read before."""
    tokens = tokens_of(rpc.network)
    topics = [events.padded(entry) for entry in addresses]
    contracts = [token.address for token in tokens]
    wanted = [
        LogFilter(contracts, [[events.TRANSFER], None, topics]),
        LogFilter(contracts, [[events.TRANSFER], topics]),
    ]
    return _read(rpc, tokens, wanted, start, end, known={})
