"""Release and refund: what the parties, the clock and an operator may decide about held money."""

from datetime import datetime, timedelta

from django.db import transaction

from core import audit, clock, deadlines, seen
from core.actors import CLOCK, Actor
from core.errors import Conflict, FieldError, Forbidden, Invalid
from core.models import Deadline
from payments.books import balances
from payments.locks import live_orders, lock_escrow
from payments.models import Escrow, LegKind, Order, OrderKind, PayoutLeg, RefundRequest
from payments.services import clocks, controls, delivery, events, guarding, late, orders
from payments.services.moves import move
from payments.services.seen import RETRY, of_escrow, of_leg, retries
from payments.states import CLOSED, ENDED_UNPAID, HOLDING, EscrowState, LegState

MAX_REFUND_REQUESTS = 3
RETRY_REST = timedelta(hours=1)


@transaction.atomic
def release(
    *, escrow_id: str, role: str, acting: Actor, units: int | None = None, expected: str | None = None
) -> Order:
    """The buyer pays the seller all of the remainder, or `units` base units of it.

    `expected` is what the caller saw of the escrow (`seen.of_escrow`), here as in every service below it.
    Raises `Forbidden` for the seller, `Conflict` outside funded and delivered, while a payout is under way,
    where the escrow has changed since or the buyer has just changed how they sign in, `Invalid` for more than
    the remainder.
    """
    if role != "buyer":
        raise Forbidden("buyer_only", "Only the buyer can release the money.")
    escrow = lock_escrow(escrow_id)
    seen.check(expected, of_escrow, escrow)
    guarding.check_pays(escrow, role)
    _expect_holding(escrow)
    part = _part(escrow, units)
    order = orders.place(escrow, OrderKind.PAY, reason="released by the buyer", acting=acting, to_seller=part)
    _decided_all(escrow, EscrowState.RELEASING, part, acting)
    events.of_escrow(escrow, "escrow.release_ordered", **events.amount_json(order.to_seller_money))
    return order


@transaction.atomic
def refund(
    *, escrow_id: str, role: str, acting: Actor, units: int | None = None, expected: str | None = None
) -> Order:
    """The seller gives back all of the remainder, or `units` base units of it. Errors as for `release`."""
    if role != "seller":
        raise Forbidden("seller_only", "Only the seller can refund. As the buyer, ask for a refund.")
    escrow = lock_escrow(escrow_id)
    seen.check(expected, of_escrow, escrow)
    guarding.check_pays(escrow, role)
    _expect_holding(escrow)
    return _refund(escrow, _part(escrow, units), "refunded by the seller", acting)


@transaction.atomic
def take_back(*, escrow_id: str, role: str, acting: Actor, expected: str | None = None) -> Order:
    """The buyer takes everything back because nothing was delivered in time.

    Raises `Conflict` before the agreed date and its grace have passed, or after a delivery.
    """
    if role != "buyer":
        raise Forbidden("buyer_only", "Only the buyer can take the money back.")
    escrow = lock_escrow(escrow_id)
    seen.check(expected, of_escrow, escrow)
    if escrow.state != EscrowState.FUNDED or not escrow.take_back_open:
        raise Conflict("not_overdue", "The delivery is not overdue.")
    return _refund(escrow, escrow.remainder, "not delivered in time", acting)


@transaction.atomic
def return_late_money(
    *, escrow_id: str, role: str, acting: Actor, expected: str | None = None
) -> Order | None:
    """The payer takes back money that reached an expired or cancelled escrow. None: nothing to return yet."""
    if role != "buyer":
        raise Forbidden("buyer_only", "Only the buyer can take this money back.")
    escrow = lock_escrow(escrow_id)
    seen.check(expected, of_escrow, escrow)
    if escrow.state not in ENDED_UNPAID:
        raise Conflict("escrow_state", "This escrow is not expired.")
    return late.order_return(escrow, acting)


@transaction.atomic
def ask_refund(
    *, escrow_id: str, role: str, party_id: str, reason: str, acting: Actor, expected: str | None = None
) -> RefundRequest:
    """The buyer asks for everything back; the seller's silence means yes.

    Raises `Conflict` if one is open already, after three requests (each stops the inspection), where the
    chain would pay the seller before the answer, or if the escrow is not funded or delivered.
    """
    if role != "buyer":
        raise Forbidden("buyer_only", "Only the buyer can ask for a refund.")
    escrow = lock_escrow(escrow_id)
    seen.check(expected, of_escrow, escrow)
    _expect_holding(escrow)
    orders.check_free(escrow)
    if not 10 <= len(reason.strip()) <= 5_000:
        raise _wrong("/reason", "Say in 10 to 5,000 characters why you want the money back.")
    if escrow.refund_requests.filter(state=RefundRequest.State.ASKED).exists():
        raise Conflict("refund_asked", "You have already asked; the seller has to answer.")
    if escrow.refund_requests.count() >= MAX_REFUND_REQUESTS:
        raise Conflict("refund_requests_used_up", "You asked three times. Release, or open a dispute.")
    answer_due = clocks.refund_answer_due()
    outlasts = escrow.marked_until is None or escrow.marked_until < answer_due + clocks.BEFORE_CHAIN_END
    if outlasts:
        delivery.check_reopening(escrow)
    request = RefundRequest.objects.create(
        escrow=escrow, asked_by_id=party_id, reason=reason.strip(), created=clock.now()
    )
    clocks.start_refund_answer(escrow, answer_due)
    if outlasts:
        delivery.reopen_on_chain(escrow, acting)
    events.of_escrow(escrow, "escrow.refund_requested", reason=request.reason)
    return request


@transaction.atomic
def answer_refund(
    *, escrow_id: str, role: str, accept: bool, answer: str, acting: Actor, expected: str | None = None
) -> RefundRequest:
    """The seller accepts (everything goes back) or declines; a declined request leaves all as it was."""
    if role != "seller":
        raise Forbidden("seller_only", "Only the seller answers a refund request.")
    escrow = lock_escrow(escrow_id)
    seen.check(expected, of_escrow, escrow)
    if accept:
        guarding.check_pays(escrow, role)
    request = escrow.refund_requests.select_for_update().filter(state=RefundRequest.State.ASKED).first()
    if request is None:
        raise Conflict("no_refund_request", "There is no refund request to answer.")
    state = RefundRequest.State.ACCEPTED if accept else RefundRequest.State.DECLINED
    _answer(request, state, answer.strip()[:5_000])
    deadlines.cancel(clocks.ANSWER_REFUND, escrow.pk)
    if accept:
        _expect_holding(escrow)
        _refund(escrow, escrow.remainder, "refund request accepted", acting)
    else:
        clocks.resume_inspection(escrow)
        events.of_escrow(escrow, "escrow.refund_declined")
    return request


@transaction.atomic
def retry_leg(*, leg_id: str, acting: Actor, by_operator: bool = False, expected: str | None = None) -> Order:
    """Try a blocked leg again; anyone concerned may ask, and it goes where it always went.

    Each try costs the operator gas: a leg is tried once an hour unless an operator asks. Raises `Conflict` if
    it is not blocked, is being tried, was tried within the hour, or is not what was seen (`seen.of_leg`).
    """
    found = PayoutLeg.objects.filter(pk=leg_id).first()
    if found is None:
        raise Conflict("leg_not_blocked", "This payment does not wait.")
    escrow = lock_escrow(found.escrow_id)
    leg = escrow.legs.select_for_update().get(pk=leg_id)
    seen.check(expected, of_leg, leg)
    live = escrow.orders.filter(kind=OrderKind.PAY_LEG, state__in=["live", "needs_human"])
    if leg.state != LegState.BLOCKED or live.filter(payload__kind=leg.kind).exists():
        raise Conflict("leg_not_blocked", "This payment does not wait, or is being tried already.")
    if not by_operator:
        _check_rested(leg)
    else:
        data = {"escrow": escrow.pk, "kind": leg.kind}
        audit.write(
            "payout.retried", subject_id=leg.pk, actor_id=acting.id, actor_label=acting.label, data=data
        )
    if escrow.cancelled_at is not None:
        return late.rescue_refund(escrow, leg, acting)
    number = {LegKind.RELEASE: 0, LegKind.REFUND: 1, LegKind.FEE: 2}[LegKind(leg.kind)]
    payload = {"leg_kind": number, "kind": leg.kind}
    refund = leg.kind == LegKind.REFUND
    return orders.place(
        escrow,
        OrderKind.PAY_LEG,
        reason=RETRY,
        acting=acting,
        payload=payload,
        to_seller=0 if refund else leg.amount,
        to_buyer=leg.amount if refund else 0,
    )


def retry_from(leg: PayoutLeg) -> datetime | None:
    """From when a blocked leg may be tried again without an operator; None: at once."""
    last = retries(leg).order_by("-created").values_list("created", flat=True).first()
    due = last + RETRY_REST if last else None
    return due if due and due > clock.now() else None


def _check_rested(leg: PayoutLeg) -> None:
    due = retry_from(leg)
    if due is not None:
        message = f"It was tried within the hour. Ask again from {due:%H:%M} UTC; the money waits safely."
        raise Conflict("leg_tried_lately", message)


def release_uninspected(deadline: Deadline) -> bool:
    """Deadline handler: the inspection passed in silence, so the seller is paid."""
    with transaction.atomic():
        escrow = lock_escrow(deadline.subject_id)
        if escrow.state != EscrowState.DELIVERED:
            return deadlines.claim(deadline)
        if guarding.silence_waits(escrow, "buyer", deadline):
            return False
        if not _may_act(escrow, to_seller=escrow.remainder) or not deadlines.claim(deadline):
            return False
        units = escrow.remainder
        order = orders.place(
            escrow, OrderKind.PAY, reason="inspection over in silence", acting=CLOCK, to_seller=units
        )
        _decided_all(escrow, EscrowState.RELEASING, units, CLOCK)
        events.of_escrow(escrow, "escrow.release_ordered", **events.amount_json(order.to_seller_money))
    return True


def open_take_back(deadline: Deadline) -> bool:
    """Deadline handler: the agreed date and its grace passed; the buyer may take everything back."""
    with transaction.atomic():
        escrow = lock_escrow(deadline.subject_id)
        if not deadlines.claim(deadline):
            return False
        if escrow.state == EscrowState.FUNDED:
            escrow.take_back_open = True
            escrow.save(update_fields=["take_back_open"])
            events.of_escrow(escrow, "escrow.delivery_overdue")
    return True


def refund_undelivered(deadline: Deadline) -> bool:
    """Deadline handler: the chain's own deliver-by passed unmarked; the platform pays the buyer back."""
    with transaction.atomic():
        escrow = lock_escrow(deadline.subject_id)
        if escrow.state != EscrowState.FUNDED:
            return deadlines.claim(deadline)
        if escrow.marked_until or live_orders(escrow, OrderKind.MARK, OrderKind.REOPEN):
            # The chain's clock of the delivery stands still; its new end comes with the reopening.
            return False
        if not _may_act(escrow, to_buyer=escrow.remainder) or not deadlines.claim(deadline):
            return False
        _refund(escrow, escrow.remainder, "not delivered in time", CLOCK)
    return True


def refund_unanswered(deadline: Deadline) -> bool:
    """Deadline handler: the seller did not answer a refund request."""
    with transaction.atomic():
        escrow = lock_escrow(deadline.subject_id)
        if escrow.state not in HOLDING:
            return deadlines.claim(deadline)
        if guarding.silence_waits(escrow, "seller", deadline):
            return False
        if not _may_act(escrow, to_buyer=escrow.remainder) or not deadlines.claim(deadline):
            return False
        request = escrow.refund_requests.select_for_update().filter(state=RefundRequest.State.ASKED).first()
        if request is not None:
            _answer(request, RefundRequest.State.SILENT, "")
            _refund(escrow, escrow.remainder, "refund request unanswered", CLOCK)
    return True


def close_refund_requests(escrow: Escrow) -> None:
    """A dispute or a decision ends an open refund request."""
    for request in escrow.refund_requests.select_for_update().filter(state=RefundRequest.State.ASKED):
        _answer(request, RefundRequest.State.CLOSED, "")


def _refund(escrow: Escrow, part: int, reason: str, acting: Actor) -> Order:
    order = orders.place(escrow, OrderKind.PAY, reason=reason, acting=acting, to_buyer=part)
    _decided_all(escrow, EscrowState.REFUNDING, part, acting)
    events.of_escrow(escrow, "escrow.refund_ordered", **events.amount_json(order.to_buyer_money))
    return order


def _decided_all(escrow: Escrow, target: str, part: int, acting: Actor) -> None:
    """When nothing is left to decide the clocks stop; a part leaves state and clocks as they are."""
    if part != escrow.remainder:
        return
    deadlines.cancel_all(escrow.pk)
    close_refund_requests(escrow)
    move(escrow, target, actor=acting)


def _may_act(escrow: Escrow, *, to_seller: int = 0, to_buyer: int = 0) -> bool:
    """A timer does not fight a live payout, a hold or a kill switch: it asks again later."""
    from core.errors import DomainError

    try:
        orders.check_free(escrow)
        controls.check_payout(escrow, to_seller=to_seller, to_buyer=to_buyer)
    except DomainError:
        return False
    return True


def _part(escrow: Escrow, units: int | None) -> int:
    if units is None:
        return escrow.remainder
    if not 0 < units <= escrow.remainder:
        most = escrow.remainder_money
        raise _wrong("/amount", f"Choose an amount of more than zero and at most {most}.")
    return units


def _expect_holding(escrow: Escrow) -> None:
    if escrow.state in CLOSED:
        raise Conflict("already_decided", f"This escrow is already {escrow.state}.")
    if escrow.state not in HOLDING:
        raise Conflict("escrow_state", f"Not possible while the escrow is {escrow.state.replace('_', ' ')}.")
    if balances.held(escrow) < escrow.remainder:
        raise Conflict("money_missing", "The vault holds less than agreed; an operator is looking at it.")


def _answer(request: RefundRequest, state: str, answer: str) -> None:
    request.state, request.answer, request.answered_at = state, answer, clock.now()
    request.save(update_fields=["state", "answer", "answered_at"])


def _wrong(pointer: str, message: str) -> Invalid:
    return Invalid("invalid", message, [FieldError(pointer, "invalid", message)])
