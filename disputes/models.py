"""Disputes, what the parties say in them, who worked on them, and what was ruled."""

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django_fsm import FSMField, transition

from core.fields import BaseUnitsField, HashField, PrefixedIdField
from core.models import StoredFile
from core.money import Amount, Money
from core.states import append_only, state_guards
from disputes import reasons
from disputes.states import DISPUTE, LIVE, RULING, STANDING, DisputeState, RulingState
from payments.models import Escrow, Role


class Dispute(models.Model):
    """One dispute about one escrow. Amounts are base units of the escrow's token."""

    id = PrefixedIdField("dsp")
    escrow = models.ForeignKey(Escrow, on_delete=models.PROTECT, related_name="disputes")
    opened_by = models.CharField(max_length=6, choices=Role.choices)
    # First or second dispute of this side.
    n = models.PositiveIntegerField()
    reason = models.CharField(max_length=20, choices=reasons.CHOICES)
    state = FSMField(default=DisputeState.OPENING, protected=True, max_length=20)
    # Over the canonical JSON of the opener's first item; the chain carries it.
    evidence_hash = HashField()
    # The round of the chain that rulings bind; zero before the chain froze it. An appeal there raises it.
    round = models.PositiveIntegerField(default=0)
    # The round with which this dispute was raised on the chain: which dispute of the escrow it is.
    raised_round = models.PositiveIntegerField(default=0)
    # Appealed after it was ruled: other people rule once more.
    appealed_at = models.DateTimeField(null=True)
    # The undecided remainder when the chain froze it.
    disputed = BaseUnitsField(default=0)
    disputed_money = Money("disputed", of="escrow.token")
    arbitrator = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="disputes"
    )
    # Facts, not gates: silence is marked and the case goes on.
    answered_at = models.DateTimeField(null=True)
    answer_overdue = models.BooleanField(default=False)
    # "I have nothing more to add": when both sides said so, evidence closes before its deadline.
    buyer_done_at = models.DateTimeField(null=True)
    seller_done_at = models.DateTimeField(null=True)
    # The opener took it back; true on the chain only when the state says so.
    withdrawal_ordered_at = models.DateTimeField(null=True)
    opened_tx_hash = HashField(blank=True)
    closed_tx_hash = HashField(blank=True)
    created = models.DateTimeField()
    opened_at = models.DateTimeField(null=True)
    review_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    # For people: why it ended otherwise than by an executed ruling.
    closed_why = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering: ClassVar = ["-created", "-id"]
        default_permissions = ("view",)
        permissions: ClassVar = [
            ("claim_dispute", "Can claim a dispute and give it back"),
            ("rule_dispute", "Can propose a ruling on a dispute"),
            ("approve_ruling", "Can approve or refuse somebody else's ruling"),
            ("assign_dispute", "Can assign a dispute to an arbitrator"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["escrow"], condition=models.Q(state__in=LIVE), name="one_live_dispute_per_escrow"
            ),
            models.UniqueConstraint(fields=["escrow", "opened_by", "n"], name="dispute_number_once_per_side"),
        ]
        indexes: ClassVar = [models.Index(fields=["state", "arbitrator"], name="disputes_in_queue")]
        triggers: ClassVar = [
            *state_guards(DISPUTE),
            pgtrigger.ReadOnly(name="dispute_fixed", fields=["escrow", "created", "evidence_hash"]),
        ]

    def __str__(self) -> str:
        return f"{self.get_reason_display()} ({self.id})"

    @property
    def at_stake(self) -> Amount:
        """What is disputed: the remainder when the chain froze it, until then what it will freeze."""
        return self.disputed_money or self.escrow.remainder_money

    @property
    def answering_role(self) -> Role:
        """The side that did not open it."""
        return Role(self.opened_by).other

    def done_at(self, role: str) -> bool:
        """Whether this side said that it has nothing more to add."""
        return bool(self.buyer_done_at if role == Role.BUYER else self.seller_done_at)

    @transition(field=state, source=DISPUTE.sources(DisputeState.OPENED), target=DisputeState.OPENED)
    def to_opened(self) -> None: ...

    @transition(field=state, source=DISPUTE.sources(DisputeState.NEGOTIATING), target="negotiating")
    def to_negotiating(self) -> None: ...

    @transition(field=state, source=DISPUTE.sources(DisputeState.EVIDENCE), target=DisputeState.EVIDENCE)
    def to_evidence(self) -> None: ...

    @transition(field=state, source=DISPUTE.sources(DisputeState.UNDER_REVIEW), target="under_review")
    def to_under_review(self) -> None: ...

    @transition(field=state, source=DISPUTE.sources(DisputeState.RULING_PROPOSED), target="ruling_proposed")
    def to_ruling_proposed(self) -> None: ...

    @transition(field=state, source=DISPUTE.sources(DisputeState.APPROVED), target=DisputeState.APPROVED)
    def to_approved(self) -> None: ...

    @transition(field=state, source=DISPUTE.sources(DisputeState.RULED), target=DisputeState.RULED)
    def to_ruled(self) -> None: ...

    @transition(field=state, source=DISPUTE.sources(DisputeState.FINAL), target=DisputeState.FINAL)
    def to_final(self) -> None: ...

    @transition(field=state, source=DISPUTE.sources(DisputeState.EXECUTING), target=DisputeState.EXECUTING)
    def to_executing(self) -> None: ...

    @transition(field=state, source=DISPUTE.sources(DisputeState.EXECUTED), target=DisputeState.EXECUTED)
    def to_executed(self) -> None: ...

    @transition(field=state, source=DISPUTE.sources(DisputeState.SETTLED), target=DisputeState.SETTLED)
    def to_settled(self) -> None: ...

    @transition(field=state, source=DISPUTE.sources(DisputeState.CONCEDED), target=DisputeState.CONCEDED)
    def to_conceded(self) -> None: ...

    @transition(field=state, source=DISPUTE.sources(DisputeState.WITHDRAWN), target=DisputeState.WITHDRAWN)
    def to_withdrawn(self) -> None: ...

    @transition(field=state, source=DISPUTE.sources(DisputeState.CLOSED), target=DisputeState.CLOSED)
    def to_closed(self) -> None: ...


class Evidence(models.Model):
    """One item that a side submitted: a text, files, or both. Seen by both sides, never altered."""

    id = PrefixedIdField("evd")
    dispute = models.ForeignKey(Dispute, on_delete=models.PROTECT, related_name="evidence")
    role = models.CharField(max_length=6, choices=Role.choices)
    # Empty when a partner submitted for its own user.
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    author_label = models.CharField(max_length=120)
    text = models.TextField(blank=True)
    # Came after the evidence had closed: marked, never hidden.
    late = models.BooleanField(default=False)
    # SHA-256 over the canonical JSON of the item, see `disputes.hashing`.
    hash = HashField()
    created = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["created", "id"]
        default_permissions = ()
        verbose_name_plural = "evidence"
        triggers: ClassVar = append_only()

    def __str__(self) -> str:
        return f"{self.id} by the {self.role}"


class EvidenceFile(models.Model):
    """One file of an item of evidence."""

    id = PrefixedIdField("evf")
    evidence = models.ForeignKey(Evidence, on_delete=models.PROTECT, related_name="files")
    file = models.ForeignKey(StoredFile, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=120)

    class Meta:
        ordering: ClassVar = ["id"]
        default_permissions = ()
        triggers: ClassVar = append_only()

    def __str__(self) -> str:
        return self.name


class Involvement(models.Model):
    """Who of the staff touched a case, and how: none of them may approve its ruling."""

    class What(models.TextChoices):
        CLAIMED = "claimed"
        RELEASED = "released"
        ASSIGNED = "assigned", "assigned it to somebody"
        GIVEN = "given", "was given it"
        RULED = "ruled"
        CONFLICT = "conflict", "declared a conflict of interest"

    id = models.BigAutoField(primary_key=True)
    dispute = models.ForeignKey(Dispute, on_delete=models.PROTECT, related_name="involvements")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    what = models.CharField(max_length=10, choices=What.choices)
    created = models.DateTimeField()

    class Meta:
        default_permissions = ()
        indexes: ClassVar = [models.Index(fields=["dispute", "person"], name="involvement_of_person")]
        triggers: ClassVar = append_only()

    def __str__(self) -> str:
        return f"{self.person_id} {self.what} {self.dispute_id}"


class Ruling(models.Model):
    """How the disputed remainder is divided, and why. Base units of the escrow's token."""

    id = PrefixedIdField("rul")
    dispute = models.ForeignKey(Dispute, on_delete=models.PROTECT, related_name="rulings")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    to_seller = BaseUnitsField()
    to_buyer = BaseUnitsField()
    # The remainder that the author saw; both parts sum to it.
    disputed = BaseUnitsField()
    to_seller_money = Money("to_seller", of="dispute.escrow.token")
    to_buyer_money = Money("to_buyer", of="dispute.escrow.token")
    disputed_money = Money("disputed", of="dispute.escrow.token")
    reasons = models.TextField()
    # SHA-256 over the canonical JSON of the ruling; the chain carries it.
    hash = HashField()
    state = FSMField(default=RulingState.PROPOSED, protected=True, max_length=12)
    needs_approval = models.BooleanField()
    approver = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    refusal = models.TextField(blank=True)
    appeal_until = models.DateTimeField(null=True)
    created = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["created", "id"]
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["dispute"], condition=models.Q(state__in=STANDING), name="one_standing_ruling"
            ),
            models.CheckConstraint(
                condition=models.Q(disputed=models.F("to_seller") + models.F("to_buyer"))
                & models.Q(to_seller__gte=0, to_buyer__gte=0),
                name="ruling_sums_to_the_disputed_remainder",
            ),
            models.CheckConstraint(
                condition=models.Q(approver__isnull=True) | ~models.Q(approver=models.F("author")),
                name="nobody_approves_an_own_ruling",
            ),
            models.CheckConstraint(
                condition=models.Q(needs_approval=False)
                | models.Q(approver__isnull=False)
                | models.Q(state__in=["proposed", "superseded"]),
                name="approval_names_who_gave_it",
            ),
        ]
        triggers: ClassVar = [
            *state_guards(RULING),
            pgtrigger.ReadOnly(
                name="ruling_fixed",
                fields=[
                    "dispute",
                    "author",
                    "to_seller",
                    "to_buyer",
                    "disputed",
                    "reasons",
                    "hash",
                    "needs_approval",
                    "created",
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id} on {self.dispute_id}"

    @transition(field=state, source=RULING.sources(RulingState.APPROVED), target=RulingState.APPROVED)
    def to_approved(self) -> None: ...

    @transition(field=state, source=RULING.sources(RulingState.REFUSED), target=RulingState.REFUSED)
    def to_refused(self) -> None: ...

    @transition(field=state, source=RULING.sources(RulingState.FINAL), target=RulingState.FINAL)
    def to_final(self) -> None: ...

    @transition(field=state, source=RULING.sources(RulingState.SUPERSEDED), target=RulingState.SUPERSEDED)
    def to_superseded(self) -> None: ...
