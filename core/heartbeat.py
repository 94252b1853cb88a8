"""Periodic duties leave a heartbeat; one that stops is seen by its age."""

from datetime import timedelta

from core import clock
from core.models import Heartbeat


def beat(name: str) -> None:
    """Note that the duty `name` ran now."""
    Heartbeat.objects.update_or_create(name=name, defaults={"beaten_at": clock.now()})


def age(name: str) -> timedelta | None:
    """How long ago the duty ran; None if it never did."""
    row = Heartbeat.objects.filter(name=name).first()
    return None if row is None else clock.now() - row.beaten_at
