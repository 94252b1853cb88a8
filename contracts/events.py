"""Logs of the escrow contract and of tokens, typed. Amounts in base units, instants in unix seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar

from eth_utils.address import to_checksum_address

from contracts import abi
from contracts.artifacts import ESCROW_ADDRESS
from contracts.calls import LegKind, Side
from contracts.terms import Terms


class How(IntEnum):
    """How a part was decided."""

    PAY = 1
    CLAIM_DELIVERED = 2
    CLAIM_UNDELIVERED = 3
    CLAIM_UNFUNDED = 4
    RULING = 5
    SETTLEMENT = 6
    FALLBACK = 7


class Status(IntEnum):
    """Where an escrow stands on the chain while it is not settled."""

    OPEN = 0
    DELIVERED = 1
    DISPUTED = 2
    CANCELLED = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class LegOutcome:
    """One leg of a decision: paid in that transaction, or owed until `LegPaid`."""

    kind: LegKind
    amount: int
    paid: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class EscrowEvent:
    """What every event of the escrow contract has: its escrow, as 0x-prefixed lower-case hex."""

    name: ClassVar[str] = ""
    escrow_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Announced(EscrowEvent):
    """The full terms, at the first action that did not settle, or on request."""

    name: ClassVar[str] = "Announced"
    terms: Terms


@dataclass(frozen=True, kw_only=True, slots=True)
class Decided(EscrowEvent):
    """A part was decided for good. `left` zero: settled. `release` is the seller's part after the fee."""

    name: ClassVar[str] = "Decided"
    by: str
    how: How
    release: int
    refund: int
    fee: int
    left: int
    paid: int

    @property
    def legs(self) -> tuple[LegOutcome, ...]:
        """The legs above zero, in the order release, refund, fee."""
        amounts = ((LegKind.RELEASE, self.release), (LegKind.REFUND, self.refund), (LegKind.FEE, self.fee))
        return tuple(
            LegOutcome(kind=kind, amount=amount, paid=bool(self.paid >> kind & 1))
            for kind, amount in amounts
            if amount
        )

    @property
    def to_seller(self) -> int:
        """What was decided for the seller, the fee included."""
        return self.release + self.fee


@dataclass(frozen=True, kw_only=True, slots=True)
class LegPaid(EscrowEvent):
    """An owed leg was paid; `owed` is what it still waits for (above zero only after a loss)."""

    name: ClassVar[str] = "LegPaid"
    kind: LegKind
    to: str
    amount: int
    owed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivered(EscrowEvent):
    """Marked delivered; the seller may claim after `until`."""

    name: ClassVar[str] = "Delivered"
    by: str
    until: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryReopened(EscrowEvent):
    """Changes were requested; the buyer may take everything back after `deliver_by`."""

    name: ClassVar[str] = "DeliveryReopened"
    by: str
    deliver_by: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Disputed(EscrowEvent):
    """Disputed on behalf of `side`. Rulings bind `round`; the fallback is open after `until`."""

    name: ClassVar[str] = "Disputed"
    by: str
    side: Side
    round: int
    until: int
    evidence_hash: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class DisputeWithdrawn(EscrowEvent):
    """Back to `status`; the running clock now ends at `until`."""

    name: ClassVar[str] = "DisputeWithdrawn"
    by: str
    status: Status
    until: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Appealed(EscrowEvent):
    """`side` appealed, or the operator for it: rulings bind `round` now."""

    name: ClassVar[str] = "Appealed"
    by: str
    side: Side
    round: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Extended(EscrowEvent):
    """The running clock now ends at `until`. By the zero address: both parties signed."""

    name: ClassVar[str] = "Extended"
    by: str
    until: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Cancelled(EscrowEvent):
    """The terms are dead; what the vault held and whatever comes is the buyer's (`Rescued`). By the zero
    address: both parties signed."""

    name: ClassVar[str] = "Cancelled"
    by: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Ruled(EscrowEvent):
    """Which ruling the `Decided` of the same transaction executed."""

    name: ClassVar[str] = "Ruled"
    round: int
    ruling_hash: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Rescued(EscrowEvent):
    """Money that was not this escrow's went to the buyer. Token zero is the native coin."""

    name: ClassVar[str] = "Rescued"
    token: str
    to: str
    amount: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenEvent:
    """A log of a token; which token is the address of the log."""

    name: ClassVar[str] = ""
    token: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Transfer(TokenEvent):
    """`value` base units moved."""

    name: ClassVar[str] = "Transfer"
    sender: str
    to: str
    value: int


_ESCROW_EVENTS: dict[str, type[EscrowEvent]] = {
    kind.name: kind
    for kind in (
        Announced,
        Decided,
        LegPaid,
        Delivered,
        DeliveryReopened,
        Disputed,
        DisputeWithdrawn,
        Appealed,
        Extended,
        Cancelled,
        Ruled,
        Rescued,
    )
}
_FIELD_NAMES = {
    "id": "escrow_id",
    "deliverBy": "deliver_by",
    "evidenceHash": "evidence_hash",
    "rulingHash": "ruling_hash",
}
_FIELD_KINDS: dict[tuple[str, str], Any] = {
    ("Decided", "how"): How,
    ("LegPaid", "kind"): LegKind,
    ("Disputed", "side"): Side,
    ("Appealed", "side"): Side,
    ("DisputeWithdrawn", "status"): Status,
    ("Announced", "terms"): Terms.from_abi,
}
_ADDRESSES = {"by", "to", "token"}

TOPICS: dict[str, str] = {name: "0x" + abi.topic("Escrow", name).hex() for name in _ESCROW_EVENTS}
"""Event name to topic 0, of every event of the escrow contract."""

TRANSFER_TOPIC = "0x" + abi.topic("TestUSDT", "Transfer").hex()
"""Topic 0 of an ERC-20 transfer."""

_NAMES = {bytes.fromhex(topic[2:]): name for name, topic in TOPICS.items()}


def decode(address: str, topics: Sequence[bytes | str], data: bytes | str) -> EscrowEvent | None:
    """The event of a log, or None when it is not one of the escrow contract's.

    Raises eth_abi's DecodingError when the log claims to be one and is malformed.
    """
    words = [_bytes(topic) for topic in topics]
    name = _NAMES.get(words[0]) if words else None
    if name is None or to_checksum_address(address) != ESCROW_ADDRESS:
        return None
    fields = abi.decode_event("Escrow", name, words, _bytes(data))
    return _ESCROW_EVENTS[name](
        **{_FIELD_NAMES.get(key, key): _value(name, key, raw) for key, raw in fields.items()}
    )


def decode_transfer(address: str, topics: Sequence[bytes | str], data: bytes | str) -> Transfer | None:
    """An ERC-20 transfer, or None for any other log (an ERC-721 transfer has a fourth topic and no data)."""
    words = [_bytes(topic) for topic in topics]
    raw = _bytes(data)
    if len(words) != 3 or len(raw) != 32 or "0x" + words[0].hex() != TRANSFER_TOPIC:
        return None
    return Transfer(
        token=to_checksum_address(address),
        sender=to_checksum_address(words[1][12:]),
        to=to_checksum_address(words[2][12:]),
        value=int.from_bytes(raw, "big"),
    )


def _value(event: str, field: str, raw: Any) -> Any:
    if field == "id":
        return "0x" + raw.hex()
    if field in _ADDRESSES:
        return to_checksum_address(raw)
    convert = _FIELD_KINDS.get((event, field))
    return convert(raw) if convert else raw


def _bytes(raw: bytes | str) -> bytes:
    return bytes.fromhex(raw.removeprefix("0x")) if isinstance(raw, str) else bytes(raw)
