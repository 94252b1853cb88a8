"""The operator's sender keys: one for each purpose, never a seat's key."""

from chain.models import Network, Sender
from chain.services.deployment import fund
from chain.services.keyless import PURPOSE as DEPLOYER
from chain.services.networks import register_sender
from wallets.models import Key
from wallets.services.keys import create_key

PURPOSES = ("payouts", "deadlines")


def ensure_senders(network: Network) -> list[Sender]:
    """The senders of every purpose on `network`, made if missing; funded on a local network. Idempotent."""
    senders = [_ensure(network, purpose) for purpose in PURPOSES]
    if network.is_local:
        for sender in senders:
            fund(network, sender.address)
    return senders


def ensure_deployer(network: Network) -> Sender:
    """The sender that pays for putting the contracts on `network`, made if missing. Idempotent."""
    return _ensure(network, DEPLOYER)


def _ensure(network: Network, purpose: str) -> Sender:
    known = Sender.objects.filter(network=network, purpose=purpose).first()
    if known:
        return known
    key = create_key(Key.Purpose.SENDER)
    return register_sender(network, purpose, key.address, key.ref)
