"""The operator's sender keys: one for each purpose, never a seat's key."""

from chain.models import Network, Sender
from chain.services import recovery
from chain.services.deployment import fund
from chain.services.keyless import PURPOSE as DEPLOYER
from chain.services.networks import register_sender, sender_of
from core.actors import Actor
from core.errors import Conflict
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
    known = sender_of(network, purpose)
    if known:
        return known
    key = create_key(Key.Purpose.SENDER)
    return register_sender(network, purpose, key.address, key.ref)


def replace_sender(network: Network, purpose: str, *, reason: str, acting: Actor) -> Sender:
    """A new key for a purpose, because the old one is lost or stolen. Talks to the node.

    The gate has to grant it before it can act there. Raises `Conflict` where no sender has the purpose.
    """
    old = sender_of(network, purpose)
    if old is None:
        raise Conflict("no_sender", f"{network.name} has no sender for {purpose}.")
    key = create_key(Key.Purpose.SENDER)
    new = recovery.replace_sender(old=old, address=key.address, key_ref=key.ref, reason=reason, acting=acting)
    if network.is_local:
        fund(network, new.address)
    return new
