"""One provider per unit of work; the next one takes over when it fails. Never inside a transaction."""

from collections.abc import Callable
from typing import TypeVar

import structlog

from chain.models import Network, Provider
from chain.rpc.client import Rpc
from chain.rpc.errors import AllProvidersFailed, RangeTooLarge, Reverted, RpcError
from core.netguard import assert_no_transaction

log = structlog.get_logger(__name__)
T = TypeVar("T")


def providers(network: Network) -> list[Provider]:
    """Enabled providers, the preferred one first."""
    return list(Provider.objects.filter(network=network, enabled=True).order_by("priority", "pk"))


def run(network: Network, work: Callable[[Rpc], T]) -> T:
    """Do all of `work` with one provider whose chain id was checked; start over with the next on failure.

    `work` only reads the chain and returns what it found: it may run more than once. Raises
    `AllProvidersFailed`. What a contract refuses, or a range that is too large, is an answer and is raised
    as it is.
    """
    assert_no_transaction("chain work")
    causes: list[RpcError] = []
    for provider in providers(network):
        rpc = Rpc(network, provider)
        try:
            rpc.check_chain()
            return work(rpc)
        except (Reverted, RangeTooLarge):
            raise
        except RpcError as error:
            log.warning(
                "provider_failed", network=network.slug, provider=str(rpc), error=type(error).__name__,
                detail=str(error)[:200],
            )  # fmt: skip
            causes.append(error)
    raise AllProvidersFailed(causes)
