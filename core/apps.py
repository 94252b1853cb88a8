from django.apps import AppConfig
from django.db.models.signals import post_migrate

from core import rights


class CoreConfig(AppConfig):
    name = "core"
    verbose_name = "Core"

    def ready(self) -> None:
        post_migrate.connect(rights.seal, sender=self)
