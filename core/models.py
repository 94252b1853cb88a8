"""What every room keeps the same way: transitions, outbox, deadlines, audit log, files, heartbeats."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from core.fields import HashField, PrefixedIdField
from core.states import append_only


class StateTransition(models.Model):
    """One state change: what, from, to, who, why. Written in the transaction that makes the change."""

    id = models.BigAutoField(primary_key=True)
    subject_type = models.CharField(max_length=40)
    subject_id = models.CharField(max_length=80)
    field = models.CharField(max_length=40, default="state")
    source = models.CharField(max_length=40, blank=True)
    target = models.CharField(max_length=40)
    actor_kind = models.CharField(max_length=20)
    actor_id = models.CharField(max_length=80)
    why = models.CharField(max_length=200, blank=True)
    tx_hash = models.CharField(max_length=66, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    data = models.JSONField(default=dict)
    created = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["subject_type", "subject_id", "id"], name="transition_by_subject")
        ]
        triggers: ClassVar = append_only()

    def __str__(self) -> str:
        return f"{self.subject_type} {self.subject_id}: {self.source or '-'} -> {self.target}"


class OutboxEvent(models.Model):
    """Something that happened and that others must be told of; the payload is final and public."""

    id = PrefixedIdField("evt")
    type = models.CharField(max_length=60)
    subject_id = models.CharField(max_length=80)
    # Whose events these are, for catch-up lists and webhooks; empty where no partner is concerned.
    owner_id = models.CharField(max_length=80, blank=True)
    # False for what is told to test keys alone; stored here so that one index finds the events of a key.
    livemode = models.BooleanField(default=True)
    # Counts up per group (a deal), so that a reader can order what it receives.
    group_id = models.CharField(max_length=80, blank=True)
    sequence = models.PositiveBigIntegerField(default=0)
    payload = models.JSONField(default=dict)
    created = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["group_id", "sequence"],
                condition=~models.Q(group_id=""),
                name="outbox_sequence_per_group",
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["subject_id", "created"], name="outbox_by_subject"),
            models.Index(
                fields=["owner_id", "livemode", "-created", "-id"],
                condition=~models.Q(owner_id=""),
                name="outbox_of_owner",
            ),
            models.Index(
                fields=["owner_id", "livemode", "type", "-created", "-id"],
                condition=~models.Q(owner_id=""),
                name="outbox_of_owner_by_type",
            ),
        ]
        triggers: ClassVar = append_only()

    def __str__(self) -> str:
        return f"{self.type} {self.subject_id}"


class OutboxDelivery(models.Model):
    """One event for one consumer; redelivered with growing pauses until the consumer succeeds."""

    id = models.BigAutoField(primary_key=True)
    event = models.ForeignKey(OutboxEvent, on_delete=models.PROTECT, related_name="deliveries")
    consumer = models.CharField(max_length=60)
    done_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField()
    last_error = models.TextField(blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["event", "consumer"], name="one_delivery_per_consumer")
        ]
        indexes: ClassVar = [
            models.Index(fields=["next_at"], name="delivery_due", condition=models.Q(done_at__isnull=True))
        ]

    def __str__(self) -> str:
        return f"{self.event_id} for {self.consumer}"


class Deadline(models.Model):
    """One instant at which a published default happens. The only copy of that instant."""

    class State(models.TextChoices):
        WAITING = "waiting"
        PASSED = "passed"
        CANCELLED = "cancelled"

    id = PrefixedIdField("dln")
    kind = models.CharField(max_length=40)
    subject_id = models.CharField(max_length=80)
    due_at = models.DateTimeField()
    # When anyone can act on the chain without the platform; shown beside `due_at`.
    backstop_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=12, choices=State.choices, default=State.WAITING)
    # A handler that is not ready yet (no final block past the instant, a hold) is asked again then.
    next_try_at = models.DateTimeField()
    created = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "subject_id"],
                condition=models.Q(state="waiting"),
                name="one_waiting_deadline_per_kind",
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["next_try_at"], name="deadline_due", condition=models.Q(state="waiting")),
            models.Index(fields=["subject_id", "due_at"], name="deadline_by_subject"),
            models.Index(fields=["state", "next_try_at"], name="deadlines_by_state"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.subject_id} at {self.due_at:%Y-%m-%d %H:%M:%S} UTC"


class AuditEntry(models.Model):
    """A link of the audit chain: every view, download and change by staff. See `core.audit`."""

    id = models.BigAutoField(primary_key=True)
    actor_id = models.CharField(max_length=80)
    actor_label = models.CharField(max_length=200, blank=True)
    action = models.CharField(max_length=60)
    subject_id = models.CharField(max_length=80)
    data = models.JSONField(default=dict)
    created = models.DateTimeField()
    previous_hash = HashField()
    hash = HashField(unique=True)

    class Meta:
        verbose_name_plural = "audit entries"
        indexes: ClassVar = [
            models.Index(fields=["subject_id", "id"], name="audit_by_subject"),
            models.Index(fields=["actor_id", "id"], name="audit_by_actor"),
            models.Index(fields=["actor_label", "id"], name="audit_by_label"),
            models.Index(fields=["action", "id"], name="audit_by_action"),
        ]
        triggers: ClassVar = append_only()

    def __str__(self) -> str:
        return f"{self.created:%Y-%m-%d %H:%M:%S} {self.actor_label} {self.action} {self.subject_id}"


class StoredFile(models.Model):
    """Content-addressed bytes: the same content is stored once, and never changes."""

    sha256 = HashField(primary_key=True)
    size = models.PositiveBigIntegerField()
    media_type = models.CharField(max_length=100)
    created = models.DateTimeField()

    class Meta:
        triggers: ClassVar = append_only()

    def __str__(self) -> str:
        return f"{self.sha256} ({self.media_type}, {self.size} bytes)"


class Heartbeat(models.Model):
    """When a periodic duty last ran; a stale one raises an alarm."""

    name = models.CharField(max_length=60, primary_key=True)
    beaten_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} at {self.beaten_at:%Y-%m-%d %H:%M:%S} UTC"


class LongRound(models.Model):
    """How far a round over many rows has come, by the database's clock; see `core.rounds`."""

    name = models.CharField(max_length=80, primary_key=True)
    after = models.CharField(
        max_length=80, blank=True, default="", help_text="the last key done; empty between rounds"
    )
    began_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(
        db_default=Now(), help_text="when a whole round was last done; at first, since when it is known"
    )

    def __str__(self) -> str:
        return f"{self.name} after {self.after}"


class Lease(models.Model):
    """A duty that one process holds for a while, by the database's clock; never money's only guard."""

    name = models.CharField(max_length=80, primary_key=True)
    holder = models.CharField(max_length=80)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} held by {self.holder}"


class KeptForm(models.Model):
    """What a browser posted in vain, for an hour; see `core.kept`."""

    # SHA-256 of what the browser's cookie holds.
    key = HashField(primary_key=True)
    # Empty until somebody is known; then nobody else is shown it.
    user_id = models.CharField(max_length=80, blank=True)
    path = models.CharField(max_length=300)
    typed = models.JSONField()
    files = models.JSONField(default=list)
    created = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["created"], name="kept_forms_by_age")]

    def __str__(self) -> str:
        return f"a form for {self.path}"
