"""The Celery application: a doorbell for work that PostgreSQL already holds."""

import os

from celery import Celery

import escrow_platform.routing  # noqa: F401  registers what a worker does when it starts

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "escrow_platform.settings.production")

app = Celery("holdfast")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
