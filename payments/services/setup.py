"""What a network needs before escrows can be opened on it."""

from chain.models import Network, Sender
from core.errors import Invalid
from payments.models import EscrowPolicy
from payments.services.orders import OPERATOR


def ensure_policy(network: Network, *, seats: list[str], fee_recipient: str) -> EscrowPolicy:
    """The policy of a network, made if missing. New escrows name these seats; old ones keep theirs.

    Raises `Invalid` with fewer than four seats: two must sign above the four-eyes amount, and two more
    must be there if one is lost.
    """
    known = EscrowPolicy.objects.filter(network=network).first()
    if known is not None:
        return known
    if len(seats) < 4:
        raise Invalid("too_few_seats", "A network needs at least four seats.")
    operator = Sender.objects.get(network=network, purpose=OPERATOR)
    return EscrowPolicy.objects.create(
        network=network,
        operator=operator.address,
        fee_recipient=fee_recipient,
        seats=sorted(seats, key=lambda address: int(address, 16)),
        mark_at_once=network.is_local,
    )
