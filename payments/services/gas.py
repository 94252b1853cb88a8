"""How much gas each action may use: static bounds, never an estimate, that a network's data can change.

A bound is only a limit: what is not used costs nothing. It must hold the contract's own gas floors (150,000 a
leg), the vault's deployment and a token that is paused, at the prices of EIP-8037 too: there 573,831 were
measured for a rescue, 991,573 for a part payment with its fee, 688,075 for a leg of a token with a fee.
"""

from collections.abc import Mapping

from django.db import transaction

from chain.models import Network
from chain.txm.batching import room
from core import audit
from core.actors import Actor
from core.errors import Invalid
from payments.models import OrderKind

DEFAULTS = {
    OrderKind.PAY: 1_150_000,
    OrderKind.RULE: 1_500_000,
    OrderKind.CLAIM_UNFUNDED: 900_000,
    OrderKind.CLAIM_FALLBACK: 1_500_000,
    OrderKind.CANCEL: 700_000,
    OrderKind.RESCUE: 700_000,
    OrderKind.PAY_LEG: 1_500_000,
    OrderKind.MARK: 400_000,
    OrderKind.REOPEN: 400_000,
    OrderKind.DISPUTE: 500_000,
    OrderKind.WITHDRAW: 400_000,
    OrderKind.EXTEND: 400_000,
}
# The contracts start no item of a batch with less.
LEAST = 350_000


def bound(network: Network, kind: str) -> int:
    """Gas that one call of this kind is signed with on the network."""
    return int(network.gas_bounds.get(kind) or DEFAULTS[OrderKind(kind)])


def bounds(network: Network) -> dict[str, int]:
    """Every bound in force on a network."""
    return {str(kind): bound(network, kind) for kind in DEFAULTS}


@transaction.atomic
def set_bounds(*, network: Network, changes: Mapping[str, int], reason: str, acting: Actor) -> dict[str, int]:
    """Set bounds of a network; 0 goes back to the default. What is ordered from now on has them. Returns all.

    Raises `Invalid` without a reason, for a kind that is none, below what the contracts start with, or above
    what one transaction holds.
    """
    if not reason.strip():
        raise Invalid("reason_missing", "Say why these actions may use other amounts of gas.")
    row = Network.objects.select_for_update().get(pk=network.pk)
    for kind, gas in changes.items():
        if kind not in DEFAULTS:
            raise Invalid("gas_bound", f"{kind} is no kind of order; known are {', '.join(DEFAULTS)}.")
        if gas and not LEAST <= gas <= room(row):
            raise Invalid("gas_bound", f"{kind} may use {LEAST} to {room(row)} gas; it would be {gas}.")
    before = bounds(row)
    kept = {kind: gas for kind, gas in (row.gas_bounds | dict(changes)).items() if gas}
    Network.objects.filter(pk=row.pk).update(gas_bounds=kept)
    row.gas_bounds = kept
    after = bounds(row)
    told = {kind: f"{before[kind]} -> {after[kind]}" for kind in sorted(changes)}
    data = {"reason": reason, **told}
    audit.write("network.gas", subject_id=row.slug, actor_id=acting.id, actor_label=acting.label, data=data)
    return after
