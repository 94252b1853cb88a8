"""Final events that change where an escrow stands without moving money."""

from datetime import UTC, datetime

from chain.models import FinalEvent
from contracts import events as chain_events
from core import deadlines
from core.actors import CHAIN
from payments.books import balances
from payments.locks import live_orders
from payments.models import Escrow, OrderKind
from payments.services import clocks, delivery, disputing, events, late, orders
from payments.services.moves import move
from payments.states import CLOSED, ENDED_UNPAID, EscrowState, OrderState


def marked(escrow: Escrow, event: chain_events.Delivered, final: FinalEvent) -> None:
    """The chain's inspection runs; the seller can claim without the platform after it."""
    escrow.marked_until = instant(event.until)
    escrow.save(update_fields=["marked_until"])
    ours = done(escrow, OrderKind.MARK, final)
    if escrow.state == EscrowState.FUNDED and not ours and not live_orders(escrow, OrderKind.REOPEN):
        # The seller marked with a wallet of their own: the buyer's inspection runs here too, or the chain
        # would pay the seller while the platform still waits for a delivery.
        delivery.handed_over(escrow, CHAIN, tx_hash=final.tx_hash)
        events.of_escrow(escrow, "escrow.delivered", tx_hash=final.tx_hash)
    deadlines.cancel(clocks.MARK, escrow.pk)
    deadlines.set_backstop(clocks.INSPECT, escrow.pk, escrow.marked_until)
    events.of_escrow(escrow, "escrow.marked", until=escrow.marked_until.isoformat())


def reopened(escrow: Escrow, event: chain_events.DeliveryReopened, final: FinalEvent) -> None:
    """The chain's inspection stopped; a new last instant for the delivery holds."""
    escrow.marked_until = None
    escrow.deliver_by = instant(event.deliver_by)
    escrow.reopens += 1
    escrow.save(update_fields=["marked_until", "deliver_by", "reopens"])
    ours = done(escrow, OrderKind.REOPEN, final)
    if escrow.state == EscrowState.DELIVERED:
        _reopened_while_delivered(escrow, final, ours=ours)
    if escrow.state == EscrowState.FUNDED:
        deadlines.move_waiting(clocks.UNDELIVERED, escrow.pk, escrow.deliver_by)
        deadlines.set_backstop(clocks.DELIVER, escrow.pk, escrow.deliver_by)
    events.of_escrow(escrow, "escrow.reopened", deliver_by=escrow.deliver_by.isoformat())


def _reopened_while_delivered(escrow: Escrow, final: FinalEvent, *, ours: bool) -> None:
    """Ours stopped the chain's clock for a refund request; the buyer's own means changes are wanted."""
    if ours:
        clocks.start_marking(escrow)
        return
    delivery.sent_back(escrow, CHAIN, why="reopened by the buyer on chain", tx_hash=final.tx_hash)
    events.of_escrow(escrow, "escrow.changes_requested", tx_hash=final.tx_hash)


def disputed(escrow: Escrow, event: chain_events.Disputed, final: FinalEvent) -> None:
    """Frozen on chain, by whomever: every other order is superseded."""
    side = event.side.name.lower()
    for order in live_orders(escrow, OrderKind.DISPUTE):
        ours = order.payload["side"] == side
        target = OrderState.DONE if ours else OrderState.SUPERSEDED
        orders.close(order, target, why=f"disputed by the {side}", tx_hash=final.tx_hash, actor=CHAIN)
    if escrow.state in CLOSED:
        return
    escrow.dispute_round = event.round
    escrow.disputed_by = side
    escrow.dispute_sender = event.by
    escrow.fallback_after = instant(event.until)
    disputing.note_frozen(escrow, actor=CHAIN, tx_hash=final.tx_hash)
    events.of_escrow(
        escrow,
        "escrow.disputed",
        side=side,
        round=event.round,
        evidence_hash="0x" + event.evidence_hash.hex(),
        tx_hash=final.tx_hash,
        fallback_after=escrow.fallback_after.isoformat(),
    )


def dispute_withdrawn(escrow: Escrow, event: chain_events.DisputeWithdrawn, final: FinalEvent) -> None:
    """Back to the state before, with the time that was left, on chain and off."""
    done(escrow, OrderKind.WITHDRAW, final)
    if escrow.state not in (EscrowState.DISPUTED, EscrowState.SETTLING):
        return
    orders.supersede(escrow, (OrderKind.RULE,), "dispute withdrawn", tx_hash=final.tx_hash)
    until = instant(event.until)
    if event.status == chain_events.Status.DELIVERED:
        escrow.marked_until = until
    else:
        escrow.deliver_by = until
    before = escrow.state_before_dispute or EscrowState.FUNDED
    escrow.disputed_by, escrow.fallback_after, escrow.state_before_dispute = "", None, ""
    fields = ("marked_until", "deliver_by", "disputed_by", "fallback_after", "state_before_dispute")
    move(escrow, before, actor=CHAIN, why="dispute withdrawn", tx_hash=final.tx_hash, fields=fields)
    clocks.resume(escrow)
    if before == EscrowState.FUNDED and escrow.marked_until:
        # The dispute overtook a reopening, or the seller marked during it: the chain's inspection runs again.
        delivery.stop_inspection(escrow, tx_hash=final.tx_hash)
    elif before in ENDED_UNPAID and balances.held(escrow):
        late.return_when_possible(escrow)
    events.of_escrow(escrow, "escrow.dispute_withdrawn", tx_hash=final.tx_hash)


def done(escrow: Escrow, kind: OrderKind, final: FinalEvent) -> bool:
    """The effect is there, whoever sent the transaction: close the live order of this kind, if any."""
    found = live_orders(escrow, kind)
    for order in found:
        orders.close(order, OrderState.DONE, tx_hash=final.tx_hash, actor=CHAIN)
    return bool(found)


def instant(seconds: int) -> datetime:
    """A chain instant as an aware UTC datetime."""
    return datetime.fromtimestamp(seconds, UTC)
