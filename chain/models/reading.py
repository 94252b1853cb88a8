"""What we read from the chain. Nothing is deleted on a reorg: blocks lose their canonical mark."""

from typing import ClassVar

import pgtrigger
from django.db import models

from chain.models.networks import Network, Provider, Token
from chain.models.sending import Call
from core.fields import AddressField, BaseUnitsField, HashField
from core.money import Money
from core.states import append_only, never_deleted


def _final_once() -> pgtrigger.Trigger:
    """The final block of an observation is set once, and taken back only when that block lost its place."""
    return pgtrigger.Trigger(
        name="final_once",
        when=pgtrigger.Before,
        operation=pgtrigger.Update,
        func=(
            "IF EXISTS (SELECT 1 FROM chain_block WHERE id = OLD.final_block_id AND canonical) THEN "
            "RAISE EXCEPTION 'what is final is never rewritten (table %)', TG_TABLE_NAME; "
            "END IF; RETURN NEW;"
        ),
        condition=pgtrigger.Condition(
            "OLD.final_block_id IS NOT NULL AND OLD.final_block_id IS DISTINCT FROM NEW.final_block_id"
        ),
    )


class Block(models.Model):
    """A header we verified against its parent or against a final head."""

    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="blocks")
    number = models.PositiveBigIntegerField()
    hash = HashField()
    parent_hash = HashField()
    timestamp = models.DateTimeField()
    canonical = models.BooleanField(default=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["network", "hash"], name="block_once"),
            models.UniqueConstraint(
                fields=["network", "number"], condition=models.Q(canonical=True), name="block_one_canonical"
            ),
        ]
        triggers: ClassVar = [
            *never_deleted(),
            pgtrigger.ReadOnly(
                name="header_fixed", fields=["network", "number", "hash", "parent_hash", "timestamp"]
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.hash}"


class WatchedAddress(models.Model):
    """An address somebody wants read for ever; `key` is opaque and theirs."""

    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="watched")
    address = AddressField()
    key = models.CharField(max_length=80, db_index=True)
    from_block = models.PositiveBigIntegerField(help_text="read from here on")
    caught_up = models.BooleanField(
        default=False, help_text="the blocks between from_block and the cursor at that time were read"
    )
    since_version = models.PositiveBigIntegerField(
        default=0, help_text="version of the safe cursor that first covers it; what is newer is found by it"
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["network", "address"], name="watched_once")]
        indexes: ClassVar = [
            models.Index(fields=["network"], condition=models.Q(caught_up=False), name="watched_behind"),
            models.Index(
                fields=["network", "since_version", "id"],
                condition=models.Q(caught_up=True),
                name="watched_since",
            ),
        ]
        triggers: ClassVar = [
            *never_deleted(),
            pgtrigger.ReadOnly(name="identity_fixed", fields=["network", "address", "key"]),
        ]

    def __str__(self) -> str:
        return self.address


class TokenTransfer(models.Model):
    """A Transfer from or to a watched address: one fact, however often a reorg mines it again."""

    token = models.ForeignKey(Token, on_delete=models.PROTECT, related_name="transfers")
    tx_hash = HashField()
    ordinal = models.PositiveIntegerField(help_text="of the log inside its transaction")
    source = AddressField()
    recipient = AddressField()
    amount = BaseUnitsField()
    final_block = models.ForeignKey(
        Block, null=True, blank=True, on_delete=models.PROTECT, related_name="final_transfers"
    )
    money = Money("amount")
    blocks = models.ManyToManyField(Block, through="TransferInclusion", related_name="transfers")

    class Meta:
        constraints: ClassVar = [
            # The same transaction may do something else when a reorg mines it on another state.
            models.UniqueConstraint(
                fields=["token", "tx_hash", "ordinal", "source", "recipient", "amount"],
                name="transfer_seen_once",
            ),
            models.UniqueConstraint(
                fields=["token", "tx_hash", "ordinal"],
                condition=models.Q(final_block__isnull=False),
                name="transfer_once",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["recipient"], condition=models.Q(final_block__isnull=True), name="transfer_pending"
            ),
            models.Index(fields=["token", "recipient"], name="transfer_to"),
            models.Index(fields=["token", "source"], name="transfer_from"),
        ]
        triggers: ClassVar = [
            *never_deleted(),
            pgtrigger.ReadOnly(name="fact_fixed", exclude=["final_block"]),
            _final_once(),
        ]

    def __str__(self) -> str:
        return f"{self.tx_hash}/{self.ordinal}"


class TransferInclusion(models.Model):
    """In which block the transfer was seen."""

    transfer = models.ForeignKey(TokenTransfer, on_delete=models.PROTECT, related_name="inclusions")
    block = models.ForeignKey(Block, on_delete=models.PROTECT, related_name="+")
    log_index = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["transfer", "block"], name="transfer_included_once")
        ]
        triggers: ClassVar = append_only()

    def __str__(self) -> str:
        return f"{self.transfer_id} in {self.block_id}"


class ContractLog(models.Model):
    """A log of the escrow contract, or one of the token's own alarming events."""

    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="logs")
    address = AddressField()
    tx_hash = HashField()
    ordinal = models.PositiveIntegerField(help_text="of the log inside its transaction")
    topics = models.JSONField()
    data = models.TextField(help_text="0x and hexadecimal digits")
    fact_hash = HashField(help_text="of topics and data")
    final_block = models.ForeignKey(
        Block, null=True, blank=True, on_delete=models.PROTECT, related_name="final_logs"
    )
    blocks = models.ManyToManyField(Block, through="LogInclusion", related_name="logs")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["network", "address", "tx_hash", "ordinal", "fact_hash"], name="log_seen_once"
            ),
            models.UniqueConstraint(
                fields=["network", "address", "tx_hash", "ordinal"],
                condition=models.Q(final_block__isnull=False),
                name="log_once",
            ),
        ]
        triggers: ClassVar = [
            *never_deleted(),
            pgtrigger.ReadOnly(name="fact_fixed", exclude=["final_block"]),
            _final_once(),
        ]

    def __str__(self) -> str:
        return f"{self.tx_hash}/{self.ordinal}"


class LogInclusion(models.Model):
    """In which block the log was seen."""

    log = models.ForeignKey(ContractLog, on_delete=models.PROTECT, related_name="inclusions")
    block = models.ForeignKey(Block, on_delete=models.PROTECT, related_name="+")
    log_index = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["log", "block"], name="log_included_once")]
        triggers: ClassVar = append_only()

    def __str__(self) -> str:
        return f"{self.log_id} in {self.block_id}"


class ScanCursor(models.Model):
    """Top of contiguous reading of one lane; moved only by compare-and-set on `version`."""

    class Lane(models.TextChoices):
        HEAD = "head"
        SAFE = "safe"
        SECOND = "second"

    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="cursors")
    lane = models.CharField(max_length=8, choices=Lane.choices)
    number = models.PositiveBigIntegerField()
    hash = HashField()
    timestamp = models.DateTimeField()
    version = models.PositiveBigIntegerField(default=0)
    window = models.PositiveIntegerField(default=500, help_text="blocks asked for at once; adapts")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["network", "lane"], name="cursor_once_per_lane")
        ]
        triggers: ClassVar = [
            *never_deleted(),
            pgtrigger.Protect(
                name="safe_back",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition("OLD.lane = 'safe' AND NEW.number < OLD.number"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.lane} at {self.number}"


class ScanCoverage(models.Model):
    """A range of final blocks that was read, by whom, who agreed, and the hash it ended with."""

    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="coverage")
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+")
    from_number = models.PositiveBigIntegerField()
    to_number = models.PositiveBigIntegerField()
    end_hash = HashField()
    digest = HashField(blank=True, default="", help_text="of everything in it that concerned us")
    witnesses = models.JSONField(default=list, help_text="providers that gave the same digest")
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["network", "from_number"], name="coverage_once")
        ]
        triggers: ClassVar = append_only()

    def __str__(self) -> str:
        return f"{self.from_number}..{self.to_number}"


class SecondPass(models.Model):
    """A final range read again, hours later and by another provider where there is one."""

    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="second_passes")
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+")
    from_number = models.PositiveBigIntegerField()
    to_number = models.PositiveBigIntegerField()
    late = models.PositiveIntegerField(help_text="final events that only this reading found")
    unconfirmed = models.PositiveIntegerField(help_text="final events that this reading did not show")
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["network", "from_number"], name="second_pass_once")
        ]
        triggers: ClassVar = append_only()

    def __str__(self) -> str:
        return f"{self.from_number}..{self.to_number}"


class Reorg(models.Model):
    """The chain changed its mind after `common_number`."""

    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="reorgs")
    common_number = models.PositiveBigIntegerField()
    depth = models.PositiveIntegerField()
    old_hash = HashField()
    new_hash = HashField(blank=True, default="")
    beyond_finality = models.BooleanField(default=False)
    detected_at = models.DateTimeField()

    class Meta:
        triggers: ClassVar = append_only()

    def __str__(self) -> str:
        return f"{self.depth} blocks after {self.common_number}"


class FinalSequence(models.Model):
    """The row-locked counter behind the gapless sequence of final events."""

    network = models.OneToOneField(Network, on_delete=models.PROTECT, primary_key=True, related_name="+")
    last = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.last)


class FinalEvent(models.Model):
    """What became final, in order, without gaps. `payments` pulls it with its own cursor.

    `transfer_in` / `transfer_out`: `transfer` and the watched `key`. `log`: `log`, a log of the escrow
    contract. `token`: `log`, an alarming event of the token itself. `call`: `call`, `outcome`, `reason`.
    `reversed`: what an earlier event of the kind in `outcome` told is not true any more, because a person
    accepted that the chain left its own final blocks; `transfer` or `log`, and `key`, are those of it. When
    it becomes final once more, an event of the first kind follows, with an outcome that begins with `again`.
    """

    class Kind(models.TextChoices):
        LOG = "log"
        TOKEN = "token"  # noqa: S105  (an ERC-20 token)
        TRANSFER_IN = "transfer_in"
        TRANSFER_OUT = "transfer_out"
        CALL = "call"
        REVERSED = "reversed"

    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="final_events")
    seq = models.PositiveBigIntegerField()
    kind = models.CharField(max_length=12, choices=Kind.choices)
    block_number = models.PositiveBigIntegerField()
    block_hash = HashField()
    block_timestamp = models.DateTimeField()
    key = models.CharField(max_length=80, blank=True, default="")
    transfer = models.ForeignKey(
        TokenTransfer, null=True, blank=True, on_delete=models.PROTECT, related_name="final_events"
    )
    log = models.ForeignKey(
        ContractLog, null=True, blank=True, on_delete=models.PROTECT, related_name="final_events"
    )
    call = models.ForeignKey(
        Call, null=True, blank=True, on_delete=models.PROTECT, related_name="final_events"
    )
    outcome = models.CharField(max_length=20, blank=True, default="")
    reason = models.CharField(max_length=300, blank=True, default="")
    created_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["network", "seq"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["network", "seq"], name="final_event_seq"),
            models.UniqueConstraint(fields=["transfer", "kind", "outcome"], name="final_event_transfer_once"),
            models.UniqueConstraint(fields=["log", "kind", "outcome"], name="final_event_log_once"),
            models.UniqueConstraint(fields=["call", "outcome"], name="final_event_call_once"),
        ]
        indexes: ClassVar = [models.Index(fields=["network", "block_number"], name="final_event_block")]
        triggers: ClassVar = append_only()

    def __str__(self) -> str:
        return f"{self.seq} {self.kind}"

    @property
    def tx_hash(self) -> str:
        """Hash of the transaction it came from; empty for a call that never reached the chain."""
        if self.transfer is not None:
            return self.transfer.tx_hash
        if self.log is not None:
            return self.log.tx_hash
        attempt = self.call.transaction.mined_attempt if self.call and self.call.transaction else None
        return attempt.hash if attempt else ""

    @property
    def ordinal(self) -> int | None:
        """Of the log inside its transaction; None for calls."""
        observed = self.transfer or self.log
        return observed.ordinal if observed is not None else None
