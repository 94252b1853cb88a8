"""Celery's part: a lease, one service call and a log. Everything here is also found by the sweep."""

from datetime import timedelta

from celery import shared_task
from django.conf import settings

from chain.models import Network
from chain.services import audit, indexer, networks, sender
from core import leases

# Longer than any healthy round; a dead worker's duty is free again after it. Safety does not rest on it.
_LEASE = timedelta(seconds=settings.CHAIN_LEASE_SECONDS)
# Rounds of reading in one turn; what is left is read in the next.
_STEPS = 10


def _network(network_id: int) -> Network:
    """A worker refuses a network whose node or contract is not the configured one."""
    network = Network.objects.get(pk=network_id)
    networks.ensure_verified(network)
    return network


@shared_task(name="chain.index")
def index(network_id: int) -> None:
    """Read new blocks, until there are none or the turn is over: a fast chain must not starve the rest."""
    network = _network(network_id)
    with leases.held(f"chain.index:{network_id}", _LEASE) as won:
        for _ in range(_STEPS):
            if not won or not indexer.step(network):
                return


@shared_task(name="chain.send_due")
def send_due(network_id: int) -> None:
    """Sign what was ordered and broadcast what was signed."""
    network = _network(network_id)
    with leases.held(f"chain.send:{network_id}", _LEASE) as won:
        if won:
            sender.assign_due(network)
            sender.broadcast_due(network)


@shared_task(name="chain.confirm")
def confirm(network_id: int) -> None:
    """Look for receipts and close what is final."""
    network = _network(network_id)
    with leases.held(f"chain.confirm:{network_id}", _LEASE) as won:
        if won:
            sender.confirm_due(network)


@shared_task(name="chain.audit")
def audit_balances(network_id: int) -> None:
    """Nightly: prove that no transfer of any watched address is missing."""
    audit.check_balances(_network(network_id))
