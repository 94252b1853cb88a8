"""Kill switches and holds: what stands in the way of new money or of outgoing money."""

from django.db import transaction

from chain.models import Network
from core import audit
from core.actors import Actor
from core.errors import Conflict, Held, Invalid
from payments.locks import lock_escrow
from payments.models import Escrow, KillSwitch
from payments.services import events


def check_intake(network: Network) -> None:
    """Raise `Held` while no new deals are taken on this network."""
    if not network.enabled or network.halted_reason or _stopped(network, KillSwitch.Kind.INTAKE):
        raise Held(
            "intake_stopped", f"New deals on {network.name} are paused at the moment. Try again later."
        )


def check_payout(escrow: Escrow, *, to_seller: int, to_buyer: int) -> None:
    """Raise `Held` while a hold, a freeze or a kill switch stops this money."""
    if escrow.frozen or escrow.held_reason:
        raise Held("escrow_held", "This escrow is on hold; an operator is looking at it. The money is safe.")
    if escrow.network.halted_reason:
        raise Held("network_halted", f"Payouts on {escrow.network.name} are stopped at the moment.")
    for units, kind in ((to_seller, KillSwitch.Kind.RELEASE), (to_buyer, KillSwitch.Kind.REFUND)):
        if units and _stopped(escrow.network, kind):
            raise Held(f"{kind}_stopped", f"Every {kind} on {escrow.network.name} is paused at the moment.")


@transaction.atomic
def place_hold(*, escrow_id: str, reason: str, acting: Actor) -> Escrow:
    """Stop every order that pays out of this escrow until lifted. Raises `Invalid` without a reason."""
    if not reason.strip():
        raise Invalid("reason_missing", "Say why the money is held.")
    return _set_hold(escrow_id, reason[:200], "hold.placed", acting)


@transaction.atomic
def lift_hold(*, escrow_id: str, acting: Actor) -> Escrow:
    """Let orders go on."""
    return _set_hold(escrow_id, "", "hold.lifted", acting)


@transaction.atomic
def unfreeze(*, escrow_id: str, reason: str, acting: Actor) -> Escrow:
    """A person has found out why books and chain differed and lets money leave again.

    A difference that is still there freezes the escrow again at the next comparison. Raises `Invalid`
    without a reason, `Conflict` if nothing froze it.
    """
    if not reason.strip():
        raise Invalid("reason_missing", "Say what was found.")
    escrow = lock_escrow(escrow_id)
    if not escrow.frozen:
        raise Conflict("not_frozen", "This escrow is not frozen.")
    escrow.frozen = False
    escrow.save(update_fields=["frozen"])
    _write_down(escrow, "hold.unfrozen", reason.strip(), acting)
    events.of_escrow(escrow, "hold.lifted")
    return escrow


@transaction.atomic
def set_switch(*, network: Network, kind: str, stopped: bool, reason: str, acting: Actor) -> KillSwitch:
    """Stop or start intake, releases or refunds of a network."""
    switch, _ = KillSwitch.objects.select_for_update().get_or_create(network=network, kind=kind)
    switch.stopped, switch.reason = stopped, reason[:200]
    switch.save(update_fields=["stopped", "reason"])
    audit.write(
        "switch.stopped" if stopped else "switch.started",
        subject_id=f"{network.slug}:{kind}",
        actor_id=acting.id,
        actor_label=acting.label,
        data={"reason": reason},
    )
    return switch


def _set_hold(escrow_id: str, reason: str, type_: str, acting: Actor) -> Escrow:
    escrow = lock_escrow(escrow_id)
    escrow.held_reason = reason
    escrow.save(update_fields=["held_reason"])
    _write_down(escrow, type_, reason, acting)
    events.of_escrow(escrow, type_)
    return escrow


def _write_down(escrow: Escrow, action: str, reason: str, acting: Actor) -> None:
    data = {"reason": reason}
    audit.write(action, subject_id=escrow.pk, actor_id=acting.id, actor_label=acting.label, data=data)


def _stopped(network: Network, kind: str) -> bool:
    return KillSwitch.objects.filter(network=network, kind=kind, stopped=True).exists()
