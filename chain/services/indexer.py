"""Reading the chain: one round of both lanes."""

from datetime import timedelta

from chain.indexer import again, head, safe
from chain.models import Alarm, Network, Reorg
from chain.rpc.errors import AllProvidersFailed, FinalConflict
from chain.selectors import final_head
from chain.selectors import head as head_seen
from chain.services.alarms import raise_alarm, resolve_alarm
from core import clock

# Steps in one turn; what is left is read in the next.
_ROUNDS = 10
# A head older than both is not believed to be the newest.
_STALE, _STALE_BLOCKS = timedelta(minutes=15), 20


def step(network: Network) -> bool:
    """Read what is new at the head and what is newly final; True if there may be more.

    The head lane only shows; the safe lane writes final events. If no node agrees with a block that we
    hold for final, the network is halted: nothing is credited and nothing paid out until a human looked.
    Raises `AllProvidersFailed` when nobody answers acceptably.
    """
    network.refresh_from_db(fields=["halted_reason"])
    if network.halted_reason:
        return False
    try:
        moved = head.step(network)
    except AllProvidersFailed as error:
        _explain(network, error)
        # The head only shows. What is final is read all the same, unless the network is halted now.
        if not network.halted_reason:
            _read_final(network)
        raise
    worked = _read_final(network) or moved
    resolve_alarm(network, "unreadable")
    _watch_age(network)
    return worked


def _watch_age(network: Network) -> None:
    """A node that repeats an old head looks healthy in every answer; only our own clock shows it."""
    top = head_seen(network)
    if top is None:
        return
    age = clock.now() - top[1]
    if age <= max(_STALE, timedelta(seconds=_STALE_BLOCKS * network.block_time)):
        resolve_alarm(network, "head_stands_still")
    elif not Alarm.objects.filter(network=network, kind="head_stands_still", resolved_at=None).exists():
        raise_alarm(network, "head_stands_still", detail=f"the newest block is {age} old")


def _read_final(network: Network) -> bool:
    try:
        return safe.step(network)
    except AllProvidersFailed as error:
        _explain(network, error)
        raise


def read_all(network: Network) -> bool:
    """`step` until there is nothing new; True if the turn ended before: a fast chain starves no duty."""
    return all(step(network) for _ in range(_ROUNDS))


def read_again_once(network: Network) -> bool:
    """The second pass over the next range that is old enough; True if there may be more.

    Blocks that are others now halt the network, as in the first pass.
    """
    if network.halted_reason:
        return False
    try:
        return again.step(network)
    except AllProvidersFailed as error:
        _explain(network, error)
        raise


def read_again(network: Network) -> bool:
    """`read_again_once` until nothing is due; True if the turn ended before."""
    return all(read_again_once(network) for _ in range(_ROUNDS))


def _explain(network: Network, error: AllProvidersFailed) -> None:
    conflicts = [cause for cause in error.causes if isinstance(cause, FinalConflict)]
    if conflicts:
        halt(network, f"the chain contradicts a final block: {conflicts[0]}")
    elif not error.only_limited:
        raise_alarm(network, "unreadable", detail=str(error)[:500])


def halt(network: Network, reason: str) -> None:
    """Stop credits and payouts of a network; only a human starts it again."""
    Network.objects.filter(pk=network.pk, halted_reason="").update(halted_reason=reason[:300])
    network.refresh_from_db(fields=["halted_reason"])
    top = final_head(network)
    Reorg.objects.create(
        network=network,
        common_number=top[0] if top else 0,
        depth=0,
        old_hash=top[1] if top else "0x" + "0" * 64,
        beyond_finality=True,
        detected_at=clock.now(),
    )
    raise_alarm(network, "halted", detail=reason)
