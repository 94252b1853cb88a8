"""Money that came too late, too much, or in another token: it can always go back to the buyer."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction

from chain import selectors as chain_reads
from chain.models import Token
from core import clock, deadlines
from core.actors import CLOCK, SYSTEM, Actor
from core.errors import Held
from core.models import Deadline
from payments.books import balances
from payments.locks import live_orders, lock_escrow
from payments.models import Escrow, LegKind, Order, OrderKind
from payments.services import clocks, controls, orders
from payments.states import ENDED_UNPAID


def return_when_possible(escrow: Escrow) -> None:
    """Start the wait after which counted money on an expired or cancelled escrow goes back by itself.

    The payer has 48 h to choose; the contract returns a part payment only after fund-by.
    """
    if balances.held(escrow) >= escrow.remainder:
        due = clock.now() + timedelta(seconds=settings.CLOCKS["revive"])
    elif deadlines.waiting(escrow.pk).filter(kind=clocks.LATE_MONEY).exists():
        return
    else:
        due = max(clock.now(), escrow.fund_by or clock.now())
    deadlines.start(clocks.LATE_MONEY, escrow.pk, due)


def return_late(deadline: Deadline) -> bool:
    """Deadline handler: nobody chose otherwise, so the money goes back."""
    with transaction.atomic():
        escrow = lock_escrow(deadline.subject_id)
        unwanted = escrow.state in ENDED_UNPAID and balances.held(escrow)
        if unwanted and order_return(escrow, CLOCK) is None:
            return False
        return deadlines.claim(deadline)


def order_return(escrow: Escrow, acting: Actor) -> Order | None:
    """Order everything that is held back to the buyer; None while that is not possible yet."""
    held = balances.held(escrow)
    if not held or live_orders(escrow, OrderKind.PAY, OrderKind.CLAIM_UNFUNDED):
        return None
    try:
        if held >= escrow.remainder or escrow.remainder != escrow.amount:
            # Of an escrow of which a part was decided the contract gives back parts, not "unfunded".
            units = min(held, escrow.remainder)
            return orders.place(escrow, OrderKind.PAY, reason="late money", acting=acting, to_buyer=units)
        final = chain_reads.final_head(escrow.network)
        if escrow.fund_by is None or final is None or final[2] <= escrow.fund_by:
            return None
        return orders.place(
            escrow, OrderKind.CLAIM_UNFUNDED, reason="not paid in full", acting=acting, to_buyer=held
        )
    except Held:
        return None


def sweep_surplus(escrow: Escrow) -> None:
    """Order the surplus of each token back to the buyer, one order at a time; the escrow is locked.

    Less than the token's smallest amount stays until more comes: a stranger's dust must not cost gas.
    """
    if live_orders(escrow, OrderKind.RESCUE):
        return
    for token_id, units in sorted(balances.surplus_by_token(escrow).items()):
        token = Token.objects.select_related("network").get(pk=token_id)
        if units >= token.min_amount:
            try:
                _return_surplus(escrow, token, units)
            except Held:
                deadlines.start(clocks.SURPLUS, escrow.pk, clock.now())
            return


def sweep_held_surplus(deadline: Deadline) -> bool:
    """Deadline handler: surplus that a hold or a kill switch stopped is tried again."""
    with transaction.atomic():
        escrow = lock_escrow(deadline.subject_id)
        try:
            controls.check_payout(escrow, to_seller=0, to_buyer=1)
        except Held:
            return False
        if not deadlines.claim(deadline):
            return False
        sweep_surplus(escrow)
    return True


def _return_surplus(escrow: Escrow, token: Token, units: int) -> None:
    order = orders.place(
        escrow,
        OrderKind.RESCUE,
        reason="surplus",
        acting=SYSTEM,
        to_buyer=units,
        payload={"token": token.address, "token_id": token.pk},
    )
    orders.new_leg(order, escrow, LegKind.SURPLUS, units, token=token)
