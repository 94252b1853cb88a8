"""Cancelled on the chain: the terms are dead, everything is the buyer's, now and later."""

from chain.models import FinalEvent
from chain.services.final import final_events_after
from contracts import events as chain_events
from core import clock
from core.actors import CHAIN
from payments.books import balances
from payments.books.post import Line, post
from payments.models import DECIDING, AccountKind, Escrow, LegKind, Order, OrderKind, PayoutLeg
from payments.services import chain_terms, clocks, deals, escrows, events, orders, payouts
from payments.services.decisions import NOT_PAYING, carried_by, record_foreign
from payments.services.moves import move
from payments.states import ENDED_UNPAID, EscrowState, LegState, OrderState

BOTH = "0x" + "00" * 20
_SAME_TRANSACTION = 20


def cancelled(escrow: Escrow, event: chain_events.Cancelled, final: FinalEvent) -> None:
    """Nothing of it can be decided any more. What was held is owed to the buyer until `Rescued` pays it,
    usually in the same transaction; what comes later is surplus."""
    held, failed = balances.held(escrow), None
    by = who(escrow, event.by)
    order = _order(escrow, final, held, by)
    if held:
        lines = [
            Line(AccountKind.HELD, held, escrow.token),
            Line(AccountKind.SURPLUS, -held, escrow.token),
        ]
        post(final, escrow, f"cancelled by {by}: it is the buyer's", lines)
        leg = _refund_leg(order, escrow, held)
        if not _paid_at_once(escrow, final):
            orders.move_leg(leg, LegState.BLOCKED, why="the token refused the transfer")
            failed = leg
    if order.state != OrderState.DONE:
        orders.close(order, OrderState.DONE, tx_hash=final.tx_hash, actor=CHAIN)
    escrow.remainder, escrow.cancelled_at = 0, clock.now()
    escrow.decided_buyer += held
    escrow.save(update_fields=["remainder", "cancelled_at", "decided_buyer"])
    clocks.stop_all(escrow)
    payouts.close_refund_requests(escrow)
    events.of_escrow(escrow, "escrow.cancelled", by=by, tx_hash=final.tx_hash)
    if failed is not None:
        events.of_leg(failed, escrow, "payout.failed")
    # What was funded ends refunded, also where its money was taken back since: it never ends as unpaid.
    _end(escrow, by, final, refunded=escrow.funded_at is not None or held >= escrow.token.least_amount)
    deals.follow_escrows(escrow.deal_id, CHAIN)
    escrows.open_next(escrow.deal)


def who(escrow: Escrow, address: str) -> str:
    """Who acted on the chain, in words: `address` as an event names it."""
    terms = chain_terms.of(escrow)
    names = {BOTH: "both sides", terms.buyer: "the buyer", terms.seller: "the seller"}
    return names.get(address, "the operator")


def _order(escrow: Escrow, final: FinalEvent, held: int, by: str) -> Order:
    """Ours that this transaction carried, or a record of somebody else's; all else is superseded."""
    ours = carried_by(escrow, (OrderKind.CANCEL,), final.tx_hash)
    kinds = [kind for kind in (*DECIDING, *NOT_PAYING) if ours is None or kind != OrderKind.CANCEL]
    orders.supersede(escrow, tuple(kinds), "cancelled on chain", tx_hash=final.tx_hash)
    return ours or record_foreign(escrow, f"cancelled by {by}", 0, held)


def _refund_leg(order: Order, escrow: Escrow, held: int) -> PayoutLeg:
    """The leg over all that was held; one that was planned before more came is superseded."""
    for leg in order.legs.select_for_update().filter(state=LegState.ORDERED):
        if leg.amount == held:
            return leg
        orders.move_leg(leg, LegState.SUPERSEDED, why="more came since")
    return orders.new_leg(order, escrow, LegKind.REFUND, held)


def _paid_at_once(escrow: Escrow, final: FinalEvent) -> bool:
    """Whether the transaction that cancelled it also sent the money."""
    for event in final_events_after(final.network, final.seq, _SAME_TRANSACTION):
        if event.tx_hash != final.tx_hash:
            return False
        log = event.log
        decoded = chain_events.decode(log.address, log.topics, log.data) if log else None
        if isinstance(decoded, chain_events.Rescued) and decoded.escrow_id == escrow.chain_id_hash:
            return decoded.token == escrow.token.address
    return False


def _end(escrow: Escrow, by: str, final: FinalEvent, *, refunded: bool) -> None:
    """Refunded where money was held or had been, cancelled where none was; what had ended without money stays
    so."""
    why = f"cancelled by {by}"
    if escrow.state not in ENDED_UNPAID:
        target = EscrowState.REFUNDED if refunded else EscrowState.CANCELLED
        move(escrow, target, actor=CHAIN, why=why, tx_hash=final.tx_hash)
        if refunded:
            events.of_end(escrow, "escrow.refunded", tx_hash=final.tx_hash)
