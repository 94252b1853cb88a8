"""Rest for a network whose nodes all fail: it costs one probe now and then, and delays only itself."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db.models import F

from chain.models import Breaker, Network
from chain.rpc.errors import AllProvidersFailed, Unreachable, WrongChain
from chain.services.alarms import raise_alarm, resolve_alarm
from chain.services.networks import UnfitNode
from core import clock

# One failure is a hiccup. The rest then doubles from about a second to a minute.
ALLOWED, SHORTEST, LONGEST = 2, 1.0, 60.0


class Resting(Exception):
    """The network's nodes all failed lately; its work stays in the tables until they are tried again."""


def is_open(network: Network) -> bool:
    """Whether the network rests now."""
    return Breaker.objects.filter(network=network, open_until__gt=clock.now()).exists()


@contextmanager
def guarded(network: Network) -> Iterator[None]:
    """Do the block unless the network rests (`Resting`); note whether its nodes answered.

    A node that answers something useless costs no time, so it is no reason to rest; nor is one that wants
    to be left alone for a while: it is not asked anyway.
    """
    if is_open(network):
        raise Resting(network.slug)
    try:
        yield
    except AllProvidersFailed as error:
        silent = all(isinstance(cause, Unreachable | WrongChain) for cause in error.causes)
        if silent and not error.only_limited:
            _failed(network)
        raise
    except UnfitNode:
        _failed(network)
        raise
    _answered(network)


def _failed(network: Network) -> None:
    row, _ = Breaker.objects.get_or_create(network=network)
    Breaker.objects.filter(pk=row.pk).update(failures=F("failures") + 1)
    row.refresh_from_db()
    if row.failures <= ALLOWED:
        return
    seconds = min(LONGEST, SHORTEST * 2 ** min(10, row.failures - ALLOWED - 1))
    until = clock.now() + timedelta(seconds=seconds * random.uniform(0.75, 1.25))  # noqa: S311
    Breaker.objects.filter(pk=row.pk).update(open_until=until)
    raise_alarm(network, "network_down", detail=f"{row.failures} rounds in a row without a usable answer")


def _answered(network: Network) -> None:
    if Breaker.objects.filter(network=network, failures__gt=0).update(failures=0, open_until=None):
        resolve_alarm(network, "network_down")
