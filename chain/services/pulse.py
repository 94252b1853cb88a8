"""Somebody notices when duties stop or do not get done: whoever still works looks after the others.

With the scheduler dead, new heads and orders still ring workers, and the sweeper still goes round.
"""

from datetime import timedelta

from chain.models import Alarm, Network
from chain.services.alarms import raise_alarm, resolve_alarm
from core import heartbeat, rounds

KIND, UNENDED = "duty_stopped", "round_unended"
_PLATFORM = ("deadlines", "outbox", "web")
_OF_A_NETWORK = ("index", "send", "confirm")
# Far longer than a slow round; on slow chains as many blocks.
_LIMIT, _BLOCKS = timedelta(minutes=5), 20
# Long rounds go over everything there ever was, some once an hour and some once a day; the books of escrows
# that still hold money are few, and must not wait so long.
_ROUND, _UNFINISHED = timedelta(days=3), timedelta(hours=6)


def watch(network: Network) -> None:
    """Call a human for every duty that ran before and does not any more, and for every long round that does
    not come to its end; close the alarm when it does again.
    """
    names = [*_PLATFORM, *(f"chain.{duty}:{network.slug}" for duty in _OF_A_NETWORK)]
    limit = max(_LIMIT, timedelta(seconds=_BLOCKS * network.block_time))
    _tell(network, KIND, heartbeat.stopped(names, limit), "it does not run any more; is the scheduler alive?")
    late = rounds.unended(network.slug, _ROUND) + rounds.unended("platform", _ROUND)
    late += rounds.unended(network.slug, _UNFINISHED, "books unfinished")
    _tell(network, UNENDED, late, "no whole round for far too long: it fails, or there is too much")


def _tell(network: Network, kind: str, late: list[str], detail: str) -> None:
    rows = Alarm.objects.filter(network=network, kind=kind, resolved_at=None)
    told = set(rows.values_list("subject", flat=True))
    for name in sorted(set(late) - told):
        raise_alarm(network, kind, name, detail)
    for name in sorted(told - set(late)):
        resolve_alarm(network, kind, name)
