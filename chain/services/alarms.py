"""Calling a human: one open row per matter, however often it is raised."""

import structlog
from django.db.models import F

from chain.models import Alarm, Network
from core import clock

log = structlog.get_logger(__name__)


def raise_alarm(network: Network, kind: str, subject: str = "", detail: str = "") -> None:
    """Open the alarm, or count it once more. `kind` is snake_case, `subject` what it is about."""
    now = clock.now()
    log.error("alarm", network=network.slug, kind=kind, subject=subject, detail=detail[:300])
    alarm, created = Alarm.objects.get_or_create(
        network=network,
        kind=kind,
        subject=subject[:120],
        resolved_at=None,
        defaults={"detail": detail, "first_at": now, "last_at": now},
    )
    if not created:
        Alarm.objects.filter(pk=alarm.pk).update(count=F("count") + 1, last_at=now, detail=detail)


def resolve_alarm(network: Network, kind: str, subject: str = "") -> None:
    """Close the open alarm of this matter, if there is one."""
    open_rows = Alarm.objects.filter(network=network, kind=kind, subject=subject[:120], resolved_at=None)
    open_rows.update(resolved_at=clock.now())
