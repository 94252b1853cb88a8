"""What a network needs before escrows can be opened on it."""

from django.db import transaction

from chain.models import Network
from core import audit
from core.actors import SYSTEM
from core.errors import Conflict, Invalid
from payments.models import EscrowPolicy
from wallets.services import gates


@transaction.atomic
def ensure_policy(network: Network, *, seats: list[str], fee_recipient: str) -> EscrowPolicy:
    """The policy of a network, made if missing: new escrows name its gate as operator and these seats; old
    ones keep theirs. A known policy keeps its fee recipient.

    Raises `Conflict` before the network has a gate, `Invalid` with fewer than four seats: two must sign
    above the four-eyes amount, and two more must be there if one is lost.
    """
    gate = gates.active_gate(network)
    if gate is None:
        raise Conflict("gate_missing", "Deploy the operator of this network first: operator_deploy.")
    if len(seats) < 4:
        raise Invalid("too_few_seats", "A network needs at least four seats.")
    ordered = sorted(seats, key=lambda address: int(address, 16))
    policy, created = EscrowPolicy.objects.select_for_update().get_or_create(
        network=network,
        defaults={
            "operator": gate.address,
            "fee_recipient": fee_recipient,
            "seats": ordered,
            "mark_at_once": network.is_local,
        },
    )
    if created or (policy.operator, policy.seats) != (gate.address, ordered):
        policy.operator, policy.seats = gate.address, ordered
        policy.save(update_fields=["operator", "seats"])
        data = {"operator": gate.address, "seats": ordered}
        audit.write(
            "policy.changed",
            subject_id=network.slug,
            actor_id=SYSTEM.id,
            actor_label=SYSTEM.label,
            data=data,
        )
    return policy
