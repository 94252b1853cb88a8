"""Making and importing keys."""

from typing import Any

from django.conf import settings
from eth_account import Account
from eth_account.signers.local import LocalAccount

from core import clock
from core.errors import Conflict
from wallets.models import Key

# A light derivation is for local chains and tests only: it protects nothing worth stealing.
_LIGHT = {"kdf": "pbkdf2", "iterations": 1}
_STRONG = {"kdf": "scrypt", "iterations": None}


def create_key(purpose: str) -> Key:
    """Make a new random key for `purpose` ("sender" or "seat"), stored encrypted."""
    return _store(Account.create(), purpose)


def import_key(private_key: bytes, purpose: str) -> Key:
    """Store an existing key encrypted; the same key again is returned, for another purpose refused."""
    account: LocalAccount = Account.from_key(private_key)
    known = Key.objects.filter(address=account.address).first()
    if known is None:
        return _store(account, purpose)
    if known.purpose != purpose:
        raise Conflict("key_has_other_purpose", "A key serves one purpose; make another key.")
    return known


def _store(account: LocalAccount, purpose: str) -> Key:
    how: dict[str, Any] = _LIGHT if settings.KEYSTORE_LIGHT else _STRONG
    keystore = Account.encrypt(account.key, settings.KEYSTORE_PASSWORD, **how)
    return Key.objects.create(
        address=account.address, purpose=Key.Purpose(purpose), keystore=keystore, created=clock.now()
    )
