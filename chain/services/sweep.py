"""All due work of the engine, found in the tables: what Celery does sooner, this does without it."""

from collections.abc import Callable

import structlog

from chain.models import Network
from chain.rpc.errors import RpcError
from chain.services import breaker, indexer, networks, sender
from chain.services.alarms import raise_alarm
from chain.signing import SIGNER_FAILURES

log = structlog.get_logger(__name__)
DUTIES: tuple[Callable[[Network], object], ...] = (
    indexer.step,
    sender.send_and_confirm,
    indexer.read_again_once,
)


def sweep(network: Network, rounds: int = 50) -> bool:
    """Do all due reading and sending of one network once. True if anything was done.

    A node or a signer that fails is logged and alarmed, an unfit node refused with an alarm; the work
    stays in the tables for the next time.
    """
    try:
        with breaker.guarded(network):
            networks.ensure_verified(network)
    except networks.UnfitNode as error:
        raise_alarm(network, "unfit_node", detail=str(error))
        return False
    except (RpcError, breaker.Resting) as error:
        log.warning("sweep_failed", network=network.slug, error=str(error)[:200])
        return False
    return sum(_often(duty, network, rounds) for duty in DUTIES) > 0


def _often(duty: Callable[[Network], object], network: Network, rounds: int) -> bool:
    worked = False
    for _ in range(rounds):
        try:
            with breaker.guarded(network):
                done = duty(network)
        except (RpcError, breaker.Resting, *SIGNER_FAILURES) as error:
            log.warning("sweep_failed", network=network.slug, error=str(error)[:200])
            break
        if not done:
            break
        worked = True
    return worked
