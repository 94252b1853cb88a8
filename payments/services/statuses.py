"""Final events that change where an escrow stands without moving money."""

from datetime import UTC, datetime, timedelta

from chain.models import Attempt, FinalEvent
from contracts import events as chain_events
from core import deadlines, transitions
from core.actors import CHAIN
from payments.books import balances
from payments.locks import live_orders
from payments.models import Escrow, Order, OrderKind
from payments.services import clocks, delivery, deposits, disputing, events, giving, late, orders
from payments.services.dead_terms import BOTH, who
from payments.services.moves import move
from payments.states import CLOSED, ENDED_UNPAID, EscrowState, OrderState


def marked(escrow: Escrow, event: chain_events.Delivered, final: FinalEvent) -> None:
    """The chain's inspection runs; the seller can claim without the platform after it."""
    escrow.marked_until = instant(event.until)
    escrow.save(update_fields=["marked_until"])
    events.of_escrow(escrow, "escrow.marked", until=escrow.marked_until.isoformat())
    ours = done(escrow, OrderKind.MARK, final)
    if escrow.state == EscrowState.FUNDED and not ours and not live_orders(escrow, OrderKind.REOPEN):
        _marked_unasked(escrow, final)
    deadlines.cancel(clocks.MARK, escrow.pk)
    deadlines.set_backstop(clocks.INSPECT, escrow.pk, escrow.marked_until)
    clocks.watch_hold(escrow)
    orders.supersede(escrow, (OrderKind.EXTEND,), "another clock runs", tx_hash=final.tx_hash)


def _marked_unasked(escrow: Escrow, final: FinalEvent) -> None:
    """Nobody waits for this mark here. With a wallet of the seller's own it is a delivery: the buyer's
    inspection runs here too, or the chain would pay the seller while the platform still waits for one. One
    that we signed for a delivery that was sent back since is stale: the chain's clock is stopped again. Bytes
    of ours whose order a restored database has forgotten prove no such thing: they are a delivery."""
    marks = escrow.orders.filter(kind=OrderKind.MARK).values_list("pk", flat=True)
    ours = Attempt.objects.filter(hash=final.tx_hash, transaction__calls__group__in=list(marks))
    if ours.exists():
        delivery.stop_inspection(escrow, tx_hash=final.tx_hash)
        return
    delivery.handed_over(escrow, CHAIN, tx_hash=final.tx_hash)
    events.of_escrow(escrow, "escrow.delivered", tx_hash=final.tx_hash)


def reopened(escrow: Escrow, event: chain_events.DeliveryReopened, final: FinalEvent) -> None:
    """The chain's inspection stopped; a new last instant for the delivery holds."""
    escrow.marked_until = None
    escrow.deliver_by = instant(event.deliver_by)
    escrow.reopens += 1
    escrow.save(update_fields=["marked_until", "deliver_by", "reopens"])
    events.of_escrow(escrow, "escrow.reopened", deliver_by=escrow.deliver_by.isoformat())
    ours = done(escrow, OrderKind.REOPEN, final)
    orders.supersede(escrow, (OrderKind.EXTEND,), "another clock runs", tx_hash=final.tx_hash)
    clocks.watch_hold(escrow)
    if escrow.state == EscrowState.DELIVERED:
        _reopened_while_delivered(escrow, final, ours=ours)
    elif escrow.state == EscrowState.RELEASING:
        # A hold keeps the release back; the seller's claim has to outlive the clock that runs now.
        clocks.start_marking(escrow)
    if escrow.state == EscrowState.FUNDED:
        deadlines.move_waiting(clocks.UNDELIVERED, escrow.pk, escrow.deliver_by)
        deadlines.set_backstop(clocks.DELIVER, escrow.pk, escrow.deliver_by)


def _reopened_while_delivered(escrow: Escrow, final: FinalEvent, *, ours: bool) -> None:
    """Ours stopped the chain's clock for a refund request or a hold; the buyer's own means changes are
    wanted."""
    if ours:
        clocks.start_marking(escrow)
        deadlines.set_backstop(clocks.INSPECT, escrow.pk, clocks.backstop(escrow))
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
    escrow.dispute_round = escrow.raised_round = event.round
    _count_dispute(escrow, side)
    escrow.disputed_by = side
    escrow.dispute_sender = event.by
    escrow.fallback_after = instant(event.until)
    disputing.note_frozen(escrow, actor=CHAIN, tx_hash=final.tx_hash)
    clocks.start_fallback(escrow)
    events.of_escrow(
        escrow,
        "escrow.disputed",
        side=side,
        round=event.round,
        evidence_hash="0x" + event.evidence_hash.hex(),
        tx_hash=final.tx_hash,
        fallback_after=escrow.fallback_after.isoformat(),
    )


def _count_dispute(escrow: Escrow, side: str) -> None:
    """The contract counts per side, whoever sent it: so does what the pages offer."""
    if side == "buyer":
        escrow.buyer_disputes += 1
    else:
        escrow.seller_disputes += 1


def appealed(escrow: Escrow, event: chain_events.Appealed, final: FinalEvent) -> None:
    """A new round: what the seats signed for an earlier one is void, so it is not submitted."""
    if escrow.state not in (EscrowState.DISPUTED, EscrowState.SETTLING):
        return
    side = event.side.name.lower()
    orders.supersede(escrow, (OrderKind.RULE,), f"appealed by the {side}", tx_hash=final.tx_hash)
    escrow.dispute_round = event.round
    why = f"appealed by the {side}; rulings bind round {event.round}"
    if escrow.state == EscrowState.SETTLING:
        move(
            escrow,
            EscrowState.DISPUTED,
            actor=CHAIN,
            why=why,
            tx_hash=final.tx_hash,
            fields=("dispute_round",),
        )
    else:
        escrow.save(update_fields=["dispute_round"])
        _note(escrow, "round", "appealed", why, final)
    events.of_escrow(escrow, "escrow.appealed", side=side, round=event.round, tx_hash=final.tx_hash)


def extended(escrow: Escrow, event: chain_events.Extended, final: FinalEvent) -> None:
    """The chain's running clock ends later: what the platform waits for follows, and both instants.

    By both sides after pay-by: they revive what expired.
    """
    until = instant(event.until)
    before = escrow.marked_until or escrow.deliver_by
    if before is None:
        return
    both = event.by == BOTH
    if escrow.marked_until:
        escrow.marked_until = until
    else:
        escrow.deliver_by = until
    if not both:
        # As the contract counts them: each begun day whole.
        escrow.operator_days += -((before - until) // timedelta(days=1))
    escrow.save(update_fields=["marked_until", "deliver_by", "operator_days"])
    closed = _close_extension(escrow, event, final)
    by = who(escrow, event.by)
    _note(escrow, "clock", "extended", f"by {by}, until {until:%Y-%m-%d %H:%M} UTC", final)
    events.of_escrow(escrow, "escrow.extended", by=by, until=until.isoformat(), tx_hash=final.tx_hash)
    makes_room = not both and any(giving.gives_back(order) for order in closed)
    clocks.follow_extension(escrow, until - before, moves=not makes_room)
    giving.give_all(escrow)
    if both and escrow.fund_by and final.block_timestamp > escrow.fund_by:
        deposits.revive(escrow, final)


def _close_extension(escrow: Escrow, event: chain_events.Extended, final: FinalEvent) -> list[Order]:
    """Ours is done when the clock ends no earlier than it asked for; else it is still to come."""
    closed = [o for o in live_orders(escrow, OrderKind.EXTEND) if event.until >= o.payload["until"]]
    for order in closed:
        orders.close(order, OrderState.DONE, tx_hash=final.tx_hash, actor=CHAIN)
    return closed


def _note(escrow: Escrow, field: str, what: str, why: str, final: FinalEvent) -> None:
    """A change that moves no state, in the transition log."""
    transitions.record(
        escrow, source="", target=what, actor=CHAIN, why=why, field=field, tx_hash=final.tx_hash
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
    deadlines.cancel(clocks.FALLBACK, escrow.pk)
    fields = ("marked_until", "deliver_by", "disputed_by", "fallback_after", "state_before_dispute")
    move(escrow, before, actor=CHAIN, why="dispute withdrawn", tx_hash=final.tx_hash, fields=fields)
    clocks.resume(escrow)
    clocks.watch_hold(escrow)
    if before == EscrowState.FUNDED and escrow.marked_until:
        # The dispute overtook a reopening, or the seller marked during it: the chain's inspection runs again.
        delivery.stop_inspection(escrow, tx_hash=final.tx_hash)
    elif before in ENDED_UNPAID and balances.money(escrow):
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
