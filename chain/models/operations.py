"""What operators need to know."""

from typing import ClassVar

from django.db import models

from chain.models.networks import Network


class Alarm(models.Model):
    """Something a human must look at; one open row per (network, kind, subject), counted."""

    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="alarms")
    kind = models.CharField(max_length=60)
    subject = models.CharField(max_length=120, blank=True, default="")
    detail = models.TextField(blank=True, default="")
    count = models.PositiveIntegerField(default=1)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["network", "kind", "subject"],
                condition=models.Q(resolved_at__isnull=True),
                name="alarm_open_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}".strip()
