"""Signers from encrypted keystores in the database. The decrypted key lives in the process, never outside."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django.conf import settings
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import Hash32

from chain.signing import SignedTx, Signer
from wallets.models import Key


class KeystoreSigner:
    """Signs with a key that this process decrypted; see `chain.signing.Signer`."""

    def __init__(self, account: LocalAccount) -> None:
        self._account = account

    @property
    def address(self) -> str:
        """Checksummed address of the key."""
        return str(self._account.address)

    def sign_transaction(self, tx: Mapping[str, Any]) -> SignedTx:
        """Sign a transaction given with eth-account's field names."""
        signed = self._account.sign_transaction(dict(tx))
        return SignedTx(bytes(signed.raw_transaction), "0x" + bytes(signed.hash).hex())

    def sign_digest(self, digest: bytes) -> bytes:
        """65 bytes r, s, v over a 32-byte digest; s is low."""
        return bytes(self._account.unsafe_sign_hash(Hash32(digest)).signature)


@lru_cache(maxsize=64)
def _account(address: str, password: str) -> LocalAccount:
    # Scrypt takes about a second: once per key and process.
    key = Key.objects.get(address=address)
    account: LocalAccount = Account.from_key(Account.decrypt(key.keystore, password))
    return account


def resolve(key_ref: str) -> Signer:
    """The signer of a `Key.ref`; raises LookupError for a reference of another kind or an unknown key."""
    kind, _, address = key_ref.partition(":")
    if kind != "keystore" or not Key.objects.filter(address=address).exists():
        raise LookupError(f"no key behind {key_ref}")
    return KeystoreSigner(_account(address, settings.KEYSTORE_PASSWORD))
