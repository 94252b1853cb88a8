"""Final events that change where an escrow stands without moving money."""

from datetime import UTC, datetime

from chain.models import FinalEvent
from contracts import events as chain_events
from core import deadlines
from core.actors import CHAIN
from payments.locks import live_orders
from payments.models import Escrow, OrderKind
from payments.services import clocks, disputing, events, orders
from payments.services.moves import move
from payments.states import CLOSED, EscrowState, OrderState


def marked(escrow: Escrow, event: chain_events.Delivered, final: FinalEvent) -> None:
    """The chain's inspection runs; the seller can claim without the platform after it."""
    escrow.marked_until = instant(event.until)
    escrow.save(update_fields=["marked_until"])
    done(escrow, OrderKind.MARK, final)
    deadlines.set_backstop(clocks.INSPECT, escrow.pk, escrow.marked_until)
    events.of_escrow(escrow, "escrow.marked", until=escrow.marked_until.isoformat())


def reopened(escrow: Escrow, event: chain_events.DeliveryReopened, final: FinalEvent) -> None:
    """The chain's inspection stopped; a new last instant for the delivery holds."""
    escrow.marked_until = None
    escrow.deliver_by = instant(event.deliver_by)
    escrow.save(update_fields=["marked_until", "deliver_by"])
    done(escrow, OrderKind.REOPEN, final)
    if escrow.state == EscrowState.FUNDED:
        deadlines.move_waiting(clocks.UNDELIVERED, escrow.pk, escrow.deliver_by)
        deadlines.set_backstop(clocks.DELIVER, escrow.pk, escrow.deliver_by)
    events.of_escrow(escrow, "escrow.reopened", deliver_by=escrow.deliver_by.isoformat())


def disputed(escrow: Escrow, event: chain_events.Disputed, final: FinalEvent) -> None:
    """Frozen on chain, by whomever: every other order is superseded."""
    done(escrow, OrderKind.DISPUTE, final)
    if escrow.state in CLOSED or escrow.state == EscrowState.CANCELLED:
        return
    side = event.side.name.lower()
    escrow.dispute_round = event.round
    escrow.disputed_by = side
    escrow.fallback_after = instant(event.until)
    disputing.note_frozen(escrow, actor=CHAIN, tx_hash=final.tx_hash)
    events.of_escrow(
        escrow,
        "escrow.disputed",
        side=side,
        evidence_hash="0x" + event.evidence_hash.hex(),
        tx_hash=final.tx_hash,
        fallback_after=escrow.fallback_after.isoformat(),
    )


def dispute_withdrawn(escrow: Escrow, event: chain_events.DisputeWithdrawn, final: FinalEvent) -> None:
    """Back to the state before, with the time that was left, on chain and off."""
    done(escrow, OrderKind.WITHDRAW, final)
    if escrow.state != EscrowState.DISPUTED:
        return
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
    events.of_escrow(escrow, "escrow.dispute_withdrawn", tx_hash=final.tx_hash)


def done(escrow: Escrow, kind: OrderKind, final: FinalEvent) -> None:
    """The effect is there, whoever sent the transaction: close the live order of this kind."""
    for order in live_orders(escrow, kind):
        orders.close(order, OrderState.DONE, tx_hash=final.tx_hash, actor=CHAIN)


def instant(seconds: int) -> datetime:
    """A chain instant as an aware UTC datetime."""
    return datetime.fromtimestamp(seconds, UTC)
