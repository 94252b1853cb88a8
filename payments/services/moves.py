"""The one way an escrow changes state: transition, named fields, log line. The caller holds the lock."""

from core import clock, transitions
from core.actors import Actor
from payments.models import Escrow
from payments.states import TERMINAL


def move(
    escrow: Escrow,
    target: str,
    *,
    actor: Actor,
    why: str = "",
    tx_hash: str = "",
    fields: tuple[str, ...] = (),
) -> Escrow:
    """Take a locked escrow to `target`, saving also `fields` that the caller set."""
    source = escrow.state
    getattr(escrow, f"to_{target}")()
    changed = {"state", *fields}
    if target in TERMINAL:
        escrow.closed_at = clock.now()
        changed.add("closed_at")
    escrow.save(update_fields=sorted(changed))
    transitions.record(escrow, source=source, target=target, actor=actor, why=why, tx_hash=tx_hash)
    return escrow
