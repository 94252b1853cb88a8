"""What became of our own calls: a failed one is tried again by a new call, after three a human is asked."""

from chain.models import FinalEvent
from chain.services.calls import close_as_superseded
from core import clock, transitions
from core.actors import SYSTEM
from payments.books import balances
from payments.locks import lock_escrow
from payments.models import Escrow, Order, OrderKind
from payments.services import disputing, events, late, orders
from payments.states import OrderState


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


def _close_leftover(order: Order, event: FinalEvent) -> None:
    """Our call failed because its effect was there already: it is superseded, nothing is repeated."""
    if event.outcome in ("failed", "needs_human") and event.call is not None:
        close_as_superseded(event.call, "the chain had decided already")


def _failed(order: Order, escrow: Escrow, reason: str) -> None:
    if order.attempts < orders.MAX_ATTEMPTS:
        orders.submit(order, escrow)
    elif order.kind == OrderKind.DISPUTE:
        orders.close(order, OrderState.FAILED, why=reason)
        disputing.dispute_failed(escrow, order)
    elif order.kind == OrderKind.PAY_LEG:
        # Still refused: the leg stays blocked, and anyone may ask again.
        orders.close(order, OrderState.FAILED, why=reason)
        events.of_escrow(escrow, "payout.failed", order=order.pk, reason=reason)
    elif order.kind == OrderKind.CLAIM_UNFUNDED and balances.held(escrow) >= escrow.amount:
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
    events.of_escrow(escrow, "payout.needs_human", order=order.pk, reason=reason, at=clock.now().isoformat())
