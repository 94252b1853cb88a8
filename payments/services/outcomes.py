"""What became of our own calls: a failed one is tried again by a new call, after three a human is asked."""

from django.db import transaction

from chain.models import FinalEvent
from chain.services.alarms import raise_alarm
from chain.services.calls import close_as_superseded
from contracts import gate
from core import clock, transitions
from core.actors import SYSTEM, Actor
from core.errors import Conflict, Invalid
from payments.books import balances
from payments.locks import lock_escrow
from payments.models import Escrow, Order, OrderKind
from payments.services import deals, disputing, events, late, orders
from payments.states import ENDED_UNPAID, EscrowState, OrderState


def call_closed(event: FinalEvent) -> None:
    """Project the outcome of one call. The receipt alone never moves a leg: the escrow's event does."""
    found = Order.objects.filter(call=event.call).first()
    if found is None:
        return
    escrow = lock_escrow(found.escrow_id)
    order = Order.objects.select_for_update().get(pk=found.pk)
    if order.call_id != event.call_id or event.call is None:
        return
    if order.state in (OrderState.DONE, OrderState.SUPERSEDED):
        _close_leftover(order, event)
    elif event.outcome == "failed" and order.state == OrderState.LIVE:
        _failed(order, escrow, event.reason)
    elif event.outcome == "needs_human" and order.state == OrderState.LIVE:
        _ask_human(order, escrow, event.reason)


@transaction.atomic
def give_up(*, order_id: str, reason: str, acting: Actor, expected: str | None = None) -> Order:
    """A person looked at an order that no try will bring through and ends it; the escrow goes on without.

    Raises `Invalid` without a reason, `Conflict` unless it waits for a person, and for what the escrow's
    state stands on: such an order can only be tried again, or be overtaken by the chain.
    """
    if not reason.strip():
        raise Invalid("reason_missing", "Say why this is given up.")
    order, escrow = orders.lock_waiting(order_id, expected)
    whole = escrow.state in (EscrowState.RELEASING, EscrowState.REFUNDING) and order.kind == OrderKind.PAY
    if whole or order.kind in (OrderKind.RULE, OrderKind.CLAIM_FALLBACK, OrderKind.WITHDRAW):
        raise Conflict("order_needed", "The escrow waits for exactly this. Have it tried again.")
    orders.close(order, OrderState.SUPERSEDED, why=f"given up: {reason.strip()}", actor=acting)
    orders.note_person(order, "order.given_up", acting, reason=reason.strip())
    if order.kind == OrderKind.DISPUTE:
        disputing.dispute_failed(escrow, order)
    elif escrow.state in ENDED_UNPAID and balances.money(escrow):
        late.return_when_possible(escrow)
    deals.follow_escrows(escrow.deal_id, acting)
    return order


def _close_leftover(order: Order, event: FinalEvent) -> None:
    """Our call failed because its effect was there already: it is superseded, nothing is repeated."""
    if event.outcome in ("failed", "needs_human") and event.call is not None:
        close_as_superseded(event.call, "the chain had decided already")


def _failed(order: Order, escrow: Escrow, reason: str) -> None:
    if order.attempts < orders.MAX_ATTEMPTS or gate.is_above_cap(reason):
        orders.submit(order, escrow)
    elif order.kind == OrderKind.DISPUTE:
        orders.close(order, OrderState.FAILED, why=reason)
        disputing.dispute_failed(escrow, order)
    elif order.kind == OrderKind.PAY_LEG or order.payload.get("kind"):
        # Still refused: the leg stays blocked, and anyone may ask again.
        orders.close(order, OrderState.FAILED, why=reason)
        events.of_order(order, escrow, "payout.failed", reason=reason)
    elif order.kind == OrderKind.CLAIM_UNFUNDED and balances.held(escrow) >= escrow.remainder:
        # The rest came after all: what is full now goes back as late money.
        orders.close(order, OrderState.FAILED, why=reason)
        late.return_when_possible(escrow)
    else:
        _ask_human(order, escrow, reason)


def _ask_human(order: Order, escrow: Escrow, reason: str) -> None:
    order.to_needs_human()
    order.failure = reason[:300]
    order.save(update_fields=["state", "failure"])
    transitions.record(order, source=OrderState.LIVE, target=order.state, actor=SYSTEM, why=reason)
    label = f"{order.kind} for {escrow.pk}: {reason}"
    raise_alarm(escrow.network, orders.NEEDS_HUMAN_ALARM, order.pk, label)
    events.of_order(order, escrow, "payout.needs_human", reason=reason, at=clock.now().isoformat())
