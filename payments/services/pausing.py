"""Which waits stand still in an incident, and how much each of them has lost and not got back.

Whoever keeps waits of a kind registers how their networks are found and how one is given its time. Nobody
counts: what a wait lost follows from the incidents, its own beginning and what it was given before.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, Sum

from core import clock, deadlines
from core.models import Deadline
from payments.locks import keep_switch
from payments.models import Incident, TimeGiven
from payments.services import pulses

# Taken shared by who acts by the clock, and alone by who opens an incident.
SWITCH = "incidents"
_NOTHING = timedelta()


@dataclass(frozen=True, slots=True)
class Clock:
    """How waits of some kinds stand still.

    `networks_of` maps subjects to the networks whose incidents stop them; `give` gives one wait what it has
    lost, in a transaction of its own. `moves` is False where the instant is the chain's own: the platform
    only does not act on it meanwhile.
    """

    networks_of: Callable[[Collection[str]], dict[str, int]]
    give: Callable[[Deadline], None]
    moves: bool = True


_clocks: dict[str, Clock] = {}


def register(kinds: Iterable[str], found: Clock) -> None:
    """Waits of these kinds stand still in an incident. All others go on: they protect people on the chain."""
    _clocks.update(dict.fromkeys(kinds, found))


def kinds() -> list[str]:
    """The kinds that stand still in an incident."""
    return sorted(_clocks)


def moving_kinds() -> list[str]:
    """The kinds that are given back what they lose."""
    return sorted(kind for kind, found in _clocks.items() if found.moves)


def networks_of(waits: Collection[Deadline]) -> dict[str, int]:
    """The network of each wait, by the wait's key: one query for each sort of subject."""
    found: dict[str, int] = {}
    for read in {_clocks[wait.kind].networks_of for wait in waits}:
        mine = [wait for wait in waits if _clocks[wait.kind].networks_of == read]
        networks = read({wait.subject_id for wait in mine})
        found |= {wait.pk: networks[wait.subject_id] for wait in mine if wait.subject_id in networks}
    return found


def stands(wait: Deadline) -> bool:
    """Whether this wait stands still, or has not got back what it lost. So it stays in this transaction."""
    found = _clocks.get(wait.kind)
    if found is None:
        return False
    keep_switch(SWITCH)
    network_id = networks_of([wait]).get(wait.pk)
    return is_open(network_id) or (found.moves and lost(wait, network_id) > _NOTHING)


def settle(wait: Deadline) -> None:
    """Give a wait that is due what it lost, if the walk over all of them did not come to it."""
    _clocks[wait.kind].give(wait)


def is_open(network_id: int | None) -> bool:
    """Whether an incident stops this network's clocks, or a silence that is not written down as one yet."""
    standing = Incident.objects.filter(_covers(network_id), ended_at__isnull=True)
    return standing.exists() or bool(pulses.silent_of(network_id))


def lost(wait: Deadline, network_id: int | None) -> timedelta:
    """What the wait has lost until now and was not given: the time of incidents and silences since it began,
    where they overlap once, without what earlier gifts made good. So one that is written down late, for a
    time before another's, counts in full."""
    incidents = Incident.objects.filter(_covers(network_id)).filter(
        Q(ended_at__isnull=True) | Q(ended_at__gt=wait.created)
    )
    now = clock.now()
    spans = [(incident.opened_at, incident.ended_at or now) for incident in incidents]
    spans += [(pulse.alive_at, now) for pulse in pulses.silent_of(network_id)]
    settled = TimeGiven.objects.filter(deadline=wait).aggregate(sum=Sum("lost"))["sum"] or _NOTHING
    return max(_NOTHING, _together(spans, wait.created) - settled)


def lost_until_now(wait: Deadline) -> timedelta:
    """`lost`, for who stops a wait in order to keep what is left of it."""
    return lost(wait, networks_of([wait]).get(wait.pk)) if wait.kind in _clocks else _NOTHING


def note(wait: Deadline, network_id: int, missed: timedelta, given: timedelta) -> bool:
    """Move a wait, whose subject is locked, by `given` of the `missed` and write it down; False if it has
    changed meanwhile.

    The caller's transaction keeps the switch, and no incident of the network is open.
    """
    if given and not deadlines.move(wait, wait.due_at + given):
        return False
    given_for = TimeGiven.objects.filter(deadline=wait).values("incident")
    ended = Incident.objects.filter(_covers(network_id), ended_at__isnull=False).exclude(pk__in=given_for)
    last = ended.order_by("ended_at", "id").last()
    if last is None or last.ended_at is None:
        return False
    TimeGiven.objects.create(
        deadline=wait, incident=last, until=last.ended_at, lost=missed, given=given, created=clock.now()
    )
    return True


def given_to(subject_id: str) -> list[TimeGiven]:
    """What the waits of a subject that still run were given back, the newest first; at most three."""
    gifts = TimeGiven.objects.filter(
        deadline__subject_id=subject_id, deadline__state=Deadline.State.WAITING, given__gt=_NOTHING
    )
    return list(gifts.select_related("incident__network").order_by("-id")[:3])


def _covers(network_id: int | None) -> Q:
    return Q(network__isnull=True) | Q(network=network_id)


def _together(spans: Iterable[tuple[datetime, datetime]], since: datetime) -> timedelta:
    """How much of the time after `since` lies in any of these spans."""
    total, covered = _NOTHING, since
    for start, end in sorted(spans):
        if end > covered:
            total += end - max(start, covered)
            covered = end
    return total
