"""Which signs of life are too old: whoever acts by the clock asks here first."""

from datetime import timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef, Q

from core import clock
from payments.models import Escrow, Incident, Pulse

CAUSES = (Incident.Cause.DUTY, Incident.Cause.WEB, Incident.Cause.FINALITY)


def longest(cause: str) -> timedelta | None:
    """How long a silence may last before it counts as a dead time; None where nobody watches."""
    seconds = settings.OUTAGES[cause]
    return timedelta(seconds=seconds) if seconds else None


def silent() -> list[Pulse]:
    """Signs of life that are too old now, the oldest first; of networks, only where somebody deals or money
    lies. In a transaction that keeps the switch of incidents none of them is made young meanwhile."""
    now, late = clock.of_all(), Q(pk__in=())
    for cause in CAUSES:
        limit = longest(cause)
        if limit is not None:
            late |= Q(cause=cause, alive_at__lt=now - limit)
    money = Escrow.objects.filter(funded_at__isnull=False, closed_at__isnull=True)
    of_it = Exists(money.filter(network=OuterRef("network")))
    needed = Q(network__isnull=True) | Q(network__enabled=True) | of_it
    return list(Pulse.objects.filter(late).filter(needed).select_related("network").order_by("alive_at"))


def silent_of(network_id: int | None) -> list[Pulse]:
    """Those that stop the clocks of this network."""
    return [pulse for pulse in silent() if pulse.network_id in (None, network_id)]
