"""What is known of a provider: whom to ask first, and who rests after too many failures.

It stands in the provider's row, so all workers on all machines share it. Nobody is ever dropped: who is
unfit is asked after the others, and when everybody is unfit a human is called and all are asked all the same,
but for those who asked us to wait: asking them sooner only makes the wait longer.
"""

import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db.models import F
from django.db.models.functions import Greatest

from chain.models import Network, Provider
from chain.rpc import waits
from chain.rpc.errors import RateLimited, RpcError, WrongChain
from chain.services.alarms import raise_alarm, resolve_alarm
from core import clock

# A failure fills the budget by COST, an answer drains it by one: more than a third of failures fills it up.
COST, BUDGET = 2, 10
SHORTEST_REST, LONGEST_REST = 5.0, 300.0
_UNLIKE = 1.25  # so much longer at most does one provider rest than another that said the same
_MOST = 60  # what the budget holds at most, so that recovery is not endless


def faulty(count: int) -> int:
    """How many of `count` providers may lie or fail while the others can still outvote them."""
    return max(0, (count - 1) // 3)


def in_order(providers: Iterable[Provider], now: datetime) -> list[Provider]:
    """The fit ones by priority, then the lagging, the resting, and at last those that withheld or forged."""
    return sorted(
        providers,
        key=lambda row: (
            bool(row.demoted_reason),
            resting(row, now) or still_limited(row, now) > 0,
            row.lagging,
            row.priority,
            row.pk,
        ),
    )


def resting(provider: Provider, now: datetime) -> bool:
    """Whether it is asked only when no other answers."""
    return provider.rests_until is not None and provider.rests_until > now


def still_limited(provider: Provider, now: datetime) -> float:
    """Seconds for which it wants to be left alone from now on; 0 or less for none."""
    left = (provider.limited_until - now).total_seconds() if provider.limited_until else 0.0
    # More than is ever kept was written by a host whose clock is ahead: no money waits for that.
    return left if left <= waits.LONGEST * _UNLIKE else 0.0


def limited(network: Network, provider: Provider, error: RateLimited) -> None:
    """It wants to be left alone: as long as it says, or longer each time. Alarms when that does not end."""
    row = Provider.objects.filter(pk=provider.pk)
    row.update(errors=F("errors") + COST, last_error=f"{type(error).__name__}: {error}"[:120])
    provider.refresh_from_db(fields=["errors"])
    seconds = waits.growing(provider.errors // COST) if error.seconds is None else error.seconds
    provider.limited_until = clock.now() + timedelta(seconds=seconds * random.uniform(1.0, _UNLIKE))  # noqa: S311
    row.update(limited_until=provider.limited_until, errors=min(provider.errors, _MOST))
    if provider.errors >= BUDGET:
        raise_alarm(network, "rate_limited", str(provider), str(error)[:300])


def answered(provider: Provider) -> None:
    """It did its unit of work: the budget drains, and a rest or a wait is over."""
    if provider.errors or provider.rests_until or provider.limited_until:
        changes = {"rests_until": None, "limited_until": None}
        Provider.objects.filter(pk=provider.pk).update(errors=Greatest(F("errors") - 1, 0), **changes)
        if provider.limited_until:
            resolve_alarm(provider.network, "rate_limited", str(provider))
        provider.errors, provider.rests_until, provider.limited_until = (
            max(0, provider.errors - 1),
            None,
            None,
        )
        resolve_alarm(provider.network, "no_healthy_provider")


def failed(network: Network, provider: Provider, error: RpcError) -> None:
    """It did not: the budget fills; when it is full, or the chain is another one, the provider rests."""
    row = Provider.objects.filter(pk=provider.pk)
    row.update(errors=F("errors") + COST, last_error=f"{type(error).__name__}: {error}"[:120])
    provider.refresh_from_db(fields=["errors"])
    if isinstance(error, WrongChain):
        row.update(errors=BUDGET)
        raise_alarm(network, "wrong_chain", str(provider), str(error))
    elif provider.errors < BUDGET:
        return
    now = clock.now()
    row.update(rests_until=now + _rest(provider.errors), errors=min(provider.errors, _MOST))
    others = Provider.objects.filter(network=network, enabled=True).exclude(pk=provider.pk)
    if all(resting(other, now) or other.demoted_reason for other in others):
        raise_alarm(network, "no_healthy_provider", detail=str(error)[:300])


def _rest(errors: int) -> timedelta:
    """Longer the fuller the budget, and never the same for two workers."""
    doubled = SHORTEST_REST * 2 ** (max(0, errors - BUDGET) // COST)
    return timedelta(seconds=min(LONGEST_REST, doubled) * random.uniform(0.75, 1.25))  # noqa: S311


def demote(network: Network, provider: Provider, reason: str) -> None:
    """It withheld or forged something: asked after all others until a human decides. Alarms."""
    raise_alarm(network, "provider_demoted", str(provider), reason)
    Provider.objects.filter(pk=provider.pk, demoted_reason="").update(
        demoted_at=clock.now(), demoted_reason=reason[:200]
    )


def trail(heads: Sequence[int]) -> int:
    """The head that may be believed: the highest that more providers show than may lie."""
    return sorted(heads, reverse=True)[faulty(len(heads))]
