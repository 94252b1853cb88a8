"""A final ruling goes to the chain: the seats sign, payments sends."""

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction

from contracts import rulings as messages
from core.actors import SYSTEM
from core.errors import DomainError
from disputes.locks import lock_dispute
from disputes.models import Dispute, Ruling
from disputes.services.base import move, tell
from disputes.services.rulings import standing
from disputes.states import DisputeState
from payments.services.disputing import order_ruling, ruling_context
from wallets.services import seats


class SeatsMissing(DomainError):
    """Fewer seats of this escrow can sign here than its terms ask for."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A ruling as the chain takes it: `signatures` beside `signers`, empty where a seat did not sign.

    Base units of the escrow's token; it can be executed from `not_before` to `deadline`, in seconds.
    """

    to_seller: int
    to_buyer: int
    round: int
    not_before: int
    deadline: int
    signers: list[str]
    signatures: list[bytes]


def execute(dispute_id: str) -> bool:
    """Sign and order the final ruling of a dispute. False when it is not (or no longer) waiting for that.

    Signatures are made only now, outside the transaction (a key may live in a remote module), and are
    stored only with the order. Calling it twice orders once.
    """
    dispute = Dispute.objects.select_related("escrow__token__network", "escrow__network").get(pk=dispute_id)
    if dispute.state != DisputeState.FINAL:
        return False
    ruling = standing(dispute)
    return _order(dispute_id, ruling, sign(dispute, ruling))


def sign(dispute: Dispute, ruling: Ruling) -> Signed:
    """Let as many seats as the terms ask for sign a final ruling. Raises `SeatsMissing`."""
    if dispute.state != DisputeState.FINAL or ruling.appeal_until is None:
        raise SeatsMissing("ruling_not_final", "Seats sign only what is final.")
    context = ruling_context(dispute.escrow)
    # The round of this case, not the newest: a ruling is never executed in a dispute it was not made for.
    if dispute.round != context.round:
        raise SeatsMissing("ruling_round", f"{dispute.pk} has to follow the chain to round {context.round}.")
    to_seller = scaled(ruling, context.remainder)
    to_buyer = context.remainder - to_seller
    # No earlier than the end of the appeal window, no later than anyone may execute the fallback.
    not_before = int(ruling.appeal_until.timestamp())
    ends = context.fallback_after or ruling.appeal_until + timedelta(seconds=settings.CLOCKS["arbitration"])
    deadline = int(ends.timestamp())
    digest = messages.ruling_digest(
        context.terms,
        to_seller=to_seller,
        to_buyer=to_buyer,
        ruling_hash=bytes.fromhex(ruling.hash.removeprefix("0x")),
        round=dispute.round,
        not_before=not_before,
        deadline=deadline,
    )
    chosen = seats.able(dispute.escrow.network, context.seats)[: context.threshold]
    given = {seat.address: seats.sign_ruling(seat, digest) for seat in chosen}
    if len(given) < context.threshold:
        message = f"{len(given)} of {context.threshold} seats can sign for {dispute.pk}."
        raise SeatsMissing("seats_missing", message)
    signers, signatures = messages.sort_signatures(context.seats, context.threshold, given)
    return Signed(to_seller, to_buyer, dispute.round, not_before, deadline, signers, signatures)


def scaled(ruling: Ruling, remainder: int) -> int:
    """The seller's part of `remainder`, in the ruling's proportion, rounded down as the contract does.

    A party may concede a part on chain after the ruling: less is left then, in the same proportion.
    """
    if remainder == ruling.disputed:
        return ruling.to_seller
    return ruling.to_seller * remainder // ruling.disputed


@transaction.atomic
def _order(dispute_id: str, ruling: Ruling, signed: Signed) -> bool:
    dispute = lock_dispute(dispute_id)
    if dispute.state != DisputeState.FINAL or standing(dispute).pk != ruling.pk:
        return False
    order_ruling(
        escrow_id=dispute.escrow_id,
        to_seller=signed.to_seller,
        to_buyer=signed.to_buyer,
        ruling_hash=ruling.hash,
        round=signed.round,
        not_before=signed.not_before,
        deadline=signed.deadline,
        signers=signed.signers,
        signatures=signed.signatures,
        reason=f"ruling {ruling.pk}",
        acting=SYSTEM,
    )
    move(dispute, DisputeState.EXECUTING, actor=SYSTEM, why="the seats signed")
    tell(dispute, "dispute.executing", ruling=ruling.pk)
    return True
