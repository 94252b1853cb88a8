"""What a split means in money: both parts, and the fee inside the seller's."""

from dataclasses import dataclass

from core.money import Amount, share
from payments.models import Escrow
from payments.states import CLOSED


@dataclass(frozen=True, slots=True)
class Split:
    """Amounts in the escrow's token. `paid_to_seller` is the seller's part without the fee."""

    seller: Amount
    buyer: Amount
    fee: Amount
    paid_to_seller: Amount


def of(escrow: Escrow, to_seller: int, to_buyer: int) -> Split:
    """Base units of both parts as amounts, the fee computed as the contract does it."""
    before = escrow.decided_seller - (to_seller if escrow.state in CLOSED else 0)
    fee = share(before + to_seller, escrow.fee_bps) - share(before, escrow.fee_bps)
    in_token = escrow.in_token
    return Split(in_token(to_seller), in_token(to_buyer), in_token(fee), in_token(to_seller - fee))
