"""Rings when a network has a new head: by subscription where offered, else at the network's block time.

A lost ring costs latency: the schedule rings as well, and a ring finds its work in the tables.
"""

import random
import threading
from collections.abc import Callable

import structlog
from django.db import close_old_connections

from chain.models import Network, Provider
from chain.rpc import pool, subscription
from chain.rpc.errors import RpcError

log = structlog.get_logger(__name__)
Ring = Callable[[int], object]

# A subscription that says nothing for so many blocks is dead, however healthy its socket looks.
_SILENT_BLOCKS, _SHORTEST_SILENCE = 5, 15.0
# How long is polled before a subscription is tried again; doubles.
_FIRST_RETRY, _LAST_RETRY = 2.0, 60.0


def follow(network: Network, ring: Ring, stop: threading.Event) -> None:
    """Call `ring(network_id)` for every new head until `stop` is set; for a thread of its own."""
    retry = _FIRST_RETRY
    while not stop.is_set():
        if subscribe_once(network, ring, stop):
            retry = _FIRST_RETRY
        poll(network, ring, stop, retry * random.uniform(0.75, 1.25))  # noqa: S311
        retry = min(_LAST_RETRY, retry * 2)


def subscribe_once(network: Network, ring: Ring, stop: threading.Event) -> bool:
    """Follow the subscription of the fittest provider that offers one, until it ends.

    True if it told any head. A provider that fails is logged; the next one is tried.
    """
    told = False
    for provider in _offering(network):
        try:
            for _ in subscription.heads(provider.ws_url, network.chain_id, _silence(network), stop):
                told = True
                ring(network.pk)
            return told
        except RpcError as error:
            detail = f"{type(error).__name__}: {error}"
            log.warning(
                "subscription_ended", network=network.slug, provider=str(provider), error=detail[:200]
            )
            if told:
                return True
    return told


def poll(network: Network, ring: Ring, stop: threading.Event, seconds: float) -> None:
    """Ring at the network's block time for about `seconds`."""
    left = seconds
    while left > 0 and not stop.is_set():
        ring(network.pk)
        stop.wait(max(1, network.block_time))
        left -= max(1, network.block_time)


def _offering(network: Network) -> list[Provider]:
    close_old_connections()  # this thread outlives what the database allows a connection
    return [provider for provider in pool.providers(network) if provider.ws_url]


def _silence(network: Network) -> float:
    return max(_SHORTEST_SILENCE, float(_SILENT_BLOCKS * network.block_time))
