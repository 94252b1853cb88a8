"""The instants at which a dispute's published defaults happen."""

from datetime import datetime, timedelta

from django.conf import settings

from core import clock, deadlines
from disputes.models import Dispute

ANSWER = "dispute_answer"
EVIDENCE = "evidence"
FIRST_ACTION = "first_action"
RULING = "ruling"
APPEAL = "appeal"
# These count Monday to Friday, UTC.
_BUSINESS = (FIRST_ACTION, RULING)
_SATURDAY = 5
_DAY = timedelta(days=1)


def due_at(kind: str) -> datetime:
    """When a deadline of this kind that starts now is due."""
    duration = timedelta(seconds=settings.CLOCKS[kind])
    now = clock.now()
    return after_business_time(now, duration) if kind in _BUSINESS else now + duration


def start(kind: str, dispute: Dispute) -> datetime:
    """Start a deadline of the dispute; its backstop is the end of arbitration on chain."""
    due = due_at(kind)
    deadlines.start(kind, dispute.pk, due, backstop_at=dispute.escrow.fallback_after)
    return due


def after_business_time(start_at: datetime, duration: timedelta) -> datetime:
    """`duration` later, where Saturdays and Sundays (UTC) do not count."""
    instant = _next_business_instant(start_at)
    left = duration
    while instant + left >= (midnight := _midnight_after(instant)):
        left -= midnight - instant
        instant = _next_business_instant(midnight)
    return instant + left


def _next_business_instant(instant: datetime) -> datetime:
    while instant.weekday() >= _SATURDAY:
        instant = _midnight_after(instant)
    return instant


def _midnight_after(instant: datetime) -> datetime:
    return instant.replace(hour=0, minute=0, second=0, microsecond=0) + _DAY
