from django.apps import AppConfig

from escrow_platform.celery import app as celery_app

__all__ = ["EscrowPlatformConfig", "celery_app"]


class EscrowPlatformConfig(AppConfig):
    """Importing the Celery app here makes it the one that every `shared_task` binds to."""

    name = "escrow_platform"
    verbose_name = "Holdfast"

    def ready(self) -> None:
        from escrow_platform import schedule  # noqa: F401  (connects to the start of beat)
