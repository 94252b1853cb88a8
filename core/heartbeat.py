"""Periodic duties leave a heartbeat; one that stops is seen by its age."""

from collections.abc import Collection
from datetime import timedelta

from core import clock
from core.models import Heartbeat


def beat(name: str) -> None:
    """Note that the duty `name` ran now."""
    Heartbeat.objects.update_or_create(name=name, defaults={"beaten_at": clock.now()})


def stopped(names: Collection[str], limit: timedelta) -> list[str]:
    """Those of `names` that ran once and not for `limit`."""
    rows = Heartbeat.objects.filter(name__in=names, beaten_at__lt=clock.now() - limit)
    return sorted(rows.values_list("name", flat=True))


def age(name: str) -> timedelta | None:
    """How long ago the duty ran; None if it never did."""
    row = Heartbeat.objects.filter(name=name).first()
    return None if row is None else clock.now() - row.beaten_at
