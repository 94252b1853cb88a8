"""Reads: calldata and what the answer means, of `ESCROW_ADDRESS` and of tokens."""

from dataclasses import dataclass
from typing import Any

from contracts import abi
from contracts.calls import LegKind, Side
from contracts.events import Status
from contracts.terms import Terms


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """An escrow's state on the chain. Amounts in base units, instants in unix seconds."""

    left: int
    deliver_by: int
    stamp: int
    frozen: int
    seq: int
    round: int
    reopens: int
    by_operator: bool
    stored: bool
    extended: int
    appealed: int
    owing: bool
    released: bool
    status: Status
    opener: Side
    before: Status
    buyer_disputes: int
    seller_disputes: int


def slot_of(escrow_id: bytes) -> bytes:
    """The packed slot. Zero: untouched, or settled if the vault has code."""
    return abi.encode_call("Escrow", "slotOf", [escrow_id])


def decode_slot(answer: bytes) -> State | None:
    """The state in a packed slot, None when the slot is zero."""
    packed: int = abi.decode_result("Escrow", "slotOf", answer)[0]
    return unpack_slot(packed) if packed else None


def unpack_slot(packed: int) -> State:
    """Splits a slot into its fields; the layout is that of `src/Slots.sol`."""
    values = {}
    for name, width in _LAYOUT:
        values[name] = packed & ((1 << width) - 1)
        packed >>= width
    return _state(values)


def state_of(terms: Terms) -> bytes:
    """The state that the next action would find, also of an untouched escrow, and whether it is settled."""
    return abi.encode_call("Escrow", "stateOf", [terms.as_abi()])


def decode_state(answer: bytes) -> tuple[State, bool]:
    """(state, settled)."""
    packed, settled = abi.decode_result("Escrow", "stateOf", answer)
    return unpack_slot(packed), settled


def check(terms: Terms) -> bytes:
    """The first rule that the terms break, as `terms.Fault` numbers them; zero when they are good."""
    return abi.encode_call("Escrow", "check", [terms.as_abi()])


def owed(escrow_id: bytes, kind: LegKind | int) -> bytes:
    """What a leg still waits for."""
    return abi.encode_call("Escrow", "owed", [escrow_id, int(kind)])


def vault_of(escrow_id: bytes) -> bytes:
    """The deposit address, as the contract computes it."""
    return abi.encode_call("Escrow", "vaultOf", [escrow_id])


def balance_of(holder: str) -> bytes:
    """A holder's balance of a token."""
    return abi.encode_call("TestUSDT", "balanceOf", [holder])


def blacklisted(holder: str) -> bytes:
    """Whether the token refuses to move this holder's money (USDT's `isBlackListed`)."""
    return abi.encode_call("TestUSDT", "isBlackListed", [holder])


def paused() -> bytes:
    """Whether the token refuses every transfer."""
    return abi.encode_call("TestUSDT", "paused", [])


def decode_int(answer: bytes) -> int:
    """The number of `check`, `owed` or `balance_of`. Raises ValueError when it is not one word."""
    return int.from_bytes(_one_word(answer), "big")


def decode_bool(answer: bytes) -> bool:
    """The one flag of `blacklisted` or `paused`. Raises ValueError when the answer is not one word."""
    return decode_int(answer) != 0


def decode_address(answer: bytes) -> str:
    """The one address of `vault_of`, lower case. Raises ValueError when the answer is not one word."""
    return "0x" + _one_word(answer)[12:].hex()


def explain_error(data: bytes) -> str | None:
    """The name of the error in revert data, None when it is neither the escrow contract's nor the gate's."""
    selector = bytes(data[:4])
    return abi.error_selectors("Escrow").get(selector) or abi.error_selectors("OperatorGate").get(selector)


_LAYOUT = (
    ("left", 96),
    ("deliver_by", 40),
    ("stamp", 40),
    ("frozen", 32),
    ("seq", 24),
    ("round", 4),
    ("reopens", 2),
    ("by_operator", 1),
    ("stored", 1),
    ("extended", 4),
    ("appealed", 2),
    ("owing", 1),
    ("released", 1),
    ("status", 2),
    ("opener", 1),
    ("before", 1),
    ("buyer_disputes", 2),
    ("seller_disputes", 2),
)


def _state(values: dict[str, Any]) -> State:
    values["by_operator"] = bool(values["by_operator"])
    values["stored"] = bool(values["stored"])
    values["owing"] = bool(values["owing"])
    values["released"] = bool(values["released"])
    values["status"] = Status(values["status"])
    values["before"] = Status(values["before"])
    values["opener"] = Side(values["opener"])
    return State(**values)


def _one_word(answer: bytes) -> bytes:
    if len(answer) != 32:
        raise ValueError(f"expected one word, got {len(answer)} bytes")
    return bytes(answer)
