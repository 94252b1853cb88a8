"""Deals: what two parties agreed on, version by version."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django_fsm import FSMField, FSMModelMixin, transition

from chain.models import Network, Token
from core.fields import AddressField, BaseUnitsField, HashField, PrefixedIdField
from core.models import StoredFile
from core.money import Money
from core.states import append_only, never_deleted, state_guards
from core.text import isolated
from partners.models import Partner
from payments.states import DEAL, DealState


class Role(models.TextChoices):
    BUYER = "buyer", "Buyer"
    SELLER = "seller", "Seller"

    @property
    def other(self) -> "Role":
        return Role.SELLER if self is Role.BUYER else Role.BUYER


class Deal(FSMModelMixin, models.Model):
    """One agreement. What it says is in its versions; the row keeps where it stands."""

    id = PrefixedIdField("deal")
    state = FSMField(default=DealState.DRAFT, protected=True, max_length=20)
    title = models.CharField(max_length=120)
    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="+")
    token = models.ForeignKey(Token, on_delete=models.PROTECT, related_name="+")
    # The sum of the milestones' amounts in base units of `token`, for lists.
    total = BaseUnitsField(default=0)
    total_money = Money("total")
    # What the proposer is still writing; becomes a version when proposed.
    draft = models.JSONField(default=dict)
    proposer = models.CharField(max_length=6, choices=Role.choices)
    # Whose answer is awaited while proposed.
    turn = models.CharField(max_length=6, choices=Role.choices, blank=True)
    agreed_version = models.ForeignKey("DealVersion", on_delete=models.PROTECT, null=True, related_name="+")
    # 256 random bits drawn when everything else is fixed, so that nobody can precompute an escrow id.
    secret_salt = HashField(blank=True)
    # Found by `deals_of_partner_in_mode`; an index of the partner alone would tempt the planner to sort.
    partner = models.ForeignKey(
        Partner, on_delete=models.PROTECT, null=True, related_name="deals", db_index=False
    )
    external_reference = models.CharField(max_length=120, blank=True)
    metadata = models.JSONField(default=dict)
    livemode = models.BooleanField(default=True)
    created = models.DateTimeField()
    agreed_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["partner", "livemode", "external_reference"],
                condition=~models.Q(external_reference=""),
                name="external_reference_once_per_partner",
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["partner", "livemode", "-created", "-id"], name="deals_of_partner_in_mode"),
            models.Index(fields=["state", "id"], name="deals_by_state"),
            models.Index(
                fields=["external_reference"],
                condition=~models.Q(external_reference=""),
                name="deals_by_reference",
            ),
        ]
        triggers: ClassVar = state_guards(DEAL)

    def __str__(self) -> str:
        return f"{isolated(self.title)} ({self.id})"

    @transition(field=state, source=DEAL.sources(DealState.PROPOSED), target=DealState.PROPOSED)
    def to_proposed(self) -> None: ...

    @transition(field=state, source=DEAL.sources(DealState.AGREED), target=DealState.AGREED)
    def to_agreed(self) -> None: ...

    @transition(field=state, source=DEAL.sources(DealState.ACTIVE), target=DealState.ACTIVE)
    def to_active(self) -> None: ...

    @transition(field=state, source=DEAL.sources(DealState.COMPLETED), target=DealState.COMPLETED)
    def to_completed(self) -> None: ...

    @transition(field=state, source=DEAL.sources(DealState.CANCELLED), target=DealState.CANCELLED)
    def to_cancelled(self) -> None: ...

    @transition(field=state, source=DEAL.sources(DealState.EXPIRED), target=DealState.EXPIRED)
    def to_expired(self) -> None: ...


class DealVersion(models.Model):
    """One exact text of the agreement. Its hash is what a party accepts and what the chain carries."""

    id = PrefixedIdField("ver")
    deal = models.ForeignKey(Deal, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    terms = models.JSONField()
    hash = HashField()
    proposed_by = models.CharField(max_length=8)
    created = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["deal", "number"], name="version_number_once_per_deal")
        ]
        triggers: ClassVar = append_only()

    def __str__(self) -> str:
        return f"version {self.number} of {self.deal_id}"


class Party(models.Model):
    """One side of a deal; a person invited by e-mail or brought by a partner is one before signing up."""

    id = PrefixedIdField("pty")
    deal = models.ForeignKey(Deal, on_delete=models.PROTECT, related_name="parties")
    role = models.CharField(max_length=6, choices=Role.choices)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="parties"
    )
    email = models.EmailField(blank=True)
    # Where money for this side goes: the seller's payout address, the buyer's refund address.
    address = AddressField(blank=True)
    accepted_hash = HashField(blank=True)
    accepted_at = models.DateTimeField(null=True)
    # The party lets the deal's partner act for it (release as buyer, refund as seller, dispute).
    delegated = models.BooleanField(default=False)
    invite_token = models.CharField(max_length=64, unique=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["deal", "role"], name="one_party_per_side"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["user", "deal"], name="parties_of_user"),
            models.Index(fields=["email"], condition=~models.Q(email=""), name="parties_by_email"),
            models.Index(fields=["address"], condition=~models.Q(address=""), name="parties_by_address"),
        ]
        triggers: ClassVar = never_deleted()

    def __str__(self) -> str:
        return f"{self.role} of {self.deal_id}"

    @property
    def plain_name(self) -> str:
        """How this side is called where nothing stands around it: in records, in a file."""
        return self.user.name if self.user else (self.email.partition("@")[0] or self.get_role_display())

    @property
    def name(self) -> str:
        """How pages call this side, inside sentences too."""
        return isolated(self.plain_name)


class DealFile(models.Model):
    """A file that belongs to the agreement; its hash stands in the version's terms."""

    id = PrefixedIdField("dfl")
    deal = models.ForeignKey(Deal, on_delete=models.PROTECT, related_name="files")
    file = models.ForeignKey(StoredFile, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=120)
    created = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
