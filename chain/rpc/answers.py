"""Answers of nodes, checked field by field. A wrong field makes the whole answer unusable."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from operator import attrgetter
from typing import Any

import msgspec
from eth_utils.address import to_checksum_address

from chain.rpc.errors import BadAnswer

# A back-fill reads hundreds of thousands of fields: one compiled expression each.
_is_quantity = re.compile(r"0x[0-9a-fA-F]{1,64}").fullmatch
_is_bytes = re.compile(r"0x(?:[0-9a-f]{2})*").fullmatch
_is_hash = re.compile(r"0x[0-9a-f]{64}").fullmatch
_DIGITS = b"0123456789abcdef"


def quantity(value: Any, what: str) -> int:
    """A JSON-RPC quantity as int."""
    if not isinstance(value, str) or not _is_quantity(value):
        raise BadAnswer(f"{what} is no quantity")
    return int(value, 16)


def count(value: Any, what: str) -> int:
    """A quantity that a column holds: of blocks, or of gas. No chain has more."""
    found = quantity(value, what)
    if found >= 2**63:
        raise BadAnswer(f"{what} beyond any chain")
    return found


def word(value: Any, what: str) -> int:
    """The number that a view returns: 32 bytes. No bytes are no zero: a node without the state says so."""
    text = hexadecimal(value, what)
    if len(text) != 66:
        raise BadAnswer(f"{what} is no number")
    return int(text, 16)


def hexadecimal(value: Any, what: str) -> str:
    """0x and whole bytes, lower case."""
    text = value.lower() if isinstance(value, str) else ""
    if not _is_bytes(text):
        raise BadAnswer(f"{what} is not hexadecimal")
    return text


def hash32(value: Any, what: str) -> str:
    """32 bytes, lower case."""
    if isinstance(value, str) and _is_hash(value):
        return value
    text = hexadecimal(value, what)
    if len(text) != 66:
        raise BadAnswer(f"{what} is no hash")
    return text


def address(value: Any, what: str) -> str:
    """20 bytes, checksummed."""
    text = hexadecimal(value, what)
    if len(text) != 42:
        raise BadAnswer(f"{what} is no address")
    return checksummed(text)


@lru_cache(maxsize=4096)
def checksummed(text: str) -> str:
    """An address in checksum form: costs a hash, so strangers are compared without it."""
    return str(to_checksum_address(text))


by_place = attrgetter("block_number", "index")


@dataclass(frozen=True, slots=True)
class Header:
    """What identifies a block."""

    number: int
    hash: str
    parent_hash: str
    timestamp: datetime
    base_fee: int | None

    @classmethod
    def read(cls, raw: Any) -> "Header":
        """Check a block object."""
        fields = an_object(raw, "block")
        fee = fields.get("baseFeePerGas")
        return cls(
            number=count(fields.get("number"), "block number"),
            hash=hash32(fields.get("hash"), "block hash"),
            parent_hash=hash32(fields.get("parentHash"), "parent hash"),
            timestamp=instant(fields.get("timestamp"), "timestamp"),
            base_fee=None if fee is None else quantity(fee, "base fee"),
        )


class Log(msgspec.Struct, frozen=True, gc=False):
    """One log as a node reported it."""

    address: str
    topics: tuple[str, ...]
    data: str
    block_number: int
    block_hash: str
    tx_hash: str
    index: int

    @classmethod
    def read(cls, raw: Any) -> "Log":
        """Check a log object; a removed one is refused."""
        fields = an_object(raw, "log")
        topics = fields.get("topics")
        if fields.get("removed"):
            raise BadAnswer("a removed log")
        if not isinstance(topics, list) or len(topics) > 4:
            raise BadAnswer("log topics")
        return cls(
            address=address(fields.get("address"), "log address"),
            topics=tuple(hash32(topic, "log topic") for topic in topics),
            data=hexadecimal(fields.get("data"), "log data"),
            block_number=quantity(fields.get("blockNumber"), "log block"),
            block_hash=hash32(fields.get("blockHash"), "log block hash"),
            tx_hash=hash32(fields.get("transactionHash"), "log transaction"),
            index=_log_index(fields.get("logIndex")),
        )

    @property
    def topic0(self) -> str:
        """The event; empty for an anonymous log."""
        return self.topics[0] if self.topics else ""

    @property
    def place(self) -> tuple[int, int]:
        """Order on the chain: block, then index in the block."""
        return self.block_number, self.index


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a block says of one transaction."""

    tx_hash: str
    block_number: int
    block_hash: str
    ok: bool
    gas_used: int
    gas_price: int
    logs: tuple[Log, ...]

    @classmethod
    def read(cls, raw: Any, tx_hash: str) -> "Receipt":
        """Check a receipt object, asked for by `tx_hash`."""
        fields = an_object(raw, "receipt")
        receipt = cls(
            tx_hash=hash32(fields.get("transactionHash"), "receipt transaction"),
            block_number=count(fields.get("blockNumber"), "receipt block"),
            block_hash=hash32(fields.get("blockHash"), "receipt block hash"),
            ok=_status(fields),
            gas_used=count(fields.get("gasUsed"), "gas used"),
            gas_price=quantity(fields.get("effectiveGasPrice", "0x0"), "gas price"),
            logs=tuple(sorted(_each_log(fields.get("logs")), key=attrgetter("index"))),
        )
        if receipt.tx_hash != tx_hash:
            raise BadAnswer("the receipt of another transaction")
        here = (receipt.tx_hash, receipt.block_hash, receipt.block_number)
        if any((log.tx_hash, log.block_hash, log.block_number) != here for log in receipt.logs):
            raise BadAnswer("a receipt with logs from elsewhere")
        if any(after.index != log.index + 1 for log, after in pairwise(receipt.logs)):
            # The place of a log inside its transaction identifies it; a hole would move all that follow.
            raise BadAnswer("a receipt with a log missing or twice")
        return receipt

    def ordinal(self, log: Log) -> int:
        """Place of `log` among the logs of this transaction; the same after every reorg."""
        if log not in self.logs:
            raise BadAnswer("a log that its own receipt does not have")
        return self.logs.index(log)


def _log_index(value: Any) -> int:
    # Of one block; what the column can not hold was made up.
    index = quantity(value, "log index")
    if index >= 2**31:
        raise BadAnswer("a log index beyond any block")
    return index


def _status(fields: dict[str, Any]) -> bool:
    status = quantity(fields.get("status"), "status")
    if status not in (0, 1):
        raise BadAnswer("a status that is neither 0 nor 1")
    return status == 1


def read_logs(raw: Any) -> list[Log]:
    """Check a list of logs: in order of the chain, none twice, one hash per block."""
    logs = sorted(_each_log(raw), key=by_place)
    if len(set(map(by_place, logs))) != len(logs):
        raise BadAnswer("a log twice")
    one_hash_per_block(logs)
    return logs


def _each_log(raw: Any) -> list[Log]:
    entries = a_list(raw, "logs")
    logs = _plain_logs(entries)
    return [Log.read(entry) for entry in entries] if logs is None else logs


class _Wire(msgspec.Struct, gc=False, rename="camel"):
    """A log with its fields as they came, of the right JSON types."""

    address: str
    topics: tuple[str, ...]
    data: str
    block_number: str
    block_hash: str
    transaction_hash: str
    log_index: str
    removed: bool | None = None


def _plain_logs(entries: list[Any]) -> list[Log] | None:
    """Logs in the form that nodes commonly write, checked together, for a back-fill reads hundreds of
    thousands. None: at least one has to be looked at by itself."""
    try:
        wires = msgspec.convert(entries, list[_Wire])
    except ValueError:  # of another shape, or with half characters that no text is made of
        return None
    words = [topic for wire in wires for topic in wire.topics]
    words += {wire.block_hash for wire in wires} | {wire.transaction_hash for wire in wires}
    if (
        not _are_hashes(words)
        or not _are_bytes([wire.data for wire in wires])
        or any(wire.removed or len(wire.topics) > 4 for wire in wires)
    ):
        return None
    emitters = {text: address(text, "log address") for text in {wire.address for wire in wires}}
    numbers = {text: quantity(text, "log block") for text in {wire.block_number for wire in wires}}
    indices = {text: _log_index(text) for text in {wire.log_index for wire in wires}}
    return [
        Log(
            emitters[wire.address],
            wire.topics,
            wire.data,
            numbers[wire.block_number],
            wire.block_hash,
            wire.transaction_hash,
            indices[wire.log_index],
        )
        for wire in wires
    ]


def _are_hashes(texts: list[str]) -> bool:
    """Whether each is 32 bytes in small letters: of one length, so each has its `0x` at the same place."""
    joined, count = "".join(texts), len(texts)
    one_length = set(map(len, texts)) <= {66}
    prefixed = joined[::66] == "0" * count and joined[1::66] == "x" * count
    return one_length and prefixed and _left_of(joined) == b"x" * count


def _are_bytes(texts: list[str]) -> bool:
    """Whether each is 0x and whole bytes in small letters: it begins with the one x that it has."""
    whole = all(text.startswith("0x") and not len(text) % 2 for text in texts)
    return whole and _left_of("".join(texts)) == b"x" * len(texts)


def _left_of(text: str) -> bytes:
    """All but the hexadecimal digits."""
    return text.encode("ascii", "replace").translate(None, _DIGITS)


def one_hash_per_block(logs: Iterable[Log]) -> dict[int, str]:
    """Block hashes by number; refused if two logs of one block disagree."""
    hashes: dict[int, str] = {}
    for log in logs:
        if hashes.setdefault(log.block_number, log.block_hash) != log.block_hash:
            raise BadAnswer("two hashes for one block")
    return hashes


def decoded(raw: bytes | str) -> Any:
    """The JSON in it; `ValueError` if there is none, or none that anybody would write."""
    try:
        return msgspec.json.decode(raw)
    except RecursionError:
        raise ValueError("JSON nested without end") from None


def an_object(raw: Any, what: str) -> dict[str, Any]:
    """A JSON object."""
    if not isinstance(raw, dict):
        raise BadAnswer(f"no {what}")
    return raw


def a_list(raw: Any, what: str) -> list[Any]:
    """A JSON array."""
    if not isinstance(raw, list):
        raise BadAnswer(f"{what} are no list")
    return raw


def instant(value: Any, what: str) -> datetime:
    """Unix seconds, as an aware instant."""
    try:
        return datetime.fromtimestamp(quantity(value, what), UTC)
    except (OverflowError, ValueError, OSError):
        raise BadAnswer(f"{what} is no time") from None
