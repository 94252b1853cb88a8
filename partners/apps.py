from django.apps import AppConfig


class PartnersConfig(AppConfig):
    name = "partners"
    verbose_name = "Partners"

    def ready(self) -> None:
        from partners import schema  # noqa: F401  (registers how keys appear in the OpenAPI document)
