"""`Lens`: many escrows read in one call of `LENS_ADDRESS`. Amounts in base units."""

from collections.abc import Sequence
from dataclasses import dataclass

from eth_utils.address import to_checksum_address

from contracts import abi
from contracts.terms import Terms
from contracts.views import State, unpack_slot


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """One escrow in full. `balance` is None when the token does not answer; `coins` are native coin."""

    escrow_id: str
    vault: str
    fault: int
    settled: bool
    has_code: bool
    state: State
    balance: int | None
    coins: int
    release_owed: int
    refund_owed: int
    fee_owed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Brief:
    """What is known by the id alone. `state` is None without a slot: untouched, or settled if `has_code`."""

    vault: str
    has_code: bool
    state: State | None
    balance: int | None


def look(terms: Sequence[Terms]) -> bytes:
    """Everything about escrows whose terms are known; for `decode_look`."""
    return abi.encode_call("Lens", "look", [[one.as_abi() for one in terms]])


def decode_look(answer: bytes) -> list[View]:
    """The answers to `look`, in its order."""
    return [
        View(
            escrow_id="0x" + raw[0].hex(),
            vault=to_checksum_address(raw[1]),
            fault=raw[2],
            settled=raw[3],
            has_code=raw[4],
            state=unpack_slot(raw[6]),
            balance=raw[7] if raw[5] else None,
            coins=raw[8],
            release_owed=raw[9],
            refund_owed=raw[10],
            fee_owed=raw[11],
        )
        for raw in abi.decode_result("Lens", "look", answer)[0]
    ]


def brief(escrow_ids: Sequence[bytes], tokens: Sequence[str]) -> bytes:
    """Slots and balances by id, `tokens` beside them; for `decode_brief`."""
    if len(escrow_ids) != len(tokens):
        raise ValueError("each escrow needs its token")
    return abi.encode_call("Lens", "brief", [list(escrow_ids), list(tokens)])


def decode_brief(answer: bytes) -> list[Brief]:
    """The answers to `brief`, in its order."""
    return [
        Brief(
            vault=to_checksum_address(vault),
            has_code=has_code,
            state=unpack_slot(slot) if slot else None,
            balance=balance if readable else None,
        )
        for vault, has_code, readable, slot, balance in abi.decode_result("Lens", "brief", answer)[0]
    ]
