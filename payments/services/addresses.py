"""Where a side's money may go: refused before the terms are fixed, for nothing changes it afterwards."""

from eth_utils.address import is_address, is_checksum_address, to_checksum_address

from chain.models import Sender, Token
from core.errors import FieldError, Invalid
from payments.models import Deal, EscrowPolicy

_POINTER = "/address"


def normal(address: str) -> str:
    """The checksummed form. Raises `Invalid` for what is no address or has a wrong checksum."""
    text = address.strip()
    if not is_address(text):
        raise _refused("address_malformed", "That is not an EVM address: 0x and 40 hexadecimal digits.")
    mixed = text[2:] not in (text[2:].lower(), text[2:].upper())
    if mixed and not is_checksum_address(text):
        raise _refused("address_checksum", "One character of this address is wrong. Copy it again.")
    return to_checksum_address(text)


def check_party_address(deal: Deal, address: str) -> None:
    """Raise `Invalid` where money sent to `address` would be lost or the contract would refuse the terms."""
    if not address:
        raise _refused("address_missing", "Give the address where your money goes.")
    address = normal(address)
    if int(address, 16) < 2**32:
        raise _refused("address_burns", "Nobody holds the key of this address.")
    if address in _forbidden(deal):
        raise _refused("address_not_yours", "This is an address of a token or of the platform, not yours.")


def check_distinct(deal: Deal, buyer: str, seller: str) -> None:
    """Both sides need an address of their own."""
    for address in (buyer, seller):
        check_party_address(deal, address)
    if buyer == seller:
        raise _refused("addresses_equal", "Buyer and seller need different addresses.")


def _forbidden(deal: Deal) -> set[str]:
    found = set(Token.objects.filter(network=deal.network).values_list("address", flat=True))
    found.update(Sender.objects.filter(network=deal.network).values_list("address", flat=True))
    found.add(deal.network.escrow_contract)
    policy = EscrowPolicy.objects.filter(network=deal.network).first()
    if policy:
        found.update([policy.operator, policy.fee_recipient, *policy.seats])
    return found


def _refused(code: str, message: str) -> Invalid:
    return Invalid(code, message, [FieldError(_POINTER, code, message)])
