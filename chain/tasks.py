"""Celery's part: a lease, one service call and a log. Everything here is also found by the sweep."""

from collections.abc import Callable
from datetime import timedelta

import structlog
from celery import shared_task
from django.conf import settings

from chain.models import Network
from chain.rpc.errors import RpcError
from chain.services import audit, breaker, indexer, networks, providers, pulse, sender
from chain.services.alarms import raise_alarm
from chain.signing import SIGNER_FAILURES
from core import heartbeat, leases

log = structlog.get_logger(__name__)
# Longer than any healthy round; a dead worker's duty is free again after it. Safety does not rest on it.
_LEASE = timedelta(seconds=settings.CHAIN_LEASE_SECONDS)


def _duty(name: str, network_id: int, work: Callable[[Network], object]) -> None:
    """Do `work` unless another worker has this duty.

    A network whose node or contract is not the configured one is refused with an alarm. A node that does
    not answer is logged, and a network none of whose nodes answers rests for a while: the work stays in the
    tables for the next time.
    """
    network = Network.objects.get(pk=network_id)
    try:
        with leases.held(f"chain.{name}:{network_id}", _LEASE) as won:
            if won:
                with breaker.guarded(network):
                    networks.ensure_verified(network)
                    work(network)
                # Only who did it says so: a duty whose holder hangs must be seen to stop.
                heartbeat.beat(f"chain.{name}:{network.slug}")
        pulse.watch(network)
    except breaker.Resting:
        log.info("network_rests", duty=name, network=network.slug)
    except (RpcError, *SIGNER_FAILURES) as error:
        log.warning("duty_failed", duty=name, network=network.slug, error=str(error)[:200])
    except networks.UnfitNode as error:
        raise_alarm(network, "unfit_node", detail=str(error))


@shared_task(name="chain.index")
def index(network_id: int) -> None:
    """Read new blocks, until there are none."""
    _duty("index", network_id, indexer.read_all)


@shared_task(name="chain.send_due")
def send_due(network_id: int) -> None:
    """Sign what was ordered and broadcast what was signed."""
    _duty("send", network_id, sender.send_due)


@shared_task(name="chain.confirm")
def confirm(network_id: int) -> None:
    """Look for receipts and close what is final."""
    _duty("confirm", network_id, sender.confirm_due)


@shared_task(name="chain.audit")
def audit_balances(network_id: int) -> None:
    """Prove, in one round a day, that no transfer of any watched address is missing."""
    _duty("audit", network_id, audit.go_on)


@shared_task(name="chain.second_pass")
def second_pass(network_id: int) -> None:
    """Read old final ranges once more, by another provider."""
    _duty("second_pass", network_id, indexer.read_again)


@shared_task(name="chain.inspect_providers")
def inspect_providers(network_id: int) -> None:
    """Ask every provider where it stands."""
    _duty("inspect", network_id, providers.inspect)
