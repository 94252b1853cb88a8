"""Parties who cannot act because their account, or their only way in, was switched off."""

from typing import ClassVar

from django.conf import settings
from django.db import models

from core.fields import PrefixedIdField
from core.states import append_only, never_deleted
from partners.models import Partner
from payments.models.escrow import Escrow


class Absence(models.Model):
    """From when to when a person, or a partner who alone acts for its parties, was switched off."""

    id = PrefixedIdField("abs")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="absences"
    )
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, null=True, related_name="absences")
    since = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user"], condition=models.Q(ended_at=None, user__isnull=False), name="one_absence"
            ),
            models.UniqueConstraint(
                fields=["partner"],
                condition=models.Q(ended_at=None, partner__isnull=False),
                name="one_absence_of_partner",
            ),
            models.CheckConstraint(
                condition=models.Q(user__isnull=True) ^ models.Q(partner__isnull=True),
                name="absence_of_a_person_or_a_partner",
            ),
        ]
        triggers: ClassVar = never_deleted()

    def __str__(self) -> str:
        return f"{self.who} since {self.since:%Y-%m-%d %H:%M} UTC"

    @property
    def who(self) -> str:
        """The person's or the partner's name."""
        return self.user.name if self.user else str(self.partner)


class AbsenceHold(models.Model):
    """One escrow that was put on hold because a party is away; what a person lifts stays lifted."""

    id = models.BigAutoField(primary_key=True)
    absence = models.ForeignKey(Absence, on_delete=models.PROTECT, related_name="holds")
    escrow = models.ForeignKey(Escrow, on_delete=models.PROTECT, related_name="+")
    created = models.DateTimeField()

    class Meta:
        verbose_name = "hold because a party is away"
        verbose_name_plural = "holds because a party is away"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["absence", "escrow"], name="held_once_per_absence")
        ]
        triggers: ClassVar = append_only()

    def __str__(self) -> str:
        return f"{self.escrow_id} for {self.absence_id}"
