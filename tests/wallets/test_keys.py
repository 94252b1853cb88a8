"""Keys are stored encrypted, serve one purpose, and sign only what can be proven."""

import json

import pytest
from django.test import override_settings
from eth_account import Account
from eth_utils.crypto import keccak

from chain.signing import HALF_ORDER, BadSignature, check_digest_signature
from core.errors import Conflict, Invalid
from wallets.models import Key
from wallets.services import create_key, create_seat, import_key, sign_ruling
from wallets.signers import resolve

pytestmark = pytest.mark.django_db


def test_a_private_key_is_never_stored_readable() -> None:
    secret = Account.create().key
    key = import_key(secret, "sender")
    stored = json.dumps(Key.objects.values_list("keystore", flat=True)[0])
    assert secret.hex().removeprefix("0x") not in stored
    assert Account.from_key(secret).address == key.address


def test_production_derives_with_scrypt() -> None:
    with override_settings(KEYSTORE_LIGHT=False):
        assert create_key("sender").keystore["crypto"]["kdf"] == "scrypt"


def test_one_key_serves_one_purpose() -> None:
    secret = Account.create().key
    assert import_key(secret, "sender").pk == import_key(secret, "sender").pk
    with pytest.raises(Conflict):
        import_key(secret, "seat")
    with pytest.raises(Invalid):
        create_seat("lead", create_key("sender"))


def test_an_unknown_reference_has_no_signer() -> None:
    for ref in ("keystore:0x0000000000000000000000000000000000000001", "kms:1", ""):
        with pytest.raises(LookupError):
            resolve(ref)


def test_a_seat_signs_a_ruling_with_low_s_even_after_it_retired() -> None:
    seat = create_seat("first")
    seat.retire()
    seat.save(update_fields=["state"])
    for number in range(20):
        digest = keccak(text=str(number))
        signature = sign_ruling(seat, digest)
        assert Account._recover_hash(digest, signature=signature) == seat.address
        assert int.from_bytes(signature[32:64], "big") <= HALF_ORDER
    with pytest.raises(Invalid):
        sign_ruling(seat, b"short")


def test_a_signature_of_another_seat_is_refused() -> None:
    first, second, digest = create_seat("first"), create_seat("second"), keccak(text="ruling")
    with pytest.raises(BadSignature):
        check_digest_signature(first.address, digest, sign_ruling(second, digest))
