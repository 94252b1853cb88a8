"""A held escrow whose inspection runs on the chain: the clock stops before anyone could claim the money."""

from django.db import transaction
from eth_utils.crypto import keccak

from chain.services.alarms import raise_alarm
from core import deadlines
from core.actors import SYSTEM
from core.errors import Conflict
from core.models import Deadline
from payments.locks import live_orders, lock_escrow
from payments.models import Escrow, OrderKind
from payments.services import delivery, disputing, orders
from payments.states import CLOSED, EscrowState

UNPROTECTED = "hold_unprotected"
# A dispute stops the chain's clock, or is about to; after a withdrawal the wait starts anew.
_FROZEN = (EscrowState.DISPUTING, EscrowState.DISPUTED, EscrowState.SETTLING, *CLOSED)


def stop_inspection(deadline: Deadline) -> bool:
    """Deadline handler: still held, still marked: reopen it; dispute it where the chain reopens no more."""
    with transaction.atomic():
        escrow = lock_escrow(deadline.subject_id)
        if not deadlines.claim(deadline):
            return False
        runs = escrow.held_reason and escrow.marked_until and escrow.state not in _FROZEN
        if runs and not live_orders(escrow, OrderKind.REOPEN, OrderKind.DISPUTE):
            _stop(escrow)
    return True


def _stop(escrow: Escrow) -> None:
    if escrow.reopens < delivery.MAX_REOPENS:
        orders.place(
            escrow,
            OrderKind.REOPEN,
            reason="held",
            acting=SYSTEM,
            must_be_final_by=escrow.marked_until,
        )
        return
    # For the buyer, to whom nothing goes by itself here; for the seller where the buyer's are used up.
    side = "buyer" if escrow.buyer_disputes < disputing.MAX_DISPUTES_PER_SIDE else "seller"
    reason = "0x" + keccak(text=escrow.held_reason).hex()
    try:
        disputing.order_dispute(escrow_id=escrow.pk, role=side, evidence_hash=reason, acting=SYSTEM)
    except Conflict as error:
        raise_alarm(escrow.network, UNPROTECTED, escrow.pk, f"held, and the chain pays soon: {error.message}")
