"""Inspection of the providers: who is reachable, on the right chain, and up with the others."""

from collections.abc import Mapping

from django.db import transaction

from chain.models import Network, Provider
from chain.rpc import health, pool
from chain.rpc.client import Heads
from chain.rpc.errors import AllProvidersFailed, RpcError
from chain.services.alarms import raise_alarm, resolve_alarm
from core import audit, clock
from core.actors import Actor
from core.errors import Conflict, Invalid

# A provider trails when its head is this much behind what the others show, in seconds and in blocks.
_BEHIND_SECONDS, _BEHIND_BLOCKS = 60, 3


def inspect(network: Network) -> int:
    """Ask every enabled provider where it stands; returns how many are fit. Never inside a transaction.

    Who trails is asked after the others until it has caught up. Raises nothing: a provider that fails has
    its failure noted, and a human is told when none is fit.
    """
    seen, causes = dict[Provider, Heads](), list[RpcError]()
    for provider in pool.providers(network):
        try:
            seen[provider] = pool.ask(network, provider, lambda rpc: rpc.heads())
        except RpcError as error:
            causes.append(error)
    if not seen and AllProvidersFailed(causes).only_limited:
        return 0
    if not seen:
        raise_alarm(network, "no_healthy_provider", detail="none answered the inspection")
        return 0
    believed = health.trail([heads.latest.number for heads in seen.values()])
    finals = health.trail([heads.final.number for heads in seen.values()])
    fit = 0
    for provider, heads in seen.items():
        behind = max(believed - heads.latest.number, finals - heads.final.number)
        fit += _note(network, provider, heads, lagging=behind > allowed_lag(network))
    return fit


def allowed_lag(network: Network) -> int:
    """How many blocks a provider may trail."""
    return max(_BEHIND_BLOCKS, _BEHIND_SECONDS // max(1, network.block_time))


def _note(network: Network, provider: Provider, heads: Heads, *, lagging: bool) -> bool:
    Provider.objects.filter(pk=provider.pk).update(
        head_number=heads.latest.number, seen_at=clock.now(), lagging=lagging
    )
    if lagging:
        raise_alarm(network, "provider_lags", str(provider), f"at block {heads.latest.number}")
    else:
        resolve_alarm(network, "provider_lags", str(provider))
    return not (lagging or provider.demoted_reason)


def trust_again(*, provider: Provider, reason: str, acting: Actor) -> None:
    """A human looked at a provider that withheld or forged: it takes its place again. In the audit log."""
    changes = {"demoted_at": None, "demoted_reason": "", "errors": 0, "rests_until": None}
    _decide("provider.trusted", provider, reason, acting, changes)
    resolve_alarm(provider.network, "provider_demoted", str(provider))


def switch(*, provider: Provider, enabled: bool, reason: str, acting: Actor) -> None:
    """Ask a provider, or ask it no more. It changes how many must agree. In the audit log.

    Raises `Invalid` without a reason, and `Conflict` for the last one of a network: it is never dropped.
    """
    others = Provider.objects.filter(network=provider.network, enabled=True).exclude(pk=provider.pk)
    if not enabled and not others.exists():
        raise Conflict("last_provider", "A network keeps at least one provider.")
    _decide(f"provider.{'on' if enabled else 'off'}", provider, reason, acting, {"enabled": enabled})


def _decide(
    action: str, provider: Provider, reason: str, acting: Actor, changes: Mapping[str, object]
) -> None:
    if not reason.strip():
        raise Invalid("reason_missing", "Say what was found and why it is safe to go on.")
    data = {"reason": reason, "demoted": provider.demoted_reason}
    with transaction.atomic():
        Provider.objects.filter(pk=provider.pk).update(**changes)
        audit.write(action, subject_id=str(provider), actor_id=acting.id, actor_label=acting.label, data=data)
