"""Seats: who may sign rulings with which key."""

from chain import signing
from core import clock
from core.errors import Invalid
from wallets.models import Key, Seat
from wallets.services.keys import create_key
from wallets.signers import resolve


def create_seat(label: str, key: Key | None = None) -> Seat:
    """A new seat with its own key. Raises `Invalid` for a key that was made for something else."""
    key = key or create_key(Key.Purpose.SEAT)
    if key.purpose != Key.Purpose.SEAT:
        raise Invalid("not_a_seat_key", "A seat needs a key of its own.")
    return Seat.objects.create(address=key.address, key=key, label=label, created=clock.now())


def active_seats() -> list[Seat]:
    """Seats that new terms may name, oldest first."""
    return list(Seat.objects.filter(state="active").select_related("key"))


def sign_ruling(seat: Seat, digest: bytes) -> bytes:
    """65-byte low-s signature of the seat over a 32-byte ruling digest, verified before it is returned.

    A retired seat still signs: terms that name it live on.
    """
    if len(digest) != 32:
        raise Invalid("digest_malformed", "A ruling digest has 32 bytes.")
    signature = resolve(seat.key.ref).sign_digest(digest)
    return signing.check_digest_signature(seat.address, digest, signature)
