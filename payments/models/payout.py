"""Orders to the chain and the payout legs they move."""

from typing import ClassVar

import pgtrigger
from django.db import models
from django_fsm import FSMField, FSMModelMixin, transition

from chain.models import Call, Network, Token
from core.fields import AddressField, BaseUnitsField, HashField, PrefixedIdField
from core.money import Money
from core.states import state_guards
from payments.models.escrow import Escrow
from payments.states import APPROVAL, LEG, ORDER, ApprovalState, LegState, OrderState


class OrderKind(models.TextChoices):
    """What is asked of the escrow contract. The first group decides money."""

    PAY = "pay"
    RULE = "rule"
    RESCUE = "rescue"
    PAY_LEG = "pay_leg"
    CLAIM_UNFUNDED = "claim_unfunded"
    CLAIM_FALLBACK = "claim_fallback"
    CANCEL = "cancel"
    MARK = "mark"
    REOPEN = "reopen"
    DISPUTE = "dispute"
    WITHDRAW = "withdraw"
    EXTEND = "extend"
    # Somebody else's transaction did it: seen in a final event, never ordered here.
    FOREIGN = "foreign"


# At most one live order among these for one escrow; `rescue` and `pay_leg` touch other money.
DECIDING = (
    OrderKind.PAY,
    OrderKind.RULE,
    OrderKind.CLAIM_UNFUNDED,
    OrderKind.CLAIM_FALLBACK,
    OrderKind.CANCEL,
)
# What a hold stops: everything that lets money leave.
PAYING = (*DECIDING, OrderKind.RESCUE, OrderKind.PAY_LEG)


class Order(FSMModelMixin, models.Model):
    """One effect wanted on chain for one escrow, with the decision behind it.

    `call` is the newest attempt; a retry names the one before. Amounts are base units of `token`.
    The outcome follows final events, never the receipt of our own transaction.
    """

    id = PrefixedIdField("ord")
    escrow = models.ForeignKey(Escrow, on_delete=models.PROTECT, related_name="orders")
    kind = models.CharField(max_length=16, choices=OrderKind.choices)
    state = FSMField(default=OrderState.LIVE, protected=True, max_length=12)
    to_seller = BaseUnitsField(default=0)
    to_buyer = BaseUnitsField(default=0)
    # The undecided remainder that the contract must still hold, else it reverts (rule T15).
    left = BaseUnitsField(default=0)
    to_seller_money = Money("to_seller")
    to_buyer_money = Money("to_buyer")
    left_money = Money("left", of="escrow.token")
    reason = models.CharField(max_length=80)
    actor_kind = models.CharField(max_length=20)
    actor_id = models.CharField(max_length=80)
    call = models.OneToOneField(Call, on_delete=models.PROTECT, null=True, related_name="+")
    attempts = models.PositiveIntegerField(default=0)
    # What a retry needs to write the same calldata again.
    payload = models.JSONField(default=dict)
    failure = models.CharField(max_length=300, blank=True)
    created = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["created", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["escrow"],
                condition=models.Q(state__in=["live", "needs_human"], kind__in=[str(k) for k in DECIDING]),
                name="one_live_deciding_order",
            ),
            models.UniqueConstraint(
                fields=["escrow", "kind"],
                condition=models.Q(state__in=["live", "needs_human"]) & ~models.Q(kind="pay_leg"),
                name="one_live_order_per_kind",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["state", "id"], name="orders_by_state")]
        triggers: ClassVar = state_guards(ORDER)

    def __str__(self) -> str:
        return f"{self.kind} for {self.escrow_id}: {self.state}"

    @property
    def token(self) -> Token:
        """Whose base units are ordered: the escrow's token, but for the surplus of another one."""
        other = self.payload.get("token_id", self.escrow.token_id)
        if other == self.escrow.token_id:
            return self.escrow.token
        return Token.objects.select_related("network").get(pk=other)

    @transition(field=state, source=ORDER.sources(OrderState.DONE), target=OrderState.DONE)
    def to_done(self) -> None: ...

    @transition(field=state, source=ORDER.sources(OrderState.FAILED), target=OrderState.FAILED)
    def to_failed(self) -> None: ...

    @transition(field=state, source=ORDER.sources(OrderState.SUPERSEDED), target=OrderState.SUPERSEDED)
    def to_superseded(self) -> None: ...

    @transition(field=state, source=ORDER.sources(OrderState.NEEDS_HUMAN), target=OrderState.NEEDS_HUMAN)
    def to_needs_human(self) -> None: ...

    @transition(field=state, source=ORDER.sources(OrderState.LIVE), target=OrderState.LIVE)
    def to_live(self) -> None: ...


class Approval(FSMModelMixin, models.Model):
    """A second person's yes to one order above a cap: until it is given nothing goes to the chain.

    It names the very call, the hot key that may send it, and the instant until which it serves.
    """

    id = PrefixedIdField("apr")
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="approvals")
    state = FSMField(default=ApprovalState.WAITING, protected=True, max_length=12)
    why = models.CharField(max_length=80)
    gate = AddressField()
    hot = AddressField()
    call_hash = HashField()
    valid_until = models.DateTimeField()
    # Of use to the hot key alone, and only for this call.
    signature = models.CharField(max_length=132, blank=True)
    approved_by = models.CharField(max_length=80, blank=True)
    approved_at = models.DateTimeField(null=True)
    created = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["created", "id"]
        permissions: ClassVar = [("approve_payout", "Can approve payouts above a cap")]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["order"],
                condition=models.Q(state__in=["waiting", "given"]),
                name="one_open_approval_per_order",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="given") | ~models.Q(signature=""),
                name="given_approval_is_signed",
            ),
        ]
        triggers: ClassVar = [
            *state_guards(APPROVAL),
            pgtrigger.ReadOnly(name="asked_fixed", fields=["order", "gate", "hot", "call_hash", "created"]),
        ]

    def __str__(self) -> str:
        return f"approval for {self.order_id}: {self.state}"

    @transition(field=state, source=APPROVAL.sources(ApprovalState.GIVEN), target=ApprovalState.GIVEN)
    def to_given(self) -> None: ...

    @transition(field=state, source=APPROVAL.sources(ApprovalState.CLOSED), target=ApprovalState.CLOSED)
    def to_closed(self) -> None: ...


class LegKind(models.TextChoices):
    RELEASE = "release", "Release to the seller"
    REFUND = "refund", "Refund to the buyer"
    FEE = "fee", "Platform fee"
    SURPLUS = "surplus", "Surplus to the buyer"


class PayoutLeg(FSMModelMixin, models.Model):
    """One outgoing movement of one escrow. Paid at most once, by the final event that names it."""

    id = PrefixedIdField("leg")
    escrow = models.ForeignKey(Escrow, on_delete=models.PROTECT, related_name="legs")
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="legs")
    kind = models.CharField(max_length=8, choices=LegKind.choices)
    n = models.PositiveIntegerField()
    recipient = AddressField()
    # The escrow's token, but for the surplus of another one.
    token = models.ForeignKey(Token, on_delete=models.PROTECT, related_name="+")
    amount = BaseUnitsField()
    money = Money("amount")
    state = FSMField(default=LegState.PLANNED, protected=True, max_length=12)
    tx_hash = HashField(blank=True)
    paid_at = models.DateTimeField(null=True)
    created = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["created", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["escrow", "kind", "n"], name="one_leg_per_escrow_kind_n")
        ]
        indexes: ClassVar = [
            models.Index(fields=["state", "id"], name="legs_by_state"),
            models.Index(fields=["tx_hash"], condition=~models.Q(tx_hash=""), name="legs_by_transaction"),
            models.Index(fields=["recipient", "id"], name="legs_by_recipient"),
        ]
        triggers: ClassVar = state_guards(LEG)

    def __str__(self) -> str:
        return f"{self.kind} {self.n} of {self.escrow_id}: {self.state}"

    @transition(field=state, source=LEG.sources(LegState.ORDERED), target=LegState.ORDERED)
    def to_ordered(self) -> None: ...

    @transition(field=state, source=LEG.sources(LegState.PAID), target=LegState.PAID)
    def to_paid(self) -> None: ...

    @transition(field=state, source=LEG.sources(LegState.BLOCKED), target=LegState.BLOCKED)
    def to_blocked(self) -> None: ...

    @transition(field=state, source=LEG.sources(LegState.SUPERSEDED), target=LegState.SUPERSEDED)
    def to_superseded(self) -> None: ...


class EscrowPolicy(models.Model):
    """What new escrows on a network are opened with: operator, fee recipient and seats."""

    network = models.OneToOneField(Network, on_delete=models.PROTECT, primary_key=True, related_name="policy")
    operator = AddressField()
    fee_recipient = AddressField()
    # Sorted addresses of the seats; n >= m + 2 for both thresholds.
    seats = models.JSONField(default=list)
    threshold = models.PositiveIntegerField(default=1)
    four_eyes_threshold = models.PositiveIntegerField(default=2)
    # Where a mark costs next to nothing, a delivery is marked on chain at once.
    mark_at_once = models.BooleanField(default=False)
    # Parts of the gate's daily cap that one party, and one deal, may use without a second person.
    party_budget_bps = models.PositiveIntegerField(default=1_000)
    deal_budget_bps = models.PositiveIntegerField(default=1_000)

    class Meta:
        verbose_name_plural = "escrow policies"

    def __str__(self) -> str:
        return f"policy of {self.network_id}"


class KillSwitch(models.Model):
    """Stops intake, releases or refunds of a network, or everything that one token pays; watchers and
    deadline work are never switched off."""

    class Kind(models.TextChoices):
        INTAKE = "intake"
        RELEASE = "release"
        REFUND = "refund"
        # Of one token: its books and the chain differ, and nobody knows why.
        TOKEN = "token"  # noqa: S105  (an ERC-20 token)

    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    token = models.ForeignKey(Token, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    stopped = models.BooleanField(default=False)
    reason = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name_plural = "kill switches"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["network", "kind", "token"],
                nulls_distinct=False,
                name="one_switch_per_network_kind_and_token",
            ),
            models.CheckConstraint(
                condition=models.Q(kind="token", token__isnull=False)
                | (~models.Q(kind="token") & models.Q(token__isnull=True)),
                name="a_token_switch_names_its_token",
            ),
        ]

    def __str__(self) -> str:
        what = f"{self.kind} {self.token_id}" if self.token_id else self.kind
        return f"{what} on {self.network_id}: {'stopped' if self.stopped else 'running'}"


class ProjectionCursor(models.Model):
    """How far the final events of a network have been applied."""

    network = models.OneToOneField(Network, on_delete=models.PROTECT, primary_key=True, related_name="+")
    seq = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.network_id} at {self.seq}"
