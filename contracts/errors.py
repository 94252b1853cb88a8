"""Why a contract refused, in words: its custom error by the committed ABIs, `Error(string)`, or `Panic`."""

from functools import cache
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.crypto import keccak

from contracts import abi
from contracts.artifacts import load
from contracts.terms import MESSAGES, Fault

LONGEST = 200
REFUSED = "refused: "
# Ours first: where two know a selector they agree on what it means. `TestDollar` speaks for tokens with
# OpenZeppelin's ERC-20 and with ERC-3009, `TestPermit2` for Permit2.
_CONTRACTS = (
    "Escrow",
    "OperatorGate",
    "Vault",
    "ArbiterSeat",
    "CourtSeat",
    "CentralCourt",
    "PermitFunder",
    "TestDollar",
    "TestPermit2",
)
_STRING, _PANIC = keccak(text="Error(string)")[:4], keccak(text="Panic(uint256)")[:4]
_PANICS = {
    0x01: "a condition that must hold does not",
    0x11: "a number became too large or less than zero",
    0x12: "a division by zero",
    0x21: "a value is none of its kind",
    0x32: "a list has no such place",
    0x41: "too much memory was asked for",
    0x51: "a call of nothing",
}
_SENTENCES = {
    "AboveCap": "it is above what the operator's key may decide alone; a second key has to approve",
    "AlreadyFunded": "the escrow holds its full amount",
    "AlreadySettled": "the escrow is settled already and nothing is left in it",
    "BadApproval": "the second key has not approved exactly this, or too long ago",
    "BadSignature": "a signature is not by the one who has to sign",
    "BalanceMoved": "the vault's balance did not fall by exactly what was paid",
    "BalanceUnknown": "the token did not tell the vault's balance",
    "ERC20InsufficientAllowance": "less is allowed than should be moved",
    "ERC20InsufficientBalance": "the sender holds less than should be moved",
    "LeftChanged": "another amount is left undecided than the call expects; the argument is what is left",
    "LegFailed": "the token refused the transfer",
    "NotAllowed": "the sender may not do this to the escrow",
    "NotEnoughGas": "the transaction brings too little gas",
    "NotFunded": "the escrow does not hold its full amount",
    "NotHot": "the gate does not know this key, or it was revoked",
    "NothingToPay": "nothing of this kind is owed",
    "ReservedMoved": "money that belongs to the escrow would move",
    "TokenRefused": "the token refused the transfer",
    "TooEarly": "a time that has to pass first has not passed on the chain",
    "TooFewSignatures": "too few seats have signed",
    "TooLate": "the time for it has passed on the chain",
    "WrongAmount": "the parts do not sum to what is left",
    "WrongChain": "the terms are for another chain",
    "WrongRound": "the signatures are for another round of the dispute; the argument is the present one",
    "WrongStatus": "the escrow stands elsewhere: delivered, disputed or settled",
}


def explain(data: str) -> str:
    """The refusal behind hexadecimal error data, at most 200 printable characters; empty for no data.

    A custom error begins with its name and arguments, `LeftChanged(250000000)`; a text of the contract stands
    in quotes, so that none can pass for an error of ours; what nobody knows stays the raw data.
    """
    try:
        raw = bytes.fromhex(data.removeprefix("0x"))
    except ValueError:
        return _printable(data)
    if not raw:
        return ""
    return _printable(_text(raw) or _panic(raw) or _custom(raw) or f"unknown error 0x{raw.hex()}")


def is_named(reason: str, name: str) -> bool:
    """Whether a refusal, as `explain` wrote it and a call keeps it, is this custom error."""
    return reason.removeprefix(REFUSED).startswith(f"{name}(")


@cache
def _known() -> dict[bytes, dict[str, Any]]:
    found: dict[bytes, dict[str, Any]] = {}
    for contract in _CONTRACTS:
        for item in load(contract).abi:
            if item["type"] == "error":
                found.setdefault(keccak(text=abi.signature(item))[:4], item)
    return found


def _custom(raw: bytes) -> str:
    item = _known().get(raw[:4])
    if item is None:
        return ""
    try:
        values = decode([abi.signature_type(part) for part in item["inputs"]], raw[4:])
    except (DecodingError, OverflowError):
        return ""
    shown = ", ".join(f"0x{value.hex()}" if isinstance(value, bytes) else str(value) for value in values)
    sentence = _fault(values[0]) if item["name"] == "BadTerms" else _SENTENCES.get(item["name"], "")
    return f"{item['name']}({shown})" + (f": {sentence}" if sentence else "")


def _fault(number: int) -> str:
    return MESSAGES[Fault(number)] if number in set(Fault) else ""


def _text(raw: bytes) -> str:
    if raw[:4] != _STRING:
        return ""
    try:
        (words,) = decode(["string"], raw[4:], strict=False)
    except (DecodingError, OverflowError, UnicodeDecodeError):
        return ""
    return f"“{words[:150]}”"


def _panic(raw: bytes) -> str:
    if raw[:4] != _PANIC or len(raw) != 36:
        return ""
    code = int.from_bytes(raw[4:])
    return f"Panic({code:#x}): {_PANICS.get(code, 'the contract stopped itself')}"


def _printable(text: str) -> str:
    """Without what no database column holds and no page shows; a stranger wrote it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:LONGEST]
