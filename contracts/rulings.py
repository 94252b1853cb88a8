"""What seats and parties sign: EIP-712 digests, for whatever holds the key. No key is touched here."""

from collections.abc import Mapping, Sequence
from typing import Any

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from contracts.artifacts import ESCROW_ADDRESS
from contracts.calls import Act
from contracts.terms import Terms, sorted_seats

DOMAIN_NAME = "Holdfast Escrow"
DOMAIN_VERSION = "1"

_DOMAIN_TYPEHASH = keccak(
    text="EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
_RULING_FIELDS = (
    ("id", "bytes32"),
    ("toSeller", "uint256"),
    ("toBuyer", "uint256"),
    ("rulingHash", "bytes32"),
    ("round", "uint256"),
    ("notBefore", "uint256"),
    ("deadline", "uint256"),
)
_SETTLEMENT_FIELDS = (
    ("id", "bytes32"),
    ("toSeller", "uint256"),
    ("toBuyer", "uint256"),
    ("left", "uint256"),
    ("seq", "uint256"),
    ("deadline", "uint256"),
)

_ACT_FIELDS = (
    ("id", "bytes32"),
    ("action", "string"),
    ("first", "uint256"),
    ("second", "uint256"),
    ("left", "uint256"),
    ("seq", "uint256"),
    ("deadline", "uint256"),
)


def act_digest(
    terms: Terms, act: Act, *, left: int, seq: int, deadline: int, chain_id: int | None = None
) -> bytes:
    """What a party signs to act without a transaction of its own (`calls.relayed`). It dies with the next
    change of the escrow. A rescue has left 0, seq 0 and the chain id where the money is."""
    values = (terms.struct_hash(), act.action_hash, act.first, act.second, left, seq, deadline)
    return _digest(terms, "Act", _ACT_FIELDS, values, chain_id)


def act_typed_data(
    terms: Terms, act: Act, *, left: int, seq: int, deadline: int, chain_id: int | None = None
) -> dict[str, Any]:
    """The same message as a wallet shows it (`eth_signTypedData_v4`)."""
    values = (terms.escrow_id, act.action, act.first, act.second, left, seq, deadline)
    return _typed_data(terms, "Act", _ACT_FIELDS, values, chain_id)


def ruling_digest(
    terms: Terms,
    *,
    to_seller: int,
    to_buyer: int,
    ruling_hash: bytes,
    round: int,
    not_before: int,
    deadline: int,
) -> bytes:
    """What a seat signs. Amounts in base units; together they are the disputed remainder. It dies with
    its round and after its deadline, and can not be executed before `not_before`."""
    values = (terms.struct_hash(), to_seller, to_buyer, ruling_hash, round, not_before, deadline)
    return _digest(terms, "Ruling", _RULING_FIELDS, values)


def settlement_digest(
    terms: Terms, *, to_seller: int, to_buyer: int, left: int, seq: int, deadline: int
) -> bytes:
    """What both parties sign to divide the remainder `left`; any other change of `seq` voids it."""
    values = (terms.struct_hash(), to_seller, to_buyer, left, seq, deadline)
    return _digest(terms, "Settlement", _SETTLEMENT_FIELDS, values)


def settlement_typed_data(
    terms: Terms, *, to_seller: int, to_buyer: int, left: int, seq: int, deadline: int
) -> dict[str, Any]:
    """The same message as a wallet shows it (`eth_signTypedData_v4`)."""
    values = (terms.escrow_id, to_seller, to_buyer, left, seq, deadline)
    return _typed_data(terms, "Settlement", _SETTLEMENT_FIELDS, values)


def ruling_typed_data(
    terms: Terms,
    *,
    to_seller: int,
    to_buyer: int,
    ruling_hash: bytes,
    round: int,
    not_before: int,
    deadline: int,
) -> dict[str, Any]:
    """A ruling as a wallet shows it, for arbitrators who sign with their own."""
    values = (terms.escrow_id, to_seller, to_buyer, "0x" + ruling_hash.hex(), round, not_before, deadline)
    return _typed_data(terms, "Ruling", _RULING_FIELDS, values)


def sort_signatures(
    signers: Sequence[str], threshold: int, signatures: Mapping[str, bytes]
) -> tuple[list[str], list[bytes]]:
    """Signers in the contract's order and each one's signature beside it, empty where there is none.

    Raises SeatsError for a list that can not rule, ValueError for a signature of nobody on it.
    """
    seats = sorted_seats(signers, threshold)
    given: dict[str, bytes] = {
        to_checksum_address(signer): signature for signer, signature in signatures.items()
    }
    if strangers := given.keys() - set(seats):
        raise ValueError(f"not a seat: {', '.join(sorted(strangers))}")
    return list(seats), [given.get(seat, b"") for seat in seats]


def domain_separator(chain_id: int) -> bytes:
    """The EIP-712 domain of the escrow contract on one network."""
    return keccak(
        encode(
            ["bytes32", "bytes32", "bytes32", "uint256", "address"],
            [
                _DOMAIN_TYPEHASH,
                keccak(text=DOMAIN_NAME),
                keccak(text=DOMAIN_VERSION),
                chain_id,
                ESCROW_ADDRESS,
            ],
        )
    )


def _digest(
    terms: Terms,
    name: str,
    fields: Sequence[tuple[str, str]],
    values: Sequence[Any],
    chain_id: int | None = None,
) -> bytes:
    type_text = f"{name}({','.join(f'{kind} {field}' for field, kind in fields)})"
    kinds = ["bytes32" if kind == "string" else kind for _, kind in fields]  # a string goes in as its hash
    separator = domain_separator(terms.home_chain_id if chain_id is None else chain_id)
    return keccak(b"\x19\x01" + separator + keccak(keccak(text=type_text) + encode(kinds, values)))


def _typed_data(
    terms: Terms,
    name: str,
    fields: Sequence[tuple[str, str]],
    values: Sequence[Any],
    chain_id: int | None = None,
) -> dict[str, Any]:
    domain = (
        ("name", "string"),
        ("version", "string"),
        ("chainId", "uint256"),
        ("verifyingContract", "address"),
    )
    return {
        "types": {"EIP712Domain": _members(domain), name: _members(fields)},
        "primaryType": name,
        "domain": {
            "name": DOMAIN_NAME,
            "version": DOMAIN_VERSION,
            "chainId": terms.home_chain_id if chain_id is None else chain_id,
            "verifyingContract": ESCROW_ADDRESS,
        },
        "message": {
            field: str(value) if isinstance(value, int) else value
            for (field, _), value in zip(fields, values, strict=True)
        },
    }


def _members(fields: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": field, "type": kind} for field, kind in fields]
