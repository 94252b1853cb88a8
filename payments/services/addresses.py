"""Where a side's money may go: refused before the terms are fixed, for nothing changes it afterwards.

Whatever the platform watches, derived, deployed or signs with is nobody's payout or refund address, on any
network: money that went to a deposit address would end with the two sides of somebody else's escrow.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from django.db import connection, models

from chain.models import DeployedContract, Network, Sender, Token, WatchedAddress
from contracts import artifacts
from contracts.funding import PERMIT2_ADDRESS
from core import addresses as written
from core.errors import Conflict, FieldError, Invalid
from payments.locks import keep_addresses, take_address
from payments.models import Deal, Escrow, EscrowPolicy, Party
from wallets.models import Gate, GateGrant, Key, Seat

POINTER = "/address"

_DEPOSIT = (
    "This is the deposit address of an escrow, not a wallet of yours: what is sent there goes to the two "
    "sides of that escrow. Give an address whose keys you hold."
)
_COIN = (
    "This is the contract of a token, not a wallet: what is sent there is lost. "
    "Give an address whose keys you hold."
)
_CONTRACT = "This is a public contract, not a wallet of yours. Give an address whose keys you hold."
_KEY = "This is an address of the platform, not yours. Give an address whose keys you hold."
_NOBODY = "Nobody holds the key of this address: what is sent there is lost."


@dataclass(frozen=True, slots=True)
class Kind:
    """A stored address that is never a party's; `message` is told to whoever gives it as their own."""

    model: type[models.Model]
    field: str
    message: str
    by_network: bool = False


OURS = (
    Kind(Escrow, "vault_address", _DEPOSIT),
    Kind(WatchedAddress, "address", _DEPOSIT, by_network=True),
    Kind(Token, "address", _COIN, by_network=True),
    Kind(Network, "escrow_contract", _CONTRACT),
    Kind(DeployedContract, "address", _CONTRACT, by_network=True),
    Kind(Gate, "address", _CONTRACT),
    Kind(Seat, "address", _CONTRACT),
    Kind(Gate, "cold", _KEY),
    Kind(Gate, "second", _KEY),
    Kind(GateGrant, "key", _KEY),
    Kind(Seat, "first_key", _KEY),
    Kind(Seat, "cold", _KEY),
    Kind(Key, "address", _KEY),
    Kind(Sender, "address", _KEY, by_network=True),
    Kind(EscrowPolicy, "operator", _KEY),
    Kind(EscrowPolicy, "fee_recipient", _KEY),
    Kind(EscrowPolicy, "seats", _KEY),
)

KNOWN = {
    artifacts.ESCROW_ADDRESS: _CONTRACT,
    artifacts.VAULT_CODE_ADDRESS: _CONTRACT,
    artifacts.LENS_ADDRESS: _CONTRACT,
    artifacts.FUNDER_ADDRESS: _CONTRACT,
    artifacts.KEYLESS_DEPLOYER: _CONTRACT,
    artifacts.KEYLESS_SENDER: _NOBODY,
    artifacts.TEST_USDT_ADDRESS: _COIN,
    PERMIT2_ADDRESS: _CONTRACT,
    # Multicall3; USDT on Ethereum, Arbitrum, Polygon and BNB Smart Chain, listed here or not.
    "0xcA11bde05977b3631167028862bE2a173976CA11": _CONTRACT,
    "0xdAC17F958D2ee523a2206206994597C13D831ec7": _COIN,
    "0xFd086bC7CD5C481DCC9C85ebE478A1C0b69FCbb9": _COIN,
    "0xc2132D05D31c914a87C6611C10748AEb04B58e8F": _COIN,
    "0x55d398326f99059fF775485246999027B3197955": _COIN,
    # Written where "none" or "the coin itself" is meant.
    "0x000000000000000000000000000000000000dEaD": _NOBODY,
    "0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE": _NOBODY,
    "0xfffffffffffffffffffffffffffffffffffffffe": _NOBODY,
}
_KNOWN = {address.lower(): message for address, message in KNOWN.items()}


def read(network: Network, text: str, *, pointer: str = POINTER, bare: bool = False) -> str:
    """The address that a side gave for its own, with its checksum.

    `bare` takes only what programs should send, 0x and 40 digits. Raises `Invalid` for what is no address of
    this network, and where money sent there would be lost or reach somebody else. One query.
    """
    parse = written.parse_bare if bare else written.parse
    address = parse(text, chain_id=network.chain_id, pointer=pointer)
    check_not_ours(address, pointer=pointer)
    return address


def check_not_ours(address: str, *, pointer: str = POINTER) -> None:
    """Raise `Invalid` if this is no person's address: burnt, a contract's, or the platform's. One query."""
    if int(address, 16) < 2**32:
        raise _refused("address_burns", _NOBODY, pointer)
    if message := _KNOWN.get(address.lower()):
        raise _refused("address_burns" if message is _NOBODY else "address_not_yours", message, pointer)
    with connection.cursor() as cursor:
        cursor.execute(_lookup(), {"it": address, "lower": address.lower()})
        found = cursor.fetchone()
    if found:
        raise _refused("address_not_yours", OURS[found[0]].message, pointer)


def check_other_side(deal: Deal, role: str, address: str) -> None:
    """Raise `Invalid` if the other side has given this address: the contract refuses equal ones."""
    if address and deal.parties.exclude(role=role).filter(address=address).exists():
        raise equal()


def equal(pointer: str = POINTER) -> Invalid:
    """The refusal of one address for both sides."""
    return _refused("addresses_equal", "Buyer and seller need different addresses.", pointer)


def bind(deal: Deal) -> None:
    """Both sides' addresses become part of terms on the chain: checked as they stand now.

    Until the transaction ends nobody makes one of them a deposit address: what was derived since they were
    given, and what is being derived meanwhile, is found here or finds them there. Raises `Invalid`.
    """
    both = list(deal.parties.order_by("role"))
    if not all(party.address for party in both):
        raise _refused("address_missing", "Both sides give the address where their money goes.", POINTER)
    if both[0].address == both[1].address:
        raise equal()
    keep_addresses(party.address for party in both)
    for party in both:
        try:
            check_not_ours(party.address)
        except Invalid as refused:
            message = f"The {party.role}’s address is refused. {refused.message}"
            raise Invalid(refused.code, f"{message} With other terms that side can give another.") from None


def check_derived(address: str) -> None:
    """A deposit address is about to be stored: it is no side's own address in any deal.

    Raises `Conflict`; with the salt drawn again it is another one.
    """
    take_address(address)
    if Party.objects.filter(address=address).exists():
        raise Conflict(
            "deposit_address_taken", "No deposit address could be made. Nothing happened: try again."
        )


@cache
def _lookup() -> str:
    """One statement that asks every table of `OURS`, by index, and stops at the first hit."""
    return " UNION ALL ".join(_lookup_of(place, kind) for place, kind in enumerate(OURS)) + " LIMIT 1"


def _lookup_of(place: int, kind: Kind) -> str:
    quote = connection.ops.quote_name
    field = cast("models.Field[Any, Any]", kind.model._meta.get_field(kind.field))
    column = quote(str(field.column))
    if isinstance(field, models.JSONField):
        holds = f"%(lower)s IN (SELECT lower(one) FROM jsonb_array_elements_text({column}) one)"  # noqa: S608
    else:
        holds = f"{column} = %(it)s"
    if kind.by_network:  # its index begins with the network, of which there are few
        holds += f" AND network_id IN (SELECT id FROM {quote(Network._meta.db_table)})"  # noqa: S608
    return f"SELECT {place} FROM {quote(kind.model._meta.db_table)} WHERE {holds}"  # noqa: S608


def _refused(code: str, message: str, pointer: str) -> Invalid:
    return Invalid(code, message, [FieldError(pointer, code, message)])
