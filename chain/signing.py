"""What a key can do for the engine. `wallets` registers how a key is found; bytes are checked here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.address import is_same_address, to_checksum_address
from eth_utils.crypto import keccak
from hexbytes import HexBytes
from rlp.codec import decode as rlp_decode

HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


class BadSignature(RuntimeError):
    """A signer answered with bytes that do not say what was asked; they are never stored."""


class NoSigner(BadSignature):
    """There is no key, or it cannot be opened."""


# What a signer, perhaps a machine far away, may do to us without being a mistake of ours.
SIGNER_FAILURES = (BadSignature, OSError)


@dataclass(frozen=True, slots=True)
class SignedTx:
    """The exact bytes for `eth_sendRawTransaction` and their hash (0x, lower case)."""

    raw: bytes
    hash: str


class Signer(Protocol):
    """One private key, wherever it lives."""

    @property
    def address(self) -> str:
        """Checksummed address of the key."""

    def sign_transaction(self, tx: Mapping[str, Any]) -> SignedTx:
        """Sign a transaction given with eth-account's field names."""

    def sign_digest(self, digest: bytes) -> bytes:
        """65 bytes r, s, v (27 or 28) with low s over a 32-byte digest."""


Resolver = Callable[[str], Signer]
_resolvers: list[Resolver] = []


def register_resolver(resolver: Resolver) -> None:
    """`resolver(key_ref)` returns the signer of an opaque reference."""
    _resolvers[:] = [resolver]


def resolve(key_ref: str) -> Signer:
    """The signer behind `key_ref`; raises `NoSigner` when nobody knows it or it cannot be opened."""
    for resolver in _resolvers:
        try:
            return resolver(key_ref)
        except (LookupError, ValueError) as error:
            # A missing key, a wrong keystore password. The cause stays out: it has seen the keystore.
            raise NoSigner(f"no usable key behind {key_ref}: {type(error).__name__}") from None
    raise NoSigner("no signer resolver is registered")


def sign_checked(signer: Signer, address: str, tx: Mapping[str, Any]) -> SignedTx:
    """Sign and prove the answer before anyone stores it.

    Raises `BadSignature` if the recovered sender is not `address`, s is high, the hash is not the hash of
    the bytes, or any field differs from what was asked (a signer may be a remote machine).
    """
    signed = signer.sign_transaction(tx)
    raw = HexBytes(signed.raw)
    if signed.hash != "0x" + keccak(raw).hex():
        raise BadSignature("the hash is not the hash of the signed bytes")
    if not is_same_address(Account.recover_transaction(raw), address):
        raise BadSignature("signed by another key")
    if _s_value(raw) > HALF_ORDER:
        raise BadSignature("high s")
    if signed_fields(raw) != _wanted(tx):
        raise BadSignature("the signed fields are not the fields asked for")
    return SignedTx(bytes(raw), signed.hash)


def check_digest_signature(address: str, digest: bytes, signature: bytes) -> bytes:
    """Return `signature` if it is 65 bytes, low s, and by `address`; else raise `BadSignature`."""
    if len(signature) != 65 or signature[64] not in (27, 28):
        raise BadSignature("a signature has 65 bytes and ends with 27 or 28")
    if int.from_bytes(signature[32:64], "big") > HALF_ORDER:
        raise BadSignature("high s")
    recovered = Account._recover_hash(digest, signature=signature)
    if not is_same_address(recovered, address):
        raise BadSignature("signed by another key")
    return signature


_TYPED = ("chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas", "gas", "to", "value", "data")
_LEGACY = ("nonce", "gasPrice", "gas", "to", "value", "data")


def _wanted(tx: Mapping[str, Any]) -> dict[str, Any]:
    names = _TYPED if "maxFeePerGas" in tx else ("chainId", *_LEGACY)
    return {name: _plain(name, tx[name]) for name in names}


def signed_fields(raw: bytes) -> dict[str, Any]:
    """What signed bytes say, with eth-account's names: numbers as int, `to` checksummed, `data` as hex."""
    if raw[0] < 0x7F:
        decoded = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        if decoded.get("accessList"):
            raise BadSignature("an access list nobody asked for")
        return {name: _plain(name, decoded[name]) for name in _TYPED}
    parts = _legacy_parts(raw)
    fields = {name: _plain(name, part) for name, part in zip(_LEGACY, parts, strict=False)}
    fields["chainId"] = (int.from_bytes(parts[6], "big") - 35) // 2
    return fields


def _legacy_parts(raw: bytes) -> list[bytes]:
    return list(rlp_decode(raw))  # type: ignore[no-untyped-call]


def _s_value(raw: bytes) -> int:
    if raw[0] < 0x7F:
        return int(TypedTransaction.from_bytes(HexBytes(raw)).as_dict()["s"])
    return int.from_bytes(_legacy_parts(raw)[8], "big")


def _plain(name: str, value: Any) -> Any:
    if name == "to":
        return to_checksum_address(value)
    if name == "data":
        return HexBytes(value).hex()
    return int.from_bytes(value, "big") if isinstance(value, bytes | bytearray) else int(value)
