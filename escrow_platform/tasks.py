"""Periodic duties of the platform itself."""

from celery import shared_task

from core import kept
from escrow_platform import auditing, routing, schedule
from escrow_platform.celery import app


@shared_task
def sync_schedule() -> None:
    """Follow networks that were added or switched off."""
    schedule.sync()
    routing.tell_workers(app)


@shared_task
def verify_audit() -> None:
    """Follow the audit log; a whole round a day, in portions."""
    auditing.go_on()


@shared_task
def forget_kept_text() -> None:
    """Delete what people wrote in vain more than an hour ago."""
    kept.forget_old()
