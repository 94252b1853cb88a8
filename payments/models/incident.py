"""Incidents that make the platform's clocks stand still, the signs of life by which Holdfast finds its own,
and the time that each wait got back."""

from typing import ClassVar

import pgtrigger
from django.db import models

from chain.models import Network
from core.fields import PrefixedIdField
from core.models import Deadline
from core.states import append_only, never_deleted


class Incident(models.Model):
    """While it is open no wait of its network, or of any where none is named, runs out by the platform's
    hand.

    When it has ended every wait is given back what it lost; `settled_at` says that all of them were.
    """

    class Cause(models.TextChoices):
        PERSON = "", "declared by a person"
        DUTY = "deadlines", "the duty that runs deadlines stood still"
        WEB = "web", "the pages were not served"
        FINALITY = "finality", "the network finalised nothing"

    id = PrefixedIdField("inc")
    network = models.ForeignKey(Network, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    # What Holdfast found by itself it also ends by itself.
    cause = models.CharField(max_length=12, choices=Cause.choices, default=Cause.PERSON, blank=True)
    # People read it on every page.
    reason = models.CharField(max_length=200)
    opened_at = models.DateTimeField()
    opened_by = models.CharField(max_length=200)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=200, blank=True)
    # The last wait that was visited; the next portion begins after it.
    position = models.CharField(max_length=80, blank=True)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-opened_at", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["network", "cause"],
                condition=models.Q(ended_at__isnull=True),
                nulls_distinct=False,
                name="one_open_incident_per_scope",
            ),
            models.CheckConstraint(condition=~models.Q(reason=""), name="incident_says_why"),
            models.CheckConstraint(
                condition=models.Q(ended_at__isnull=True) | models.Q(ended_at__gte=models.F("opened_at")),
                name="incident_ends_after_it_began",
            ),
        ]
        triggers: ClassVar = [
            *never_deleted(),
            pgtrigger.ReadOnly(
                name="opened_fixed", fields=["network", "cause", "reason", "opened_at", "opened_by"]
            ),
            pgtrigger.Protect(
                name="ended_fixed",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__ended_at__isnull=False)
                & (
                    pgtrigger.Q(old__ended_at__df=pgtrigger.F("new__ended_at"))
                    | pgtrigger.Q(old__ended_by__df=pgtrigger.F("new__ended_by"))
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"incident on {self.scope} since {self.opened_at:%Y-%m-%d %H:%M} UTC"

    @property
    def scope(self) -> str:
        """Whose clocks stand still, in words."""
        return self.network.name if self.network else "all networks"

    @property
    def why(self) -> str:
        """What happened from its beginning to its end, as the middle of a sentence."""
        return self.reason if self.cause else f"clocks stood still ({self.reason})"

    def covers(self, network_id: int | None) -> bool:
        """Whether clocks of this network stand still with it."""
        return self.network_id is None or self.network_id == network_id


class Pulse(models.Model):
    """The last sign of life of what people and clocks need: the duty of the deadlines, the pages, a network's
    finality. While one is too old no default happens; it is made young again only together with the incident
    that covers the silence."""

    name = models.CharField(max_length=60, primary_key=True)
    cause = models.CharField(max_length=12, choices=Incident.Cause.choices)
    network = models.ForeignKey(Network, on_delete=models.PROTECT, null=True, related_name="+")
    # The highest final block seen: the next higher one is the next sign of life.
    number = models.PositiveBigIntegerField(default=0)
    alive_at = models.DateTimeField()

    class Meta:
        triggers: ClassVar = [
            *never_deleted(),
            pgtrigger.Protect(
                name="never_back",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(new__alive_at__lt=pgtrigger.F("old__alive_at")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} at {self.alive_at:%Y-%m-%d %H:%M:%S} UTC"


class TimeGiven(models.Model):
    """What one wait lost while clocks stood still and how much later it was moved for it.

    The sum of `lost` is settled for this wait: it is given nothing for it a second time.
    """

    id = models.BigAutoField(primary_key=True)
    deadline = models.ForeignKey(Deadline, on_delete=models.PROTECT, related_name="+")
    # The newest incident that it makes good; others that ended since the last time are in `lost` too, once.
    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="given")
    until = models.DateTimeField()
    lost = models.DurationField()
    # Less than was lost where the chain does not wait that long.
    given = models.DurationField()
    created = models.DateTimeField()

    class Meta:
        verbose_name_plural = "time given"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["deadline", "incident"], name="time_given_once_per_incident"),
        ]
        triggers: ClassVar = append_only()

    def __str__(self) -> str:
        return f"{self.given} of {self.lost} to {self.deadline_id}"
