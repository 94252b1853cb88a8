"""What is above a cap waits for a second person. Asking, and using what was given; see `approving`."""

from datetime import datetime, timedelta

from django.conf import settings
from eth_utils.crypto import keccak

from chain.services.alarms import raise_alarm, resolve_alarm
from contracts import gate as gate_contract
from core import clock, deadlines, transitions
from core.actors import SYSTEM
from payments.models import Approval, Escrow, Order
from payments.services import chain_terms
from payments.services.routing import Route
from payments.states import ApprovalState
from wallets.models import Gate

APPROVAL = "approval"
WAITS_ALARM = "approval_waits"
OVERDUE_ALARM = "approval_overdue"
# A call that is signed this late before the approval's end would only be refused.
_MARGIN = timedelta(hours=1)
_VALID = timedelta(days=7)
_OPEN = (ApprovalState.WAITING, ApprovalState.GIVEN)


def open_approval(order: Order) -> Approval | None:
    """The approval of a locked order that waits or was given."""
    return Approval.objects.select_for_update().filter(order=order, state__in=_OPEN).first()


def is_needed(order: Order, way: Route) -> str:
    """Why this order needs a second person; empty where it does not.

    Beyond the cap of one escrow it is known beforehand. The cap of a day is counted by the chain alone, so
    that is learnt from its refusal.
    """
    if way.gate is None:
        return ""
    if way.over:
        return "above the cap of one escrow"
    refused = order.call is not None and gate_contract.is_above_cap(order.call.reason)
    # One who approved a try approved the effect, so the next try asks for it too.
    return "above the cap of the day" if refused or order.approvals.exists() else ""


def approved_calldata(order: Order, item: bytes, way: Route) -> bytes | None:
    """The call with the second key's signature; None while nobody has approved exactly this."""
    found = open_approval(order)
    if found is None or found.state != ApprovalState.GIVEN or way.gate is None:
        return None
    if not _fits(found, item, way):
        _close(found, "it was for another call, or is too old")
        return None
    return gate_contract.act_approved(
        item,
        second=way.gate.second,
        deadline=int(found.valid_until.timestamp()),
        signature=bytes.fromhex(found.signature[2:]),
    )


def ask(order: Order, escrow: Escrow, item: bytes, way: Route, why: str) -> Approval:
    """Have a locked order wait for a second person; people are told, and told again when it is overdue."""
    found = open_approval(order)
    if found is not None:
        return found
    gate = _gate(way)
    now = clock.now().replace(microsecond=0)
    approval = Approval.objects.create(
        order=order,
        why=why,
        gate=gate.address,
        hot=way.hot,
        call_hash="0x" + keccak(item).hex(),
        valid_until=now + _VALID,
        created=now,
    )
    transitions.record(approval, source="", target=approval.state, actor=SYSTEM, why=why)
    due = now + timedelta(seconds=settings.CLOCKS["approval"])
    deadlines.start(APPROVAL, order.pk, due, backstop_at=backstop(order, escrow))
    raise_alarm(escrow.network, WAITS_ALARM, order.pk, f"{order.kind} for {escrow.pk}: {why}")
    return approval


def drop(order: Order, why: str) -> None:
    """The order ended: nobody has to approve it any more."""
    found = open_approval(order)
    if found is not None:
        _close(found, why)
        rest(order)


def rest(order: Order) -> None:
    """Nobody waits for the second person any more."""
    deadlines.cancel(APPROVAL, order.pk)
    for kind in (WAITS_ALARM, OVERDUE_ALARM):
        resolve_alarm(order.escrow.network, kind, order.pk)


def backstop(order: Order, escrow: Escrow) -> datetime | None:
    """When anyone can move this money on the chain, if nobody approves: to the side that it was decided for,
    once `approving.keep_side` is final there."""
    if escrow.fallback_after is not None:
        return escrow.fallback_after
    whole = clock.now().replace(microsecond=0) + timedelta(seconds=chain_terms.of(escrow).inspection)
    if order.to_seller == escrow.remainder:
        return escrow.marked_until or whole
    if order.to_buyer == escrow.remainder and escrow.marked_until and escrow.deliver_by:
        return max(escrow.deliver_by, whole)
    return escrow.marked_until or escrow.deliver_by


def _fits(approval: Approval, item: bytes, way: Route) -> bool:
    same = (approval.call_hash, approval.gate, approval.hot) == (
        "0x" + keccak(item).hex(),
        way.target,
        way.hot,
    )
    return same and clock.now() + _MARGIN < approval.valid_until


def _close(approval: Approval, why: str) -> None:
    source = approval.state
    approval.to_closed()
    approval.save(update_fields=["state"])
    transitions.record(approval, source=source, target=approval.state, actor=SYSTEM, why=why)


def _gate(way: Route) -> Gate:
    if way.gate is None:
        raise ValueError("only a gate knows caps")
    return way.gate
