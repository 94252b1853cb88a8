"""Periodic duties of the platform itself."""

from celery import shared_task

from escrow_platform import schedule


@shared_task
def sync_schedule() -> None:
    """Follow networks that were added or switched off."""
    schedule.sync()
