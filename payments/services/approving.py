"""The second person's decision about a payout above a cap, and what happens while nobody takes it."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction

from accounts.models import User
from chain.services.alarms import raise_alarm
from contracts import gate as gate_contract
from core import audit, clock, deadlines, seen, transitions
from core.actors import Actor
from core.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from core.models import Deadline
from core.money import Amount, is_typed
from payments.locks import live_orders, lock_escrow
from payments.models import Approval, Escrow, Order, OrderKind
from payments.services import approvals, clocks, controls, delivery, events, orders
from payments.states import ApprovalState, OrderState
from wallets.models import Gate
from wallets.services import gates

PERMISSION = "payments.approve_payout"
_AGAIN = timedelta(days=7)


def approve(
    *,
    approval_id: str,
    typed_amount: str,
    person: User,
    signature: bytes = b"",
    expected: str | None = None,
) -> Order:
    """A second person lets one order above a cap go to the chain. The key signs outside the transaction.

    `signature` is given where the second key is not kept here. Raises `Forbidden` without the right, or for
    one who ordered it or is a party; `Invalid` for another amount or a wrong signature; `Held` while money
    may not leave; `Conflict` when it does not wait any more or is not the row that the person saw.
    """
    approval = _find(approval_id)
    order = approval.order
    _check_person(person, order)
    _check_amount(typed_amount, order)
    controls.check_payout(order.escrow, to_seller=order.to_seller, to_buyer=order.to_buyer)
    gate = Gate.objects.select_related("network").get(network=order.escrow.network, address=approval.gate)
    digest = _digest(approval, gate)
    signed = gates.check_approval(gate, digest, signature) if signature else gates.sign_approval(gate, digest)
    return _give(approval, person, signed, expected)


def typed_data(approval: Approval) -> dict[str, object]:
    """The message that the second key signs, for a wallet outside (`eth_signTypedData_v4`)."""
    return gate_contract.approval_typed_data(
        gate=approval.gate,
        chain_id=approval.order.escrow.network.chain_id,
        hot=approval.hot,
        call_hash=bytes.fromhex(approval.call_hash[2:]),
        deadline=int(approval.valid_until.timestamp()),
    )


def at_stake(order: Order) -> Amount:
    """What a person types to approve: what the order decides, or what the escrow holds undecided."""
    return order.to_seller_money + order.to_buyer_money or order.escrow.remainder_money


def keep_side(order: Order, escrow: Escrow, acting: Actor) -> None:
    """While everything waits for a second person the chain's own clock must run for the right side.

    Decided for the seller: the delivery is marked, so that the seller can claim. Decided for the buyer: a
    running inspection is stopped. Neither knows a cap.
    """
    if order.kind != OrderKind.PAY or live_orders(escrow, OrderKind.MARK, OrderKind.REOPEN):
        return
    if order.to_seller == escrow.remainder and escrow.marked_until is None:
        last = escrow.deliver_by
        if last is not None and clock.now() < last - clocks.SAFETY:
            orders.place(
                escrow, OrderKind.MARK, reason="payout awaits approval", acting=acting, must_be_final_by=last
            )
    elif order.to_buyer == escrow.remainder and escrow.marked_until and escrow.reopens < delivery.MAX_REOPENS:
        delivery.reopen_on_chain(escrow, acting)


def approval_overdue(deadline: Deadline) -> bool:
    """Deadline handler: nobody approved in time. People are called again; the backstop stays as published."""
    with transaction.atomic():
        order = Order.objects.select_related("escrow__network").get(pk=deadline.subject_id)
        escrow = lock_escrow(order.escrow_id)
        if not deadlines.claim(deadline):
            return False
        found = approvals.open_approval(order)
        if found is None or found.state != ApprovalState.WAITING:
            return True
        # What is signed from now on must still be of use when it is mined.
        found.valid_until = clock.now().replace(microsecond=0) + _AGAIN
        found.save(update_fields=["valid_until"])
        due = clock.now() + timedelta(seconds=settings.CLOCKS["approval"])
        deadlines.start(approvals.APPROVAL, order.pk, due, backstop_at=approvals.backstop(order, escrow))
        label = f"{order.kind} for {escrow.pk} since {found.created:%Y-%m-%d %H:%M} UTC"
        raise_alarm(escrow.network, approvals.OVERDUE_ALARM, order.pk, label)
    return True


@transaction.atomic
def _give(approval: Approval, person: User, signature: bytes, expected: str | None) -> Order:
    escrow = lock_escrow(approval.order.escrow_id)
    order = Order.objects.select_for_update(of=("self",)).select_related("call").get(pk=approval.order_id)
    order.escrow = escrow
    found = approvals.open_approval(order)
    if found is not None:
        seen.check(expected, seen.row, found)
    changed = found is None or (found.pk, found.valid_until) != (approval.pk, approval.valid_until)
    if found is None or changed or found.state != ApprovalState.WAITING or order.state != OrderState.LIVE:
        raise Conflict("approval_not_waiting", "This payout does not wait for approval any more.")
    controls.check_payout(escrow, to_seller=order.to_seller, to_buyer=order.to_buyer)
    found.to_given()
    found.signature, found.approved_by, found.approved_at = "0x" + signature.hex(), person.pk, clock.now()
    found.save(update_fields=["state", "signature", "approved_by", "approved_at"])
    acting = Actor("staff", person.pk, person.name)
    transitions.record(found, source=ApprovalState.WAITING, target=found.state, actor=acting)
    audit.write(
        "payout.approved",
        subject_id=order.pk,
        actor_id=acting.id,
        actor_label=acting.label,
        data={"escrow": escrow.pk, "kind": order.kind, "approval": found.pk, "call": found.call_hash},
    )
    approvals.rest(order)
    orders.submit(order, escrow)
    events.of_order(order, escrow, "payout.approved")
    return order


def _find(approval_id: str) -> Approval:
    related = ("order__escrow__network", "order__escrow__token__network")
    found = Approval.objects.select_related(*related).filter(pk=approval_id).first()
    if found is None:
        raise NotFound("approval_not_found", "There is no such approval.")
    if found.state != ApprovalState.WAITING:
        raise Conflict("approval_not_waiting", "This payout does not wait for approval any more.")
    return found


def _check_person(person: User, order: Order) -> None:
    if not person.has_perm(PERMISSION):
        raise Forbidden("not_an_approver", "Approving payouts is a right of its own; ask for it.")
    parties = order.escrow.deal.parties.values_list("user_id", flat=True)
    if str(person.pk) == order.actor_id or person.pk in parties:
        raise Forbidden("own_payout", "Somebody who did not order it and is not a party approves it.")


def _check_amount(typed: str, order: Order) -> None:
    expected = at_stake(order)
    if not is_typed(typed, expected):
        message = f"Type the amount: {expected}."
        raise Invalid("amount_differs", message, [FieldError("/typed_amount", "differs", message)])


def _digest(approval: Approval, gate: Gate) -> bytes:
    return gates.approval_digest(
        gate,
        hot=approval.hot,
        call_hash=bytes.fromhex(approval.call_hash[2:]),
        until=approval.valid_until,
    )
