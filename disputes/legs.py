"""What a split means in money: both parts, and the fee inside the seller's."""

from dataclasses import dataclass

from core.money import Amount
from payments.models import Escrow
from payments.states import CLOSED


@dataclass(frozen=True, slots=True)
class Split:
    """Amounts in the escrow's token. `paid_to_seller` is the seller's part without the fee."""

    seller: Amount
    buyer: Amount
    fee: Amount
    paid_to_seller: Amount


def of(escrow: Escrow, to_seller: Amount, to_buyer: Amount) -> Split:
    """Both parts, the fee computed as the contract does it."""
    after = escrow.decided_seller_money if escrow.state in CLOSED else escrow.decided_seller_money + to_seller
    before = after - to_seller
    fee = after.share(escrow.fee_bps) - before.share(escrow.fee_bps)
    return Split(to_seller, to_buyer, fee, to_seller - fee)
