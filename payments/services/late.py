"""Money that came too late, too much, or in another token: it can always go back to the buyer."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from chain import selectors as chain_reads
from chain.models import Token
from core import clock, deadlines
from core.actors import CLOCK, SYSTEM, Actor
from core.errors import Conflict, Held
from core.models import Deadline
from payments.books import balances
from payments.locks import live_orders, lock_escrow
from payments.models import Escrow, LegKind, Order, OrderKind, PayoutLeg
from payments.services import clocks, controls, orders
from payments.services.seen import RETRY
from payments.states import ENDED_UNPAID, EscrowState, LegState


def return_when_possible(escrow: Escrow) -> None:
    """Start the wait after which counted money on an expired or cancelled escrow goes back by itself.

    The payer has 48 h to choose, or to complete what both sides revived; the contract returns a part
    payment only after fund-by.
    """
    chooses = escrow.state == EscrowState.CANCELLED or escrow.revived_at
    whole = balances.held(escrow) >= escrow.remainder
    if chooses or whole:
        due = clock.now() + timedelta(seconds=settings.CLOCKS["revive"])
        if not whole and escrow.fund_by:
            due = max(due, escrow.fund_by)
    elif deadlines.waiting(escrow.pk).filter(kind=clocks.LATE_MONEY).exists():
        return
    else:
        due = max(clock.now(), escrow.fund_by or clock.now())
    deadlines.start(clocks.LATE_MONEY, escrow.pk, due)


def money_came(escrow: Escrow, before: int) -> None:
    """More counted money on an expired or cancelled escrow, of which `before` base units were held already.

    The wait starts when there is something to return, and anew when a part has become all of it; what is
    added meanwhile does not put it off.
    """
    now = balances.money(escrow)
    runs = deadlines.waiting(escrow.pk).filter(kind=clocks.LATE_MONEY).exists()
    completed = before < escrow.remainder <= now
    if now and (completed or not runs):
        return_when_possible(escrow)


def return_late(deadline: Deadline) -> bool:
    """Deadline handler: nobody chose otherwise, so the money goes back."""
    with transaction.atomic():
        escrow = lock_escrow(deadline.subject_id)
        unwanted = escrow.state in ENDED_UNPAID and balances.money(escrow)
        if unwanted and (deadlines.stands_still(deadline) or order_return(escrow, CLOCK) is None):
            return False
        return deadlines.claim(deadline)


def order_return(escrow: Escrow, acting: Actor) -> Order | None:
    """Order everything that is held back to the buyer; None while that is not possible or not worth it."""
    held = balances.money(escrow)
    if not held or live_orders(escrow, OrderKind.PAY, OrderKind.CLAIM_UNFUNDED, OrderKind.CANCEL):
        return None
    try:
        untouched = escrow.remainder == escrow.amount
        if escrow.state == EscrowState.CANCELLED and untouched and held >= escrow.remainder:
            # The deal is off for good. Dead terms on the chain as well: no wallet can mark or dispute what
            # comes later, and it goes to the buyer. Not for a part: the gate counts the whole amount of what
            # it cancels, and a few cents would use up the cap of everybody's day.
            return orders.place(escrow, OrderKind.CANCEL, reason="late money", acting=acting, to_buyer=held)
        if held >= escrow.remainder or not untouched:
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

    Less than is worth its gas stays until more comes, and each token goes back once a day at most: what
    strangers send must not cost gas each time.
    """
    if live_orders(escrow, OrderKind.RESCUE):
        return
    again: list[datetime] = []
    for token, units in _surplus(escrow):
        due = _rests_until(escrow, token)
        if due > clock.now():
            again.append(due)
            continue
        try:
            _return_surplus(escrow, token, units)
            return
        except Held:
            again.append(clock.now())
    if again:
        deadlines.start(clocks.SURPLUS, escrow.pk, min(again))


def _rests_until(escrow: Escrow, token: Token) -> datetime:
    """When surplus of this token may go back again; what dead terms owe the buyer rests at no time."""
    sent = escrow.orders.filter(kind=OrderKind.RESCUE, payload__token_id=token.pk)
    last = sent.order_by("-created").values_list("created", flat=True).first()
    if last is None or refund_of_dead_terms(escrow, token):
        return clock.now()
    return last + timedelta(seconds=settings.CLOCKS["surplus"])


def _surplus(escrow: Escrow) -> list[tuple[Token, int]]:
    """What is worth sending back, by token."""
    found = [
        (Token.objects.select_related("network").get(pk=token_id), units)
        for token_id, units in sorted(balances.surplus_by_token(escrow).items())
    ]
    return [(token, units) for token, units in found if units >= _least(escrow, token)]


def _least(escrow: Escrow, token: Token) -> int:
    return 1 if refund_of_dead_terms(escrow, token) else token.least_surplus


def _may_leave(escrow: Escrow, token: Token) -> bool:
    try:
        controls.check_payout(escrow, to_seller=0, to_buyer=1, token_id=token.pk)
    except Held:
        return False
    return True


def sweep_held_surplus(deadline: Deadline) -> bool:
    """Deadline handler: surplus that a hold or a kill switch stopped, or that rested, is tried again."""
    with transaction.atomic():
        escrow = lock_escrow(deadline.subject_id)
        surplus = _surplus(escrow)
        if surplus and not any(_may_leave(escrow, token) for token, _ in surplus):
            return False
        if not deadlines.claim(deadline):
            return False
        sweep_surplus(escrow)
    return True


def refund_of_dead_terms(escrow: Escrow, token: Token) -> PayoutLeg | None:
    """The refund of an escrow that was cancelled on the chain, locked, while it waits for its rescue."""
    if escrow.cancelled_at is None or token != escrow.token:
        return None
    waiting = [LegState.ORDERED, LegState.BLOCKED]
    return escrow.legs.select_for_update().filter(kind=LegKind.REFUND, state__in=waiting).first()


def rescue_refund(escrow: Escrow, leg: PayoutLeg, acting: Actor) -> Order:
    """Try again to send what dead terms owe the buyer, with any surplus; the escrow is locked.

    Raises `Conflict` while it is being tried, `Held` where money may not leave.
    """
    if live_orders(escrow, OrderKind.RESCUE):
        raise Conflict("leg_not_blocked", "This payment is being tried already.")
    units = balances.surplus_by_token(escrow)[escrow.token_id]
    return _return_surplus(escrow, escrow.token, units, reason=RETRY, acting=acting, kind=leg.kind)


def _return_surplus(
    escrow: Escrow,
    token: Token,
    units: int,
    *,
    reason: str = "surplus",
    acting: Actor = SYSTEM,
    kind: str = "",
) -> Order:
    refund = refund_of_dead_terms(escrow, token)
    order = orders.place(
        escrow,
        OrderKind.RESCUE,
        reason=reason,
        acting=acting,
        to_buyer=units,
        payload={"token": token.address, "token_id": token.pk, "kind": kind},
    )
    surplus = units - (refund.amount if refund else 0)
    if surplus > 0:
        orders.new_leg(order, escrow, LegKind.SURPLUS, surplus, token=token)
    return order
