"""Funding by signature: what a payer signs, and what anyone submits. Nobody can redirect the money.

Two ways beside the plain transfer. Permit2 through `FUNDER_ADDRESS`, for tokens that the payer once approved
to Permit2; and ERC-3009, for tokens that move by signature themselves. Both bind the escrow id, and pay it
once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_account.messages import encode_typed_data
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from contracts import abi
from contracts.artifacts import FUNDER_ADDRESS
from contracts.terms import Terms

FUNDER = "PermitFunder"
PERMIT2_ADDRESS = to_checksum_address("0x000000000022D473030F116dDEE9F6B43aC78BA3")
"""Where Permit2 is on every network that has it; payers approve their token to it (`calls.erc20_approve`)."""

_AUTHORIZED = "TestDollar"
_PERMIT_FIELDS = {
    "permitted": "TokenPermissions",
    "spender": "address",
    "nonce": "uint256",
    "deadline": "uint256",
    "escrowId": "bytes32",
}
_AUTHORIZATION_FIELDS = {
    "from": "address",
    "to": "address",
    "value": "uint256",
    "validAfter": "uint256",
    "validBefore": "uint256",
    "nonce": "bytes32",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Funded:
    """A payer's signature paid `amount` base units, all that the terms ask for, into the vault."""

    escrow_id: str
    payer: str
    amount: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenDomain:
    """How a token that moves by signature names itself to wallets. It says so on chain (ERC-5267) or in its
    source; a wrong name makes signatures that the token refuses."""

    name: str
    version: str


# ---- Permit2 ----------------------------------------------------------------------------------------------


def permit_typed_data(terms: Terms, *, deadline: int) -> dict[str, Any]:
    """What the payer signs for Permit2 (`eth_signTypedData_v4`): the token, exactly the amount of the terms,
    this escrow, until `deadline` (unix seconds; pay-by is what a page should offer)."""
    permissions = {"token": "address", "amount": "uint256"}
    return {
        "types": {
            "EIP712Domain": _members(
                {"name": "string", "chainId": "uint256", "verifyingContract": "address"}
            ),
            "PermitWitnessTransferFrom": _members(_PERMIT_FIELDS),
            "TokenPermissions": _members(permissions),
        },
        "primaryType": "PermitWitnessTransferFrom",
        "domain": {
            "name": "Permit2",
            "chainId": terms.home_chain_id,
            "verifyingContract": PERMIT2_ADDRESS,
        },
        "message": {
            "permitted": {"token": terms.token, "amount": str(terms.amount)},
            "spender": FUNDER_ADDRESS,
            "nonce": str(int.from_bytes(terms.struct_hash(), "big")),
            "deadline": str(deadline),
            "escrowId": terms.escrow_id,
        },
    }


def permit_digest(terms: Terms, *, deadline: int) -> bytes:
    """The hash of `permit_typed_data`, for whatever holds the key."""
    return _digest(permit_typed_data(terms, deadline=deadline))


def fund(terms: Terms, *, payer: str, deadline: int, signature: bytes) -> bytes:
    """Pays with the payer's signature; sent to `FUNDER_ADDRESS` by anyone."""
    return abi.encode_call(FUNDER, "fund", [terms.as_abi(), payer, deadline, signature])


def decode_funded(address: str, topics: Sequence[bytes | str], data: bytes | str) -> Funded | None:
    """The funder's event, None for any other log."""
    words = [_bytes(topic) for topic in topics]
    if to_checksum_address(address) != FUNDER_ADDRESS:
        return None
    found = abi.decode_log(FUNDER, words, _bytes(data))
    if found is None:
        return None
    fields = found[1]
    return Funded(
        escrow_id="0x" + fields["id"].hex(),
        payer=to_checksum_address(fields["payer"]),
        amount=fields["amount"],
    )


def explain_error(data: bytes) -> str | None:
    """The name of a refusal of the funder or of Permit2, None for another's (a token's)."""
    selector = bytes(data[:4])
    return abi.error_selectors(FUNDER).get(selector) or abi.error_selectors("TestPermit2").get(selector)


# ---- ERC-3009 ---------------------------------------------------------------------------------------------


def authorization_typed_data(
    terms: Terms, *, payer: str, domain: TokenDomain, valid_before: int, valid_after: int = 0
) -> dict[str, Any]:
    """What the payer signs for the token itself: exactly the amount of the terms, to this escrow's vault,
    with the escrow id as nonce; valid strictly between the two instants."""
    return {
        "types": {
            "EIP712Domain": _members(
                {"name": "string", "version": "string", "chainId": "uint256", "verifyingContract": "address"}
            ),
            "TransferWithAuthorization": _members(_AUTHORIZATION_FIELDS),
        },
        "primaryType": "TransferWithAuthorization",
        "domain": {
            "name": domain.name,
            "version": domain.version,
            "chainId": terms.home_chain_id,
            "verifyingContract": terms.token,
        },
        "message": {
            "from": to_checksum_address(payer),
            "to": terms.vault_address(),
            "value": str(terms.amount),
            "validAfter": str(valid_after),
            "validBefore": str(valid_before),
            "nonce": terms.escrow_id,
        },
    }


def authorization_digest(
    terms: Terms, *, payer: str, domain: TokenDomain, valid_before: int, valid_after: int = 0
) -> bytes:
    """The hash of `authorization_typed_data`, for whatever holds the key."""
    return _digest(
        authorization_typed_data(
            terms, payer=payer, domain=domain, valid_before=valid_before, valid_after=valid_after
        )
    )


def transfer_with_authorization(
    terms: Terms, *, payer: str, valid_before: int, signature: bytes, valid_after: int = 0
) -> bytes:
    """Pays with the payer's signature; sent to the token by anyone. Raises ValueError unless the signature
    has 65 bytes."""
    if len(signature) != 65:
        raise ValueError(f"a signature has 65 bytes, not {len(signature)}")
    arguments = [payer, terms.vault_address(), terms.amount, valid_after, valid_before, terms.struct_hash()]
    parts = [signature[64], signature[:32], signature[32:64]]
    return abi.encode_call(_AUTHORIZED, "transferWithAuthorization", [*arguments, *parts])


def authorization_used(terms: Terms, *, payer: str) -> bytes:
    """Whether the payer's authorization for this escrow was used or taken back; asked of the token,
    `views.decode_bool` reads the answer."""
    return abi.encode_call(_AUTHORIZED, "authorizationState", [payer, terms.struct_hash()])


def _digest(typed: Mapping[str, Any]) -> bytes:
    signable = encode_typed_data(full_message=dict(typed))
    return keccak(b"\x19" + signable.version + signable.header + signable.body)


def _members(fields: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in fields.items()]


def _bytes(raw: bytes | str) -> bytes:
    return bytes.fromhex(raw.removeprefix("0x")) if isinstance(raw, str) else bytes(raw)
