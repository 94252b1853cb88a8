"""Kill switches and holds: what stands in the way of new money or of outgoing money."""

from django.db import transaction
from django.db.models import QuerySet

from chain.models import Network, Token
from chain.services.alarms import resolve_alarm
from chain.services.calls import set_held
from core import audit, seen
from core.actors import SYSTEM, Actor
from core.errors import Conflict, Held, Invalid
from payments.locks import keep_switch, lock_escrow, throw_switch
from payments.models import PAYING, Escrow, KillSwitch, Order, OrderKind
from payments.services import clocks, events
from payments.services.seen import of_hold
from payments.states import OrderState

# Deadline work is exempt from kill switches: a ruling that is not executed in time becomes the fallback.
_NO_SWITCH = (OrderKind.RULE,)
BOOKS_DIFFER = "books_differ"
# Its subject is the escrow and the token.
UNEXPLAINED = "books_unexplained"
# An escrow that was put on hold because a party cannot act.
PARTY_AWAY = "party_away"
TOKEN_STOPPED = "token_stopped"  # noqa: S105  (an ERC-20 token)
# What is stopped: a kind, of one token or of the whole network.
Stop = tuple[str, int | None]


def check_intake(network: Network) -> None:
    """Raise `Held` while no new deals are taken on this network."""
    stopped = (KillSwitch.Kind.INTAKE, None) in _stops(network)
    if not network.enabled or network.halted_reason or stopped:
        raise Held(
            "intake_stopped", f"New deals on {network.name} are paused at the moment. Try again later."
        )


def check_order(
    escrow: Escrow, kind: OrderKind, *, to_seller: int, to_buyer: int, token_id: int | None = None
) -> None:
    """Raise `Held` while something stops this order; what moves no money is never stopped. `token_id` where
    it pays another token than the escrow's."""
    if kind in _NO_SWITCH:
        check_payout(escrow, to_seller=0, to_buyer=0)
    elif kind in PAYING:
        check_payout(escrow, to_seller=to_seller, to_buyer=to_buyer, token_id=token_id)


def check_payout(escrow: Escrow, *, to_seller: int, to_buyer: int, token_id: int | None = None) -> None:
    """Raise `Held` while a hold, a freeze or a kill switch stops this money, in the escrow's token unless
    `token_id` names another."""
    if escrow.frozen or escrow.held_reason:
        raise Held("escrow_held", "This escrow is on hold; an operator is looking at it. The money is safe.")
    if escrow.network.halted_reason:
        raise Held("network_halted", f"Payouts on {escrow.network.name} are stopped at the moment.")
    stopped = _stops(escrow.network)
    for units, kind in ((to_seller, KillSwitch.Kind.RELEASE), (to_buyer, KillSwitch.Kind.REFUND)):
        if units and (kind, None) in stopped:
            raise Held(f"{kind}_stopped", f"Every {kind} on {escrow.network.name} is paused at the moment.")
    if to_seller + to_buyer and (KillSwitch.Kind.TOKEN, token_id or escrow.token_id) in stopped:
        raise Held(
            "token_stopped", f"Payouts of this token on {escrow.network.name} are paused at the moment."
        )


def is_stopped(order: Order, escrow: Escrow) -> bool:
    """Whether the call of an order may not be signed now. Switches stay as they are in this transaction.

    A halted network is not asked: it signs nothing anyway.
    """
    if order.kind not in PAYING:
        return False
    wait_for_switches(escrow.network)
    return _is_stopped(order, escrow, _stops(escrow.network))


def wait_for_switches(network: Network) -> None:
    """Until the end of this transaction no switch of the network is thrown: one that is thrown later finds
    every call that was ordered before it."""
    keep_switch(network.slug)


@transaction.atomic
def place_hold(*, escrow_id: str, reason: str, acting: Actor, expected: str | None = None) -> Escrow:
    """Stop every payout of this escrow that is not signed yet, until lifted. Raises `Invalid` without a
    reason. Where the chain's inspection runs it is stopped before anyone could claim the money."""
    if not reason.strip():
        raise Invalid("reason_missing", "Say why the money is held.")
    return _set_hold(escrow_id, reason[:200], "hold.placed", acting, expected)


@transaction.atomic
def lift_hold(*, escrow_id: str, acting: Actor, expected: str | None = None) -> Escrow:
    """Let orders go on. `expected` is what the operator saw of the hold (`seen.of_hold`), or of a switch
    (`core.seen.row`): in every service of this module `Conflict` where it is another by now."""
    escrow = _set_hold(escrow_id, "", "hold.lifted", acting, expected)
    resolve_alarm(escrow.network, PARTY_AWAY, escrow.pk)
    return escrow


def freeze(escrow: Escrow) -> None:
    """Books and chain of a locked escrow tell two stories: nothing leaves it until a person has looked."""
    if escrow.frozen:
        return
    escrow.frozen = True
    escrow.save(update_fields=["frozen"])
    review(escrow)
    events.of_escrow(escrow, "hold.placed", by=SYSTEM.id)


def unexplained_in(escrow: Escrow, token_address: str) -> str:
    """What an alarm about an unexplained difference is about: each token of a vault has its own."""
    return f"{escrow.pk}:{token_address}"


@transaction.atomic
def unfreeze(*, escrow_id: str, reason: str, acting: Actor, expected: str | None = None) -> Escrow:
    """A person has found out why books and chain differed and lets money leave again.

    A difference that is still there freezes the escrow again at the next comparison. Raises `Invalid`
    without a reason, `Conflict` if nothing froze it.
    """
    if not reason.strip():
        raise Invalid("reason_missing", "Say what was found.")
    escrow = lock_escrow(escrow_id)
    seen.check(expected, of_hold, escrow)
    if not escrow.frozen:
        raise Conflict("not_frozen", "This escrow is not frozen.")
    escrow.frozen = False
    escrow.save(update_fields=["frozen"])
    resolve_alarm(escrow.network, BOOKS_DIFFER, escrow.pk)
    for address in Token.objects.filter(network=escrow.network).values_list("address", flat=True):
        resolve_alarm(escrow.network, UNEXPLAINED, unexplained_in(escrow, address))
    review(escrow)
    _write_down(escrow, "hold.unfrozen", reason.strip(), acting)
    events.of_escrow(escrow, "hold.lifted")
    return escrow


@transaction.atomic
def set_switch(
    *,
    network: Network,
    kind: str,
    stopped: bool,
    reason: str,
    acting: Actor,
    token: Token | None = None,
    expected: str | None = None,
) -> KillSwitch:
    """Stop or start intake, releases or refunds of a network, or all that one `token` pays; those that wait
    to be signed as well. Raises `Invalid` where a token is started again without a reason."""
    if token is not None and not stopped and not reason.strip():
        raise Invalid("reason_missing", "Say why money of this token may leave again.")
    throw_switch(network.slug)
    switch, _ = KillSwitch.objects.select_for_update(of=("self",)).get_or_create(
        network=network, kind=kind, token=token
    )
    seen.check(expected, seen.row, switch)
    switch.stopped, switch.reason = stopped, reason[:200]
    switch.save(update_fields=["stopped", "reason"])
    _review(network, Order.objects.filter(escrow__network=network))
    if token is not None and not stopped:
        resolve_alarm(network, TOKEN_STOPPED, token.address)
    audit.write(
        "switch.stopped" if stopped else "switch.started",
        subject_id=f"{network.slug}:{kind}" + (f":{token.address}" if token else ""),
        actor_id=acting.id,
        actor_label=acting.label,
        data={"reason": reason},
    )
    return switch


def _set_hold(escrow_id: str, reason: str, type_: str, acting: Actor, expected: str | None) -> Escrow:
    escrow = lock_escrow(escrow_id)
    seen.check(expected, of_hold, escrow)
    escrow.held_reason = reason
    escrow.save(update_fields=["held_reason"])
    review(escrow)
    clocks.watch_hold(escrow)
    _write_down(escrow, type_, reason, acting)
    events.of_escrow(escrow, type_)
    return escrow


def review(escrow: Escrow) -> None:
    """Hold back or let go the payouts of a locked escrow that wait to be signed, as things stand now."""
    wait_for_switches(escrow.network)
    _review(escrow.network, Order.objects.filter(escrow=escrow))


def _review(network: Network, orders: QuerySet[Order]) -> None:
    stopped = _stops(network)
    live = orders.filter(kind__in=PAYING, state=OrderState.LIVE, call__outcome="waiting")
    calls: dict[bool, list[str]] = {True: [], False: []}
    for order in live.select_related("escrow"):
        calls[_is_stopped(order, order.escrow, stopped)].append(str(order.call_id))
    for held, ids in calls.items():
        set_held(network, ids, held=held)


def _is_stopped(order: Order, escrow: Escrow, stopped: set[Stop]) -> bool:
    if escrow.frozen or escrow.held_reason:
        return True
    if order.kind in _NO_SWITCH:
        return False
    parts = ((order.to_seller, KillSwitch.Kind.RELEASE), (order.to_buyer, KillSwitch.Kind.REFUND))
    if (KillSwitch.Kind.TOKEN, order.payload.get("token_id", escrow.token_id)) in stopped:
        return True
    return any(units and (kind, None) in stopped for units, kind in parts)


def _stops(network: Network) -> set[Stop]:
    return set(KillSwitch.objects.filter(network=network, stopped=True).values_list("kind", "token"))


def _write_down(escrow: Escrow, action: str, reason: str, acting: Actor) -> None:
    data = {"reason": reason}
    audit.write(action, subject_id=escrow.pk, actor_id=acting.id, actor_label=acting.label, data=data)
