"""What we write to the chain: wanted effects, the transactions that carry them, the bytes we signed."""

from typing import ClassVar

import pgtrigger
from django.db import models
from django_fsm import FSMField, transition

from chain import states
from chain.models.networks import Network
from core.fields import AddressField, BaseUnitsField, HashField, PrefixedIdField
from core.states import never_deleted, state_guards


class Sender(models.Model):
    """One key of ours that pays gas on one network, for one purpose. It owns a line of nonces."""

    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="senders")
    address = AddressField()
    purpose = models.CharField(max_length=40)
    key_ref = models.CharField(max_length=200, help_text="opaque; the signer registry resolves it")
    next_nonce = models.PositiveBigIntegerField(default=0)
    in_flight_limit = models.PositiveIntegerField(default=16)
    state = FSMField(default="active", protected=True)
    reason = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["network", "address"], name="sender_address_once"),
            models.UniqueConstraint(
                fields=["network", "purpose"],
                condition=models.Q(state="active"),
                name="one_active_sender_per_purpose",
            ),
        ]
        triggers: ClassVar = [
            *state_guards(states.SENDER),
            pgtrigger.Protect(
                name="nonce_back",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition("NEW.next_nonce < OLD.next_nonce"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {self.address}"

    @transition(field=state, source=states.SENDER.sources("frozen"), target="frozen")
    def freeze(self, reason: str) -> None:
        """Nothing more is signed with this key."""
        self.reason = reason

    @transition(field=state, source=states.SENDER.sources("retiring"), target="retiring")
    def retire(self, reason: str) -> None:
        """Another key takes its purpose; what it has sent is followed to its end."""
        self.reason = reason

    @transition(field=state, source=states.SENDER.sources("active"), target="active")
    def thaw(self) -> None:
        """A human looked: sign again."""
        self.reason = ""


class Transaction(models.Model):
    """One nonce of one sender. Its attempts are bumps or cancels of the same nonce."""

    sender = models.ForeignKey(Sender, on_delete=models.PROTECT, related_name="transactions")
    nonce = models.PositiveBigIntegerField()
    target = AddressField()
    data = models.BinaryField()
    gas_limit = models.PositiveBigIntegerField()
    state = FSMField(default="assigned", protected=True, db_index=True)
    reason = models.CharField(max_length=300, blank=True, default="")
    created_at = models.DateTimeField()
    next_send_at = models.DateTimeField()
    first_sent_at = models.DateTimeField(null=True, blank=True)
    mined_attempt = models.ForeignKey(
        "Attempt", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    mined_number = models.PositiveBigIntegerField(null=True, blank=True)
    mined_hash = HashField(blank=True, default="")
    gas_used = models.PositiveBigIntegerField(default=0)
    gas_price = BaseUnitsField(default=0, help_text="wei per gas that was paid")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["sender", "nonce"], name="transaction_nonce_once")
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["sender", "nonce"],
                condition=models.Q(state__in=states.OPEN_TRANSACTIONS),
                name="transaction_open",
            ),
            models.Index(fields=["sender", "created_at"], name="transaction_spent"),
        ]
        triggers: ClassVar = [
            *state_guards(states.TRANSACTION),
            pgtrigger.ReadOnly(
                name="identity_fixed", fields=["sender", "nonce", "target", "data", "gas_limit", "created_at"]
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sender_id}/{self.nonce}"

    @transition(field=state, source="assigned", target="sent")
    def mark_sent(self) -> None:
        """A node may hold our bytes now."""

    @transition(field=state, source=states.TRANSACTION.sources("mined"), target="mined")
    def mark_mined(self) -> None:
        """A block holds one of our hashes; provisional until final."""

    @transition(field=state, source="mined", target="sent")
    def mark_orphaned(self) -> None:
        """The block that held it is gone; the same bytes go out again."""

    @transition(field=state, source="mined", target="final_ok")
    def mark_final_ok(self) -> None:
        """Final, status 1, and every expected event is there."""

    @transition(field=state, source="mined", target="final_reverted")
    def mark_final_reverted(self, reason: str) -> None:
        """Final with status 0."""
        self.reason = reason

    @transition(field=state, source="mined", target="cancelled")
    def mark_cancelled(self) -> None:
        """Final, and what was mined is our own cancel."""

    @transition(field=state, source=states.TRANSACTION.sources("needs_human"), target="needs_human")
    def mark_needs_human(self, reason: str) -> None:
        """What happened cannot be decided by rule."""
        self.reason = reason


class Attempt(models.Model):
    """Signed bytes. Insert-only but for the send bookkeeping."""

    class Purpose(models.TextChoices):
        ORIGINAL = "original"
        BUMP = "bump"
        CANCEL = "cancel"
        ADOPTED = "adopted", "found on the chain after a restore"

    transaction = models.ForeignKey(Transaction, on_delete=models.PROTECT, related_name="attempts")
    sequence = models.PositiveIntegerField()
    purpose = models.CharField(max_length=10, choices=Purpose.choices)
    max_fee = BaseUnitsField(help_text="wei per gas; the gas price on a legacy network")
    max_tip = BaseUnitsField(help_text="wei per gas; equal to max_fee on a legacy network")
    raw = models.BinaryField()
    hash = HashField(unique=True)
    created_at = models.DateTimeField()
    sent_block = models.PositiveBigIntegerField(null=True, blank=True, help_text="head when first sent")
    send_count = models.PositiveIntegerField(default=0)
    last_sent_at = models.DateTimeField(null=True, blank=True)
    last_answer = models.CharField(max_length=40, blank=True, default="")
    last_error = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        ordering: ClassVar = ["sequence"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["transaction", "sequence"], name="attempt_sequence_once"),
            models.CheckConstraint(condition=~models.Q(raw=b""), name="attempt_has_bytes"),
        ]
        triggers: ClassVar = [
            *never_deleted(),
            pgtrigger.ReadOnly(
                name="bytes_fixed",
                fields=[
                    "transaction", "sequence", "purpose", "max_fee", "max_tip", "raw", "hash", "created_at",
                ],
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.hash


class Call(models.Model):
    """One wanted effect on the chain, ordered once under an idempotency key."""

    id = PrefixedIdField("call")
    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="calls")
    purpose = models.CharField(max_length=40, help_text="which sender carries it")
    idempotency_key = models.CharField(max_length=200, unique=True)
    request_hash = HashField()
    group = models.CharField(max_length=80, blank=True, default="", help_text="opaque: what it belongs to")
    label = models.CharField(max_length=120)
    target = AddressField()
    data = models.BinaryField()
    gas_limit = models.PositiveBigIntegerField()
    expected = models.JSONField(default=list)
    batchable = models.BooleanField(
        default=False, help_text="its target takes a batch, and it may wait a little to share one"
    )
    must_be_final_by = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    held = models.BooleanField(default=False, help_text="not signed until whoever ordered it lets it go")
    next_try_at = models.DateTimeField()
    refusals = models.PositiveIntegerField(default=0, help_text="simulations in a row that reverted")
    replaces = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="replaced_by"
    )
    transaction = models.ForeignKey(
        Transaction, null=True, blank=True, on_delete=models.PROTECT, related_name="calls"
    )
    outcome = FSMField(default="waiting", protected=True, db_index=True)
    reason = models.CharField(max_length=300, blank=True, default="")
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["network", "purpose", "next_try_at"],
                condition=models.Q(outcome="waiting"),
                name="call_due",
            ),
            models.Index(fields=["group", "network"], name="calls_of_group"),
        ]
        triggers: ClassVar = [
            *state_guards(states.CALL, "outcome"),
            pgtrigger.ReadOnly(
                name="request_fixed",
                fields=[
                    "id", "network", "purpose", "idempotency_key", "request_hash", "group", "target", "data",
                    "gas_limit", "expected", "batchable", "replaces", "created_at",
                ],
            ),
            pgtrigger.Protect(
                name="one_nonce",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    "OLD.transaction_id IS NOT NULL"
                    " AND OLD.transaction_id IS DISTINCT FROM NEW.transaction_id"
                ),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.label} ({self.outcome})"

    @transition(field=outcome, source="waiting", target="sent")
    def mark_sent(self, transaction: Transaction) -> None:
        """It has a nonce now, and never gets another one."""
        self.transaction = transaction

    @transition(field=outcome, source="sent", target="done")
    def mark_done(self) -> None:
        """Final with the effect that was wanted."""

    @transition(field=outcome, source=["waiting", "sent"], target="failed")
    def mark_failed(self, reason: str) -> None:
        """Final without effect, or refused by every simulation: a new call may follow."""
        self.reason = reason

    @transition(field=outcome, source=["waiting", "failed", "needs_human"], target="superseded")
    def mark_superseded(self, reason: str) -> None:
        """The effect is there by another transaction, or is no longer wanted."""
        self.reason = reason

    @transition(field=outcome, source=["waiting", "sent"], target="needs_human")
    def mark_needs_human(self, reason: str) -> None:
        """What happened cannot be decided by rule."""
        self.reason = reason
