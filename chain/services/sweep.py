"""All due work of the engine, found in the tables: what Celery does sooner, this does without it."""

import structlog

from chain.models import Network
from chain.rpc.errors import RpcError
from chain.services import indexer, sender

log = structlog.get_logger(__name__)


def sweep(network: Network, rounds: int = 50) -> bool:
    """Do all due reading and sending of one network once. True if anything was done.

    A node that does not answer is logged and alarmed; the work stays in the tables for the next time.
    """
    worked = False
    for duty in (indexer.step, sender.send_and_confirm):
        for _ in range(rounds):
            try:
                if not duty(network):
                    break
            except RpcError as error:
                log.warning("sweep_failed", network=network.slug, error=str(error)[:200])
                break
            worked = True
    return worked


def sweep_all() -> bool:
    """`sweep` for every enabled network."""
    networks = Network.objects.filter(enabled=True).order_by("pk")
    return sum(sweep(network) for network in networks) > 0
