"""Celery's part: a lease, one service call and a log."""

from datetime import timedelta

import structlog
from celery import shared_task

from core import leases
from partners import idempotency

log = structlog.get_logger(__name__)


@shared_task(name="partners.forget_old_answers")
def forget_old_answers() -> None:
    """Delete stored answers whose 30 days are over."""
    with leases.held("partners.forget_old_answers", timedelta(seconds=60)) as won:
        if won:
            log.info("idempotency_records_deleted", count=idempotency.forget_old())
