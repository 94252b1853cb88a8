"""Dead times that nobody declared: found by the silence they leave, written down as incidents before any
default happens, so that every wait gets them back.

A sign of life that comes within the limit only moves on. One that comes too late is stored together with the
incident that covers the silence, while nobody acts by the clock: so no round that follows a dead time can be
quicker than its discovery.

All of it goes by the database's clock: a host whose own clock is wrong neither hides a silence nor makes one
up.
"""

from datetime import datetime

from django.db import transaction

from chain.models import Network
from chain.selectors import final_numbers
from core import clock
from core.actors import SYSTEM
from payments.locks import throw_switch
from payments.models import Incident, Pulse
from payments.services import incidents, pausing, pulses

DUTY, WEB, FINALITY = Incident.Cause.DUTY, Incident.Cause.WEB, Incident.Cause.FINALITY


def alive(cause: str, *, network_id: int | None = None, number: int = 0) -> Incident | None:
    """Note a sign of life; the incident, where it ends a silence that was too long. `number` is the final
    block that shows it. Safe from any number of processes at once."""
    name = cause if network_id is None else f"{cause} {network_id}"
    now, limit = clock.of_all(), pulses.longest(cause)
    young = Pulse.objects.filter(name=name, alive_at__lt=now)
    if limit is not None:
        young = young.filter(alive_at__gte=now - limit)
    if young.update(alive_at=now, number=number):
        return None
    return _come_back(name, cause, network_id, number, now)


def look() -> None:
    """Follow the networks' finality, and write down every silence that lasts: people read of it, and the
    chain is extended meanwhile. Run before every round of deadlines."""
    known = dict(Pulse.objects.filter(cause=FINALITY).values_list("network", "number"))
    for network_id, number in final_numbers().items():
        if number > known.get(network_id, -1):
            alive(FINALITY, network_id=network_id, number=number)
    # The duty that looks ends its own silence when its round is done.
    late = {(pulse.cause, pulse.network_id) for pulse in pulses.silent() if pulse.cause != DUTY}
    standing = Incident.objects.filter(ended_at__isnull=True).exclude(cause=Incident.Cause.PERSON)
    if late != set(standing.values_list("cause", "network")):
        _write_down_silences()


@transaction.atomic
def _come_back(name: str, cause: str, network_id: int | None, number: int, now: datetime) -> Incident | None:
    throw_switch(pausing.SWITCH)
    facts = {"cause": cause, "network_id": network_id, "number": number, "alive_at": now}
    pulse, made = Pulse.objects.select_for_update(of=("self",)).get_or_create(name=name, defaults=facts)
    if made or now <= pulse.alive_at:
        # Another host's clock is ahead.
        return None
    limit, incident = pulses.longest(cause), _standing(pulse)
    if incident is None and limit is not None and now - pulse.alive_at > limit:
        incident = _open(pulse)
    if incident is not None:
        incidents.end(incident, now, SYSTEM)
    pulse.alive_at, pulse.number = now, number
    pulse.save(update_fields=["alive_at", "number"])
    return incident


@transaction.atomic
def _write_down_silences() -> None:
    throw_switch(pausing.SWITCH)
    late = [pulse for pulse in pulses.silent() if pulse.cause != DUTY]
    for pulse in late:
        if _standing(pulse) is None:
            _open(pulse)
    names = {(pulse.cause, pulse.network_id) for pulse in late}
    for incident in Incident.objects.filter(ended_at__isnull=True).exclude(cause=Incident.Cause.PERSON):
        if (incident.cause, incident.network_id) not in names:
            incidents.end(incident, clock.of_all(), SYSTEM)


def _standing(pulse: Pulse) -> Incident | None:
    found = Incident.objects.filter(cause=pulse.cause, network=pulse.network_id, ended_at__isnull=True)
    return found.first()


def _open(pulse: Pulse) -> Incident:
    network = None if pulse.network_id is None else Network.objects.get(pk=pulse.network_id)
    return incidents.open_since(network, _reason(pulse.cause, network), pulse.alive_at, SYSTEM, pulse.cause)


def _reason(cause: str, network: Network | None) -> str:
    if cause == WEB:
        return "Holdfast could not be reached"
    if network is not None:
        return f"{network.name} made no block final"
    return "Holdfast was not running"
