"""Orders: one wanted effect on chain for one escrow, placed at most once, retried by a new call.

An order is placed in the transaction that decides it. Its legs exist from then on; the final event alone
moves them.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from eth_abi.abi import encode

from chain.models import Call, Token
from chain.services.alarms import resolve_alarm
from chain.services.calls import ExpectedLog, close_as_superseded, order_call, supersede_calls
from contracts import calls as calldata
from contracts.artifacts import ESCROW_ADDRESS
from contracts.events import TOPICS, How
from core import audit, clock, seen, transitions
from core.actors import SYSTEM, Actor
from core.errors import Conflict, NotFound
from core.money import share
from payments.locks import live_orders, lock_escrow
from payments.models import DECIDING, PAYING, Approval, Escrow, LegKind, Order, OrderKind, PayoutLeg
from payments.services import approvals, budgets, chain_terms, controls, gas, routing
from payments.states import LegState, OrderState

# What anyone may send; a ruling never waits behind payouts. What an operator does, `routing` addresses.
OPERATOR = routing.PAYOUTS
_PURPOSE = {OrderKind.RULE: routing.DEADLINES, OrderKind.CLAIM_FALLBACK: routing.DEADLINES}
MAX_ATTEMPTS = 3
NEEDS_HUMAN_ALARM = "order_needs_human"

_EVENT = {
    OrderKind.PAY: "Decided",
    OrderKind.RULE: "Decided",
    OrderKind.CLAIM_UNFUNDED: "Decided",
    OrderKind.CLAIM_FALLBACK: "Decided",
    OrderKind.CANCEL: "Cancelled",
    OrderKind.RESCUE: "Rescued",
    OrderKind.PAY_LEG: "LegPaid",
    OrderKind.MARK: "Delivered",
    OrderKind.REOPEN: "DeliveryReopened",
    OrderKind.DISPUTE: "Disputed",
    OrderKind.WITHDRAW: "DisputeWithdrawn",
    OrderKind.EXTEND: "Extended",
}
_HOW = {OrderKind.PAY: How.PAY, OrderKind.RULE: How.RULING, OrderKind.CLAIM_FALLBACK: How.FALLBACK}


def place(
    escrow: Escrow,
    kind: OrderKind,
    *,
    reason: str,
    acting: Actor,
    to_seller: int = 0,
    to_buyer: int = 0,
    payload: Mapping[str, Any] | None = None,
    must_be_final_by: datetime | None = None,
) -> Order:
    """Order one effect for a locked escrow, with its legs and its call. Base units of the escrow's token.

    Raises `Conflict` if a deciding order is under way, `Held` where money may not leave at the moment.
    """
    if kind in DECIDING:
        check_free(escrow)
    other = (payload or {}).get("token_id")
    controls.check_order(escrow, kind, to_seller=to_seller, to_buyer=to_buyer, token_id=other)
    order = Order.objects.create(
        escrow=escrow,
        kind=kind,
        to_seller=to_seller,
        to_buyer=to_buyer,
        left=escrow.remainder,
        reason=reason,
        actor_kind=acting.kind,
        actor_id=acting.id,
        payload=dict(payload or {}),
        created=clock.now(),
    )
    transitions.record(order, source="", target=order.state, actor=acting, why=reason)
    _plan_and_submit(order, escrow, must_be_final_by)
    return order


def renew(old: Order, escrow: Escrow, *, to_seller: int, to_buyer: int) -> Order:
    """The superseded decision `old` once more, about what the chain has left undecided since.

    The old call expects a remainder that is gone for good, so it can only revert. As with a retry, a hold
    placed after the decision does not undo it: the new call waits for the hold to be lifted.
    """
    order = Order.objects.create(
        escrow=escrow,
        kind=old.kind,
        to_seller=to_seller,
        to_buyer=to_buyer,
        left=escrow.remainder,
        reason=old.reason,
        actor_kind=old.actor_kind,
        actor_id=old.actor_id,
        payload=old.payload,
        created=clock.now(),
    )
    transitions.record(order, source="", target=order.state, actor=SYSTEM, why=f"instead of {old.pk}")
    _plan_and_submit(order, escrow)
    return order


@transaction.atomic
def resume(*, order_id: str, acting: Actor, expected: str | None = None) -> Order:
    """A person looked at an order that failed three times, or of which no rule can tell what became of its
    transaction, and lets it be tried once more. Whatever happened before, the contract refuses a second
    effect. Raises `Conflict` unless the order waits for a person and is the row that they saw (`expected`).
    """
    order, escrow = lock_waiting(order_id, expected)
    order.to_live()
    order.failure = ""
    order.save(update_fields=["state", "failure"])
    transitions.record(order, source=OrderState.NEEDS_HUMAN, target=order.state, actor=acting)
    note_person(order, "order.resumed", acting)
    if order.call is not None and order.call.outcome == "needs_human":
        order.call = close_as_superseded(order.call, "a person has it tried again", acting)
    submit(order, escrow)
    return order


def lock_waiting(order_id: str, expected: str | None = None) -> tuple[Order, Escrow]:
    """An order that waits for a person, and its escrow, locked. Raises `NotFound`, `Conflict`."""
    found = Order.objects.filter(pk=order_id).first()
    if found is None:
        raise NotFound("order_not_found", "There is no such order.")
    escrow = lock_escrow(found.escrow_id)
    order = Order.objects.select_for_update(of=("self",)).select_related("call").get(pk=order_id)
    seen.check(expected, seen.row, order)
    undecided = order.call is None or order.call.outcome not in ("failed", "needs_human")
    if order.state != OrderState.NEEDS_HUMAN or undecided:
        raise Conflict("order_not_waiting", "This order does not wait for a person, or is undecided.")
    return order, escrow


def note_person(order: Order, action: str, acting: Actor, **facts: str) -> None:
    """What a person did about an order that called for one: audited, and the alarm ends."""
    data = {"escrow": order.escrow_id, "kind": order.kind, **facts}
    audit.write(action, subject_id=order.pk, actor_id=acting.id, actor_label=acting.label, data=data)
    resolve_alarm(order.escrow.network, NEEDS_HUMAN_ALARM, order.pk)


def _plan_and_submit(order: Order, escrow: Escrow, must_be_final_by: datetime | None = None) -> None:
    if order.kind in DECIDING:
        _plan_legs(order, escrow)
    submit(order, escrow, must_be_final_by=must_be_final_by)


def check_free(escrow: Escrow) -> None:
    """Raise `Conflict` while another decision on this escrow's money is under way."""
    if live_orders(escrow, *DECIDING):
        raise Conflict("payout_under_way", "A payout of this escrow is under way. Wait until it is final.")


def submit(order: Order, escrow: Escrow, *, must_be_final_by: datetime | None = None) -> Call | None:
    """Write the next call of an order; a retry names the failed call before it.

    None where it is above a cap and a second person has to approve it first; then it is submitted again.
    """
    item = _calldata(order, escrow)
    way = routing.route(escrow, item, _PURPOSE.get(OrderKind(order.kind), OPERATOR))
    why = approvals.is_needed(order, way) or budgets.take(order, escrow, way)
    data = approvals.approved_calldata(order, item, way) if why else item
    if data is None:
        _await_approval(order, escrow, approvals.ask(order, escrow, item, way, why))
        return None
    previous = order.call
    due = must_be_final_by or (previous.must_be_final_by if previous else None)
    order.attempts += 1
    order.call = order_call(
        network=escrow.network,
        purpose=way.purpose,
        target=way.target,
        data=data,
        gas_limit=gas.bound(escrow.network, order.kind),
        key=f"{order.pk}:{order.attempts}",
        expected=[_expected(order, escrow)],
        label=f"{order.kind} {escrow.pk}",
        group=order.pk,
        must_be_final_by=due,
        not_before=_not_before(order),
        held=controls.is_stopped(order, escrow),
        replaces=previous if previous is not None and previous.outcome == "failed" else None,
        # What a second person approved is a call of its own; a second try goes alone.
        batchable=order.kind in PAYING and due is None and not why and previous is None,
    )
    order.save(update_fields=["attempts", "call"])
    return order.call


def _await_approval(order: Order, escrow: Escrow, approval: Approval) -> None:
    """Tell both sides, and see to it that the chain's clock runs for the right one meanwhile."""
    from payments.services import approving, events

    events.of_order(order, escrow, "payout.approval_waits", reason=approval.why)
    approving.keep_side(order, escrow, SYSTEM)


def close(order: Order, target: str, *, why: str = "", tx_hash: str = "", actor: Actor = SYSTEM) -> None:
    """End a locked order: done, failed or superseded; its open legs end with it unless it is done."""
    source = order.state
    getattr(order, f"to_{target}")()
    order.closed_at = clock.now()
    order.failure = why[:300] if target != OrderState.DONE else ""
    order.save(update_fields=["state", "closed_at", "failure"])
    transitions.record(order, source=source, target=target, actor=actor, why=why, tx_hash=tx_hash)
    approvals.drop(order, why or target)
    if source == OrderState.NEEDS_HUMAN:
        resolve_alarm(order.escrow.network, NEEDS_HUMAN_ALARM, order.pk)
    if target == OrderState.DONE:
        if order.call is not None:
            # Where another transaction had the effect ours must not repeat it later.
            supersede_calls(order.call.network, order.pk, "the effect is there")
        return
    if target == OrderState.SUPERSEDED and order.call is not None:
        _close_call(order, why)
    for leg in order.legs.select_for_update().filter(state__in=[LegState.PLANNED, LegState.ORDERED]):
        move_leg(leg, LegState.SUPERSEDED, why=why)


def supersede(escrow: Escrow, kinds: tuple[OrderKind, ...], why: str, *, tx_hash: str = "") -> None:
    """The chain decided otherwise: close what is still under way of these kinds."""
    for order in live_orders(escrow, *kinds):
        close(order, OrderState.SUPERSEDED, why=why, tx_hash=tx_hash)


def move_leg(leg: PayoutLeg, target: str, *, why: str = "", tx_hash: str = "") -> PayoutLeg:
    """Move a locked leg; a paid one gets its transaction and instant."""
    source = leg.state
    getattr(leg, f"to_{target}")()
    if target == LegState.PAID:
        leg.tx_hash, leg.paid_at = tx_hash, clock.now()
    leg.save(update_fields=["state", "tx_hash", "paid_at"])
    transitions.record(leg, source=source, target=target, actor=SYSTEM, why=why, tx_hash=tx_hash)
    return leg


def new_leg(order: Order, escrow: Escrow, kind: str, amount: int, *, token: Token | None = None) -> PayoutLeg:
    """The next leg of this kind, ordered, to whom the terms name; in the escrow's token unless told."""
    leg = PayoutLeg.objects.create(
        escrow=escrow,
        order=order,
        kind=kind,
        n=escrow.legs.filter(kind=kind).count() + 1,
        recipient=recipient_of(escrow, kind),
        token=token or escrow.token,
        amount=amount,
        created=clock.now(),
    )
    transitions.record(leg, source="", target=leg.state, actor=SYSTEM, why=order.reason)
    return move_leg(leg, LegState.ORDERED, why=order.reason)


def recipient_of(escrow: Escrow, kind: str) -> str:
    """Where the terms send a leg of this kind; no other address is possible."""
    terms = chain_terms.of(escrow)
    return {
        LegKind.RELEASE: terms.seller,
        LegKind.REFUND: terms.buyer,
        LegKind.FEE: terms.fee_recipient,
        LegKind.SURPLUS: terms.buyer,
    }[LegKind(kind)]


def leg_amounts(escrow: Escrow, to_seller: int, to_buyer: int) -> dict[str, int]:
    """The legs of a decision, as the contract computes them: the fee of the seller's total so far, rounded
    down, less what was taken; zero legs are left out."""
    before = share(escrow.decided_seller, escrow.fee_bps)
    fee = share(escrow.decided_seller + to_seller, escrow.fee_bps) - before
    amounts = {LegKind.RELEASE: to_seller - fee, LegKind.REFUND: to_buyer, LegKind.FEE: fee}
    return {str(kind): units for kind, units in amounts.items() if units}


def _plan_legs(order: Order, escrow: Escrow) -> None:
    for kind, units in leg_amounts(escrow, order.to_seller, order.to_buyer).items():
        new_leg(order, escrow, kind, units)


def _calldata(order: Order, escrow: Escrow) -> bytes:  # noqa: PLR0911  (one case per action)
    terms = chain_terms.of(escrow)
    payload = order.payload
    match OrderKind(order.kind):
        case OrderKind.PAY:
            return calldata.pay(terms, to_seller=order.to_seller, to_buyer=order.to_buyer, left=order.left)
        case OrderKind.RULE:
            signed_seller, signed_buyer = payload["signed"]
            return calldata.rule(
                terms,
                to_seller=int(signed_seller),
                to_buyer=int(signed_buyer),
                ruling_hash=bytes.fromhex(payload["ruling_hash"][2:]),
                round=payload["round"],
                not_before=payload["not_before"],
                deadline=payload["deadline"],
                signers=payload["signers"],
                threshold=escrow.arbiters_threshold,
                signatures=[bytes.fromhex(item) for item in payload["signatures"]],
            )
        case OrderKind.CLAIM_UNFUNDED:
            return calldata.claim_unfunded(terms)
        case OrderKind.CLAIM_FALLBACK:
            return calldata.claim_fallback(terms)
        case OrderKind.CANCEL:
            return calldata.cancel(terms)
        case OrderKind.RESCUE:
            return calldata.rescue(terms, token=payload["token"])
        case OrderKind.PAY_LEG:
            return calldata.pay_leg(terms, kind=payload["leg_kind"])
        case OrderKind.MARK:
            return calldata.mark_delivered(terms)
        case OrderKind.REOPEN:
            return calldata.reopen_delivery(terms)
        case OrderKind.DISPUTE:
            side = calldata.Side.BUYER if payload["side"] == "buyer" else calldata.Side.SELLER
            return calldata.dispute(
                terms, side=side, evidence_hash=bytes.fromhex(payload["evidence_hash"][2:])
            )
        case OrderKind.WITHDRAW:
            return calldata.withdraw_dispute(terms)
        case OrderKind.EXTEND:
            return calldata.extend(terms, until=payload["until"])
    raise ValueError(f"{order.kind} is never ordered")


def _expected(order: Order, escrow: Escrow) -> ExpectedLog:
    """The event that proves the effect; for decisions down to the amount of each leg (rule T9)."""
    prefix = b""
    how = _HOW.get(OrderKind(order.kind))
    if how is not None:
        legs = leg_amounts(escrow, order.to_seller, order.to_buyer)
        amounts = [legs.get(kind, 0) for kind in (LegKind.RELEASE, LegKind.REFUND, LegKind.FEE)]
        left = order.left - order.to_seller - order.to_buyer
        by = _sender_address(order, escrow)
        prefix = encode(["address", "uint8"] + ["uint256"] * 4, [by, int(how), *amounts, left])
    return ExpectedLog(
        address=ESCROW_ADDRESS,
        topic0=TOPICS[_EVENT[OrderKind(order.kind)]],
        topics=[escrow.chain_id_hash],
        data_prefix="0x" + prefix.hex(),
    )


def _not_before(order: Order) -> datetime | None:
    """A ruling is refused by the chain until the appeal window is over there too."""
    instant = order.payload.get("not_before")
    return datetime.fromtimestamp(instant, UTC) if instant is not None else None


def _sender_address(order: Order, escrow: Escrow) -> str:
    purpose = _PURPOSE.get(OrderKind(order.kind))
    if purpose is None:
        return chain_terms.of(escrow).operator
    return routing.address_of(escrow, purpose)


def _close_call(order: Order, why: str) -> None:
    """A call without a transaction ends here; one that is on its way follows its own receipt."""
    if order.call is None:
        return
    supersede_calls(order.call.network, order.pk, why)
    call = Call.objects.get(pk=order.call.pk)
    if call.outcome in ("failed", "needs_human"):
        close_as_superseded(call, why)
