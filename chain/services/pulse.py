"""Somebody notices when the duties stop: whoever still works looks at the heartbeats of the others.

With the scheduler dead, new heads and orders still ring workers, and the sweeper still goes round.
"""

from datetime import timedelta

from chain.models import Alarm, Network
from chain.services.alarms import raise_alarm, resolve_alarm
from core import heartbeat

KIND = "duty_stopped"
_PLATFORM = ("deadlines", "outbox")
_OF_A_NETWORK = ("index", "send", "confirm")
# Far longer than a slow round; on slow chains as many blocks.
_LIMIT, _BLOCKS = timedelta(minutes=5), 20


def watch(network: Network) -> None:
    """Call a human for every duty that ran before and does not any more; end the alarm when it runs again."""
    names = [*_PLATFORM, *(f"chain.{duty}:{network.slug}" for duty in _OF_A_NETWORK)]
    late = set(heartbeat.stopped(names, max(_LIMIT, timedelta(seconds=_BLOCKS * network.block_time))))
    told = set(
        Alarm.objects.filter(network=network, kind=KIND, resolved_at=None).values_list("subject", flat=True)
    )
    for name in sorted(late - told):
        raise_alarm(network, KIND, name, "it does not run any more; is the scheduler alive?")
    for name in sorted(told - late):
        resolve_alarm(network, KIND, name)
