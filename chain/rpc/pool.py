"""One provider per unit of work; the next one takes over when it fails. Never inside a transaction."""

import random
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import structlog

from chain.models import Network, Provider
from chain.rpc import health
from chain.rpc.client import Rpc
from chain.rpc.errors import (
    AllProvidersFailed,
    LogsRefused,
    RateLimited,
    Reverted,
    RpcError,
    SilentOnRange,
    Unreachable,
)
from core import clock
from core.netguard import assert_no_transaction

log = structlog.get_logger(__name__)
T = TypeVar("T")
# What stands in nobody's way to be believed: a contract refused, a range is too large.
ANSWERS = (Reverted, LogsRefused)

# Between two rounds over all providers; only work that may safely be done twice has a second round.
_PAUSE = (0.05, 0.2)


def providers(network: Network) -> list[Provider]:
    """Enabled providers, the fittest first; none is ever left out."""
    rows = Provider.objects.filter(network=network, enabled=True).order_by("priority", "pk")
    return health.in_order(rows, clock.now())


def run(network: Network, work: Callable[[Rpc], T], *, order: Sequence[Provider] | None = None) -> T:
    """Do all of `work` with one provider whose chain id was checked; start over with the next on failure.

    `work` only reads the chain and returns what it found: it may run more than once. `order` names whom to
    ask instead of all. Raises `AllProvidersFailed`; `LogsRefused` if it was a refusal of logs for any of
    them. What a contract refuses is an answer and is raised as it is.
    """
    assert_no_transaction("chain work")
    causes: list[RpcError] = []
    for provider in providers(network) if order is None else order:
        try:
            return ask(network, provider, work)
        except Reverted:
            raise
        except RpcError as error:
            causes.append(error)
    raise none_answered(causes)


def none_answered(causes: Sequence[RpcError]) -> RpcError:
    """What to raise when nobody did the work: a refusal of logs, which can be asked for in smaller parts."""
    refusal = next((cause for cause in causes if isinstance(cause, LogsRefused)), None)
    return refusal or AllProvidersFailed(list(causes))


def read(network: Network, work: Callable[[Rpc], T], *, order: Sequence[Provider] | None = None) -> T:
    """`run` for work that changes nothing anywhere: a second round follows if nobody could be reached."""
    try:
        return run(network, work, order=order)
    except AllProvidersFailed as error:
        if not error.causes or not all(_fleeting(cause) for cause in error.causes):
            raise
    time.sleep(random.uniform(*_PAUSE))  # noqa: S311
    return run(network, work, order=order)


def _fleeting(error: RpcError) -> bool:
    """Dropped or refused at once. What took its whole timeout, or wants us to wait, is not tried at once."""
    waits = isinstance(error, SilentOnRange | RateLimited)
    return isinstance(error, Unreachable) and not waits and not error.slow


def ask(network: Network, provider: Provider, work: Callable[[Rpc], T]) -> T:
    """`work` with this one provider; its health is noted. Raises what went wrong.

    One that wants to be left alone is not asked before its time: `RateLimited`.
    """
    if (left := health.still_limited(provider, clock.now())) > 0:
        raise RateLimited("not asked again yet", seconds=left)
    rpc = Rpc(network, provider)
    try:
        rpc.check_chain()
        found = work(rpc)
    except ANSWERS:
        raise
    except RateLimited as error:
        log.warning("provider_limits", network=network.slug, provider=str(rpc), detail=str(error)[:200])
        health.limited(network, provider, error)
        raise
    except RpcError as error:
        log.warning(
            "provider_failed", network=network.slug, provider=str(rpc), error=type(error).__name__,
            detail=str(error)[:200],
        )  # fmt: skip
        health.failed(network, provider, error)
        raise
    health.answered(provider)
    return found
