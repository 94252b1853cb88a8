"""The Celery application: a doorbell for work that PostgreSQL already holds."""

import gc
import os

from celery import Celery
from celery.signals import beat_init, worker_init, worker_process_init
from django.core.exceptions import ImproperlyConfigured

import escrow_platform.routing  # noqa: F401  registers what a worker does when it starts
from core.rights import require_plain_role

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "escrow_platform.settings.production")

app = Celery("holdfast")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
@beat_init.connect
def start_as_nobody_special(**_: object) -> None:
    """Signals only log what their receivers raise: what must stop the start ends the process itself."""
    try:
        require_plain_role()
    except ImproperlyConfigured as refused:
        raise SystemExit(str(refused)) from refused


@worker_process_init.connect
def collect_rarely(**_: object) -> None:
    """What a task makes dies by its reference count; with the usual thresholds a range of ten thousand logs
    is walked over again and again in search of cycles: a quarter of the time of reading it."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
