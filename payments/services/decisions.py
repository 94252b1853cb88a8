"""Final events that decide or pay: legs move, books post, the escrow ends."""

from chain.models import Attempt, FinalEvent, Token
from contracts import events as chain_events
from contracts.events import How
from core import clock, deadlines, transitions
from core.actors import CHAIN
from core.money import share
from payments.books import balances
from payments.books.post import Line, post
from payments.locks import live_orders
from payments.models import DECIDING, AccountKind, Escrow, LegKind, Order, OrderKind, PayoutLeg
from payments.services import chain_terms, deals, escrows, events, late, orders, payouts
from payments.services.moves import move
from payments.states import CLOSED, ENDED_UNPAID, EscrowState, LegState, OrderState

_OWED = {
    LegKind.RELEASE: AccountKind.OWED_SELLER,
    LegKind.REFUND: AccountKind.OWED_BUYER,
    LegKind.FEE: AccountKind.OWED_FEE,
}
_BY_NUMBER = (LegKind.RELEASE, LegKind.REFUND, LegKind.FEE)
_SPLIT = (How.RULING, How.SETTLEMENT, How.FALLBACK)
# What no longer makes sense once nothing is left to decide.
NOT_PAYING = (OrderKind.MARK, OrderKind.REOPEN, OrderKind.DISPUTE, OrderKind.WITHDRAW, OrderKind.EXTEND)


def decided(escrow: Escrow, event: chain_events.Decided, final: FinalEvent) -> None:
    """A part was decided for good: pay or block its legs, post, and end the escrow when nothing is left."""
    ours = _our_order(escrow, event, final)
    cut_short = [] if ours else _cut_short(escrow, final)
    order = ours or _foreign_order(escrow, event, final)
    lines = [Line(AccountKind.HELD, event.release + event.refund + event.fee, escrow.token)]
    ordered = order.legs.select_for_update(of=("self",)).select_related("token__network")
    told = []
    for outcome in event.legs:
        kind = _BY_NUMBER[outcome.kind]
        leg = ordered.get(kind=kind, state=LegState.ORDERED)
        if outcome.paid:
            orders.move_leg(leg, LegState.PAID, tx_hash=final.tx_hash)
            lines.append(Line(AccountKind.VAULT, -outcome.amount, escrow.token))
        else:
            orders.move_leg(leg, LegState.BLOCKED, why="the token refused the transfer")
            lines.append(Line(_OWED[kind], -outcome.amount, escrow.token))
        told.append((leg, "payout.confirmed" if outcome.paid else "payout.failed"))
    post(final, escrow, f"decided by {order.kind}: {order.reason}", lines)
    if order.state != OrderState.DONE:
        orders.close(order, OrderState.DONE, tx_hash=final.tx_hash, actor=CHAIN)
    _take_over(escrow, event)
    # Cause before effect: the decision, its payments, the end of the escrow, the end of the deal.
    events.of_decision(escrow, order, tx_hash=final.tx_hash)
    for leg, type_ in told:
        events.of_leg(leg, escrow, type_)
    if event.left == 0:
        _end(escrow, event, final)
    for old in cut_short if event.left else []:
        _go_on(escrow, old)


def leg_paid(escrow: Escrow, event: chain_events.LegPaid, final: FinalEvent) -> None:
    """An owed leg was paid later, by whomever."""
    kind = _BY_NUMBER[event.kind]
    waiting = escrow.legs.select_for_update().filter(kind=kind, state=LegState.BLOCKED).order_by("n")
    post(
        final,
        escrow,
        f"owed {kind} paid",
        [Line(_OWED[kind], event.amount, escrow.token), Line(AccountKind.VAULT, -event.amount, escrow.token)],
    )
    if event.owed == 0:
        for leg in waiting:
            orders.move_leg(leg, LegState.PAID, tx_hash=final.tx_hash)
            events.of_leg(leg, escrow, "payout.confirmed")
    for order in live_orders(escrow, OrderKind.PAY_LEG):
        if order.payload.get("kind") == kind:
            orders.close(order, OrderState.DONE, tx_hash=final.tx_hash, actor=CHAIN)
    deals.follow_escrows(escrow.deal_id, CHAIN)


def rescued(escrow: Escrow, event: chain_events.Rescued, final: FinalEvent) -> None:
    """Surplus went back to the buyer, and from dead terms what was held; a coin that is not in the books is
    not posted."""
    token = Token.objects.filter(network=escrow.network, address=event.token).first()
    if token is None:
        return
    lines = [
        Line(AccountKind.SURPLUS, event.amount, token),
        Line(AccountKind.VAULT, -event.amount, token),
    ]
    post(final, escrow, "surplus returned", lines)
    ours = carried_by(escrow, (OrderKind.RESCUE,), final.tx_hash)
    surplus = event.amount - _refunded_with(escrow, event, token, final)
    open_legs = PayoutLeg.objects.select_for_update().filter(order=ours, state=LegState.ORDERED)
    leg = open_legs.filter(amount=surplus).first() if ours else None
    if ours is not None and (leg is not None or not (surplus or open_legs.exists())):
        orders.close(ours, OrderState.DONE, tx_hash=final.tx_hash, actor=CHAIN)
    else:
        orders.supersede(
            escrow, (OrderKind.RESCUE,), "returned by another transaction", tx_hash=final.tx_hash
        )
        if surplus:
            foreign = record_foreign(escrow, "surplus returned", 0, surplus)
            leg = orders.new_leg(foreign, escrow, LegKind.SURPLUS, surplus, token=token)
    if leg is not None:
        orders.move_leg(leg, LegState.PAID, tx_hash=final.tx_hash)
        events.of_leg(leg, escrow, "payout.confirmed")
    late.sweep_surplus(escrow)
    deals.follow_escrows(escrow.deal_id, CHAIN)


def _refunded_with(escrow: Escrow, event: chain_events.Rescued, token: Token, final: FinalEvent) -> int:
    """What of a rescue was the refund that dead terms owed; zero where another token or surplus left."""
    leg = late.refund_of_dead_terms(escrow, token)
    if leg is None:
        return 0
    if event.amount < leg.amount:
        # Money was lost in the vault: books and chain differ now, which freezes it until a person looked.
        if leg.state == LegState.ORDERED:
            orders.move_leg(leg, LegState.BLOCKED, why="the vault held less")
        return 0
    orders.move_leg(leg, LegState.PAID, tx_hash=final.tx_hash)
    events.of_leg(leg, escrow, "payout.confirmed")
    return leg.amount


def _cut_short(escrow: Escrow, final: FinalEvent) -> list[Order]:
    """The decision that is under way, when somebody else's transaction decides a part before it."""
    return [] if carried_by(escrow, DECIDING, final.tx_hash) else live_orders(escrow, *DECIDING)


def _go_on(escrow: Escrow, old: Order) -> None:
    """Decide again, about what is left, as the superseded order wanted to."""
    left = escrow.remainder
    if old.kind == OrderKind.RULE:
        seller, buyer = (int(units) for units in old.payload["signed"])
        part = seller * left // (seller + buyer)  # as the contract scales a ruling
        orders.renew(old, escrow, to_seller=part, to_buyer=left - part)
    elif old.kind == OrderKind.PAY:
        part = min(old.to_seller + old.to_buyer, left)
        orders.renew(
            old, escrow, to_seller=part if old.to_seller else 0, to_buyer=part if old.to_buyer else 0
        )
    elif old.kind == OrderKind.CLAIM_FALLBACK:
        part = share(left, chain_terms.of(escrow).fallback_seller_bps)
        orders.renew(old, escrow, to_seller=part, to_buyer=left - part)
    elif balances.money(escrow):
        late.return_when_possible(escrow)


def _our_order(escrow: Escrow, event: chain_events.Decided, final: FinalEvent) -> Order | None:
    """The live order whose own transaction this is, if the chain did exactly what it asked for."""
    order = carried_by(escrow, DECIDING, final.tx_hash)
    if order is None:
        return None
    asked = {leg.kind: leg.amount for leg in order.legs.filter(state=LegState.ORDERED)}
    happened = {str(_BY_NUMBER[leg.kind]): leg.amount for leg in event.legs}
    return order if asked == happened else None


def carried_by(escrow: Escrow, kinds: tuple[OrderKind, ...], tx_hash: str) -> Order | None:
    """The live order of one of these kinds that this transaction of ours carries."""
    attempt = Attempt.objects.filter(hash=tx_hash).values_list("transaction_id", flat=True).first()
    if attempt is None:
        return None
    for order in live_orders(escrow, *kinds):
        if order.call is not None and order.call.transaction_id == attempt:
            return order
    return None


def _foreign_order(escrow: Escrow, event: chain_events.Decided, final: FinalEvent) -> Order:
    """Somebody else decided, or the chain decided otherwise: what was under way is superseded."""
    kinds = (*DECIDING, OrderKind.DISPUTE, OrderKind.WITHDRAW) if event.left == 0 else DECIDING
    orders.supersede(escrow, kinds, "decided by another transaction", tx_hash=final.tx_hash)
    how = event.how.name.lower().replace("_", " ")
    order = record_foreign(escrow, how, event.to_seller, event.refund)
    for outcome in event.legs:
        kind = _BY_NUMBER[outcome.kind]
        orders.new_leg(order, escrow, kind, outcome.amount)
    return order


def record_foreign(escrow: Escrow, reason: str, to_seller: int, to_buyer: int) -> Order:
    """An order that is done: somebody else's transaction had this effect. Its legs hang on it."""
    order = Order(
        escrow=escrow,
        kind=OrderKind.FOREIGN,
        state=OrderState.DONE,
        to_seller=to_seller,
        to_buyer=to_buyer,
        left=escrow.remainder,
        reason=reason,
        actor_kind=CHAIN.kind,
        actor_id=CHAIN.id,
        created=clock.now(),
        closed_at=clock.now(),
    )
    order.save(force_insert=True)
    transitions.record(order, source="", target=order.state, actor=CHAIN, why=reason)
    return order


def _take_over(escrow: Escrow, event: chain_events.Decided) -> None:
    escrow.remainder = event.left
    escrow.decided_seller += event.to_seller
    escrow.decided_buyer += event.refund
    escrow.save(update_fields=["remainder", "decided_seller", "decided_buyer"])


def _end(escrow: Escrow, event: chain_events.Decided, final: FinalEvent) -> None:
    """Nothing is left to decide: stop the clocks, name the outcome, return surplus, tell the deal."""
    deadlines.cancel_all(escrow.pk)
    payouts.close_refund_requests(escrow)
    orders.supersede(escrow, NOT_PAYING, "decided")
    target = _outcome(escrow, event)
    if target is not None:
        move(escrow, target, actor=CHAIN, why=event.how.name.lower(), tx_hash=final.tx_hash)
        events.of_end(escrow, f"escrow.{target}", tx_hash=final.tx_hash)
    late.sweep_surplus(escrow)
    deals.follow_escrows(escrow.deal_id, CHAIN)
    escrows.open_next(escrow.deal)


def _outcome(escrow: Escrow, event: chain_events.Decided) -> str | None:
    """Settled after a split; else by whom the last decision paid. None where the state is final already."""
    refunded_only = not event.to_seller
    stays = escrow.state in ENDED_UNPAID and refunded_only
    if stays or escrow.state in CLOSED:
        return None
    if event.how in _SPLIT or (event.to_seller and event.refund):
        return EscrowState.SETTLED
    return EscrowState.REFUNDED if refunded_only else EscrowState.RELEASED
