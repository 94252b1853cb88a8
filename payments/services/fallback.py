"""The arbitration is over without a ruling: the platform submits the split that the terms named."""

from django.db import transaction

from chain import selectors as chain_reads
from core import deadlines
from core.actors import CLOCK
from core.errors import Held
from core.models import Deadline
from core.money import share
from payments.locks import lock_escrow
from payments.models import Escrow, OrderKind
from payments.services import chain_terms, controls, escrows, events, orders
from payments.services.moves import move
from payments.states import EscrowState


def claim_fallback(deadline: Deadline) -> bool:
    """Deadline handler: a final block is past the end of the arbitration, so no ruling can come any more.

    Anyone may do the same; whoever comes first, the other call is superseded.
    """
    with transaction.atomic():
        escrow = lock_escrow(deadline.subject_id)
        if escrow.state not in (EscrowState.DISPUTED, EscrowState.SETTLING):
            return deadlines.claim(deadline)
        if not _is_over(escrow) or _held(escrow) or not deadlines.claim(deadline):
            return False
        orders.supersede(escrow, (OrderKind.RULE, OrderKind.WITHDRAW), "the arbitration is over")
        to_seller = share(escrow.remainder, chain_terms.of(escrow).fallback_seller_bps)
        orders.place(
            escrow,
            OrderKind.CLAIM_FALLBACK,
            reason="arbitration over without a ruling",
            acting=CLOCK,
            to_seller=to_seller,
            to_buyer=escrow.remainder - to_seller,
        )
        if escrow.state == EscrowState.DISPUTED:
            move(escrow, EscrowState.SETTLING, actor=CLOCK, why="arbitration over without a ruling")
        events.of_escrow(escrow, "escrow.fallback_ordered")
    return True


def _is_over(escrow: Escrow) -> bool:
    final = chain_reads.final_head(escrow.network)
    past = final is not None and escrow.fallback_after is not None and final[2] > escrow.fallback_after
    return past and escrows.projected_to_final(escrow)


def _held(escrow: Escrow) -> bool:
    try:
        controls.check_payout(escrow, to_seller=1, to_buyer=1)
    except Held:
        return True
    return False
