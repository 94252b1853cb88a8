"""Seats: who may sign rulings with which key."""

from collections.abc import Iterable

from django.db import transaction
from eth_utils.address import to_checksum_address

from chain import signing
from chain.models import DeployedContract, Network
from chain.services import contracts
from contracts import seat as seat_contract
from contracts import views
from contracts.artifacts import Deployment
from core import audit, clock
from core.actors import Actor
from core.errors import Conflict, Invalid
from wallets.models import Key, Seat
from wallets.services.keys import create_key
from wallets.signers import resolve


def create_seat(label: str, key: Key | None = None, *, cold: str = "") -> Seat:
    """A new seat with its own key: a contract that `cold` looks after, or the bare key without one.

    The contract still has to stand on each network (`stand`). Raises `Invalid` for a key that was made for
    something else, or a cold key that the platform holds.
    """
    key = key or create_key(Key.Purpose.SEAT)
    if key.purpose != Key.Purpose.SEAT:
        raise Invalid("not_a_seat_key", "A seat needs a key of its own.")
    if cold and Key.objects.filter(address=cold).exists():
        raise Invalid("cold_key_warm", "A cold key is none that the platform holds or uses elsewhere.")
    address = seat_contract.deploy(cold=cold, key=key.address).address if cold else key.address
    first = key.address if cold else ""
    return Seat.objects.create(
        address=address, key=key, cold=cold, first_key=first, label=label, created=clock.now()
    )


def ensure_seats(network: Network, *, cold: str, count: int = 4) -> list[Seat]:
    """`count` seats that are contracts, made where they are missing, standing on `network`. Idempotent.

    Talks to the node. A seat made for one network has the same address on every other.
    """
    seats = contract_seats()
    for number in range(len(seats) + 1, count + 1):
        seats.append(create_seat(f"Seat {number}", cold=cold))
    stand(network, seats)
    return seats


def stand(network: Network, seats: Iterable[Seat]) -> list[str]:
    """Make sure that the contracts of these seats stand on `network`; see `chain.services.contracts`."""
    known = set(network.contracts.values_list("address", flat=True))
    return contracts.stand(network, [_deployment(seat) for seat in seats if seat.address not in known])


def active_seats() -> list[Seat]:
    """Seats that new terms may name, oldest first."""
    return list(Seat.objects.filter(state="active").select_related("key"))


def contract_seats() -> list[Seat]:
    """Those of `active_seats` whose key can be replaced."""
    return [seat for seat in active_seats() if seat.cold]


def sign_ruling(seat: Seat, digest: bytes) -> bytes:
    """65-byte low-s signature by the seat's key over a 32-byte ruling digest, verified before it is returned.

    A retired seat still signs: terms that name it live on.
    """
    if len(digest) != 32:
        raise Invalid("digest_malformed", "A ruling digest has 32 bytes.")
    signature = resolve(seat.key.ref).sign_digest(digest)
    return signing.check_digest_signature(seat.key.address, digest, signature)


def able(network: Network, addresses: Iterable[str]) -> list[Seat]:
    """The seats among `addresses` whose key of today is kept here, in order of age. Talks to the node.

    A seat whose key was replaced on this network and not here yet is left out: it would sign in vain.
    """
    seats = list(Seat.objects.filter(address__in=list(addresses)).select_related("key"))
    asked = [seat for seat in seats if seat.cold]
    if not asked:
        return seats
    keys = dict(zip((seat.pk for seat in asked), _keys_on_chain(network, asked), strict=True))
    return [seat for seat in seats if keys.get(seat.pk, seat.key.address) == seat.key.address]


def _keys_on_chain(network: Network, seats: Iterable[Seat]) -> list[str]:
    answers = contracts.read(network, [(seat.address, seat_contract.key()) for seat in seats])
    return [to_checksum_address(views.decode_address(answer)) for answer in answers]


@transaction.atomic
def announce_key(seat_id: int, *, acting: Actor) -> bytes:
    """Make the key that shall take a seat; returns what the cold key sends to the seat's address, on every
    network. Asked again it returns the same. Raises `Conflict` for a seat that is a bare key.
    """
    seat = Seat.objects.select_for_update(of=("self",)).select_related("next_key").get(pk=seat_id)
    if not seat.cold:
        raise Conflict("seat_is_a_key", "This seat is a key itself; it cannot be given another one.")
    if seat.next_key is None:
        seat.next_key = create_key(Key.Purpose.SEAT)
        seat.save(update_fields=["next_key"])
        _note(seat, "seat.key_announced", seat.next_key.address, acting)
    return seat_contract.propose(seat.next_key.address)


def adopt_key(seat_id: int, *, acting: Actor) -> Seat:
    """The announced key took its seat on every network: from now on it signs. Talks to the node.

    Raises `Conflict` while a network still has another key, or when none was announced.
    """
    seat = Seat.objects.select_related("next_key").get(pk=seat_id)
    rows = DeployedContract.objects.filter(address=seat.address).select_related("network")
    for row in rows:
        if seat.next_key is None or _keys_on_chain(row.network, [seat]) != [seat.next_key.address]:
            message = f"On {row.network.name} the seat has another key than the announced one."
            raise Conflict("seat_not_taken", message)
    return _adopt(seat_id, acting)


@transaction.atomic
def _adopt(seat_id: int, acting: Actor) -> Seat:
    seat = Seat.objects.select_for_update(of=("self",)).select_related("next_key").get(pk=seat_id)
    if seat.next_key is None:
        raise Conflict("no_key_announced", "No key was announced for this seat.")
    seat.key, seat.next_key = seat.next_key, None
    seat.save(update_fields=["key", "next_key"])
    _note(seat, "seat.key_replaced", seat.key.address, acting)
    return seat


def _note(seat: Seat, action: str, key: str, acting: Actor) -> None:
    data = {"label": seat.label, "key": key}
    audit.write(action, subject_id=seat.address, actor_id=acting.id, actor_label=acting.label, data=data)


def _deployment(seat: Seat) -> Deployment:
    return seat_contract.deploy(cold=seat.cold, key=seat.first_key)
