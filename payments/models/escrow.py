"""Escrows: the money of one milestone, and everything that happened to it."""

from typing import ClassVar

from django.db import models
from django_fsm import FSMField, FSMModelMixin, transition

from chain.models import Network, Token
from core.fields import AddressField, BaseUnitsField, HashField, PrefixedIdField
from core.models import StoredFile
from core.money import Money
from core.states import append_only, state_guards
from core.text import isolated
from payments.models.deal import Deal, Party
from payments.states import ESCROW, EscrowState


class Escrow(FSMModelMixin, models.Model):
    """One set of on-chain terms, one escrow id, one deposit address, one state machine.

    Amounts are base units of `token`. `remainder` is what the chain has not decided yet, known from
    final events only.
    """

    id = PrefixedIdField("esc")
    deal = models.ForeignKey(Deal, on_delete=models.PROTECT, related_name="escrows")
    position = models.PositiveIntegerField()
    title = models.CharField(max_length=120)
    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="+")
    token = models.ForeignKey(Token, on_delete=models.PROTECT, related_name="+")
    amount = BaseUnitsField()
    fee_bps = models.PositiveIntegerField()
    state = FSMField(default=EscrowState.PLANNED, protected=True, max_length=20)
    # The agreed date, and the off-chain inspection time in seconds.
    deliver_at = models.DateTimeField()
    inspect_seconds = models.PositiveIntegerField()
    # Fixed when opened; `terms` is the JSON of contracts.terms.Terms.
    terms = models.JSONField(null=True)
    chain_id_hash = HashField(blank=True)
    vault_address = AddressField(blank=True)
    arbiters = models.JSONField(default=list)
    arbiters_threshold = models.PositiveIntegerField(default=0)
    fund_by = models.DateTimeField(null=True)
    # The chain's own last instant for a delivery; the backstop of the agreed date.
    deliver_by = models.DateTimeField(null=True)
    # From final chain events.
    remainder = BaseUnitsField(default=0)
    decided_seller = BaseUnitsField(default=0)
    decided_buyer = BaseUnitsField(default=0)
    money = Money("amount")
    remainder_money = Money("remainder")
    decided_seller_money = Money("decided_seller")
    decided_buyer_money = Money("decided_buyer")
    # The round that rulings bind; grows with every dispute and every appeal on the chain.
    dispute_round = models.PositiveIntegerField(default=0)
    # The round with which the present dispute, or the last one, was raised.
    raised_round = models.PositiveIntegerField(default=0)
    # How often each side disputed on the chain, whoever sent it.
    buyer_disputes = models.PositiveIntegerField(default=0)
    seller_disputes = models.PositiveIntegerField(default=0)
    disputed_by = models.CharField(max_length=6, blank=True)
    # Who sent it: the operator, or the party's own wallet, which alone can then withdraw it.
    dispute_sender = AddressField(blank=True)
    marked_until = models.DateTimeField(null=True)
    # The chain stops its inspection at most three times, whoever asks.
    reopens = models.PositiveIntegerField(default=0)
    # Whole days by which the operator alone has moved the chain's clocks.
    operator_days = models.PositiveIntegerField(default=0)
    # Cancelled on the chain: the terms are dead, all that ever comes is the buyer's and leaves by rescue.
    cancelled_at = models.DateTimeField(null=True)
    # Both sides extended on the chain after pay-by: the full amount funds it, however late.
    revived_at = models.DateTimeField(null=True)
    # Clocks that a dispute stopped: kind -> seconds that were left.
    paused_clocks = models.JSONField(default=dict)
    # The chain's instant after which anyone may execute the fallback split of a disputed escrow.
    fallback_after = models.DateTimeField(null=True)
    # The buyer may take everything back, because nothing was delivered in time.
    take_back_open = models.BooleanField(default=False)
    changes_requested = models.PositiveIntegerField(default=0)
    # Where a failed or withdrawn dispute goes back to.
    state_before_dispute = models.CharField(max_length=20, blank=True)
    frozen = models.BooleanField(default=False)
    held_reason = models.CharField(max_length=200, blank=True)
    opened_at = models.DateTimeField(null=True)
    funded_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    created = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["deal", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["deal", "position"], name="one_escrow_per_milestone"),
            models.UniqueConstraint(
                fields=["network", "chain_id_hash"],
                condition=~models.Q(chain_id_hash=""),
                name="chain_id_hash_once_per_network",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["created", "id"], name="escrows_by_age"),
            models.Index(fields=["state", "id"], name="escrows_by_state"),
            models.Index(fields=["id"], condition=models.Q(frozen=True), name="escrows_frozen"),
            models.Index(
                fields=["vault_address"], condition=~models.Q(vault_address=""), name="escrows_by_vault"
            ),
        ]
        triggers: ClassVar = state_guards(ESCROW)

    def __str__(self) -> str:
        return f"{isolated(self.title)} ({self.id})"

    def disputes_of(self, role: str) -> int:
        """How often this side has disputed on the chain."""
        return self.buyer_disputes if role == "buyer" else self.seller_disputes

    @transition(field=state, source=ESCROW.sources(EscrowState.AWAITING_DEPOSIT), target="awaiting_deposit")
    def to_awaiting_deposit(self) -> None: ...

    @transition(field=state, source=ESCROW.sources(EscrowState.CONFIRMING), target=EscrowState.CONFIRMING)
    def to_confirming(self) -> None: ...

    @transition(field=state, source=ESCROW.sources(EscrowState.FUNDED), target=EscrowState.FUNDED)
    def to_funded(self) -> None: ...

    @transition(field=state, source=ESCROW.sources(EscrowState.DELIVERED), target=EscrowState.DELIVERED)
    def to_delivered(self) -> None: ...

    @transition(field=state, source=ESCROW.sources(EscrowState.RELEASING), target=EscrowState.RELEASING)
    def to_releasing(self) -> None: ...

    @transition(field=state, source=ESCROW.sources(EscrowState.REFUNDING), target=EscrowState.REFUNDING)
    def to_refunding(self) -> None: ...

    @transition(field=state, source=ESCROW.sources(EscrowState.DISPUTING), target=EscrowState.DISPUTING)
    def to_disputing(self) -> None: ...

    @transition(field=state, source=ESCROW.sources(EscrowState.DISPUTED), target=EscrowState.DISPUTED)
    def to_disputed(self) -> None: ...

    @transition(field=state, source=ESCROW.sources(EscrowState.SETTLING), target=EscrowState.SETTLING)
    def to_settling(self) -> None: ...

    @transition(field=state, source=ESCROW.sources(EscrowState.RELEASED), target=EscrowState.RELEASED)
    def to_released(self) -> None: ...

    @transition(field=state, source=ESCROW.sources(EscrowState.REFUNDED), target=EscrowState.REFUNDED)
    def to_refunded(self) -> None: ...

    @transition(field=state, source=ESCROW.sources(EscrowState.SETTLED), target=EscrowState.SETTLED)
    def to_settled(self) -> None: ...

    @transition(field=state, source=ESCROW.sources(EscrowState.EXPIRED), target=EscrowState.EXPIRED)
    def to_expired(self) -> None: ...

    @transition(field=state, source=ESCROW.sources(EscrowState.CANCELLED), target=EscrowState.CANCELLED)
    def to_cancelled(self) -> None: ...


# The flag of a deposit whose transaction sent less than its token's least amount: it waits until it adds up.
SMALL = "small"


class Deposit(models.Model):
    """A final token transfer that reached an escrow's vault. Its identity is the log's, not the block's."""

    id = PrefixedIdField("dep")
    escrow = models.ForeignKey(Escrow, on_delete=models.PROTECT, related_name="deposits")
    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="+")
    token = models.ForeignKey(Token, on_delete=models.PROTECT, related_name="+")
    tx_hash = HashField()
    # Ordinal of the log inside its transaction: one batch transaction may pay two escrows.
    ordinal = models.PositiveIntegerField()
    sender = AddressField()
    amount = BaseUnitsField()
    # Of `amount`: what counts towards the escrow, and what is the buyer's surplus.
    counted = BaseUnitsField()
    surplus = BaseUnitsField()
    money = Money("amount")
    counted_money = Money("counted")
    surplus_money = Money("surplus")
    # Facts: under, over, late, extra, wrong_token, small.
    flags = models.JSONField(default=list)
    block_number = models.PositiveBigIntegerField()
    block_time = models.DateTimeField()
    created = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["created", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["network", "token", "tx_hash", "ordinal"], name="deposit_identity"
            )
        ]
        indexes: ClassVar = [models.Index(fields=["tx_hash"], name="deposits_by_transaction")]
        triggers: ClassVar = append_only()

    def __str__(self) -> str:
        return f"{self.id} to {self.escrow_id}"


class DepositReversal(models.Model):
    """The chain left the final block that held a deposit, or took the deposit in again (`returned`)."""

    deposit = models.ForeignKey(Deposit, on_delete=models.PROTECT, related_name="reversals")
    # The gapless sequence number of the final event that said so.
    seq = models.PositiveBigIntegerField()
    returned = models.BooleanField(default=False)
    created = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["deposit", "seq"], name="deposit_reversed_once_by_an_event")
        ]
        triggers: ClassVar = append_only()

    def __str__(self) -> str:
        return f"{self.deposit_id} {'returned' if self.returned else 'reversed'}"


class Delivery(models.Model):
    """What the seller handed over: a note, files, or both."""

    id = PrefixedIdField("dlv")
    escrow = models.ForeignKey(Escrow, on_delete=models.PROTECT, related_name="deliveries")
    note = models.TextField(blank=True)
    created = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["created"]
        triggers: ClassVar = append_only()

    def __str__(self) -> str:
        return f"delivery for {self.escrow_id}"


class DeliveryFile(models.Model):
    """One delivered file."""

    id = PrefixedIdField("dvf")
    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="files")
    file = models.ForeignKey(StoredFile, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=120)

    class Meta:
        triggers: ClassVar = append_only()

    def __str__(self) -> str:
        return self.name


class RefundRequest(models.Model):
    """The buyer asks for everything back; silence of the seller means yes. A dispute closes it."""

    class State(models.TextChoices):
        ASKED = "asked"
        ACCEPTED = "accepted"
        DECLINED = "declined"
        SILENT = "silent"
        CLOSED = "closed"

    id = PrefixedIdField("rfr")
    escrow = models.ForeignKey(Escrow, on_delete=models.PROTECT, related_name="refund_requests")
    asked_by = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="+")
    reason = models.TextField()
    answer = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.ASKED)
    created = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["escrow"], condition=models.Q(state="asked"), name="one_open_refund_request"
            )
        ]

    def __str__(self) -> str:
        return f"refund request for {self.escrow_id}: {self.state}"
