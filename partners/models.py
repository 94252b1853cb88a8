"""Marketplaces that open escrows for their own users, their keys, and what they already asked for."""

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from core.fields import HashField, PrefixedIdField
from core.states import never_deleted


class Scope(models.TextChoices):
    """What a key may do; one scope per kind of action."""

    READ = "read", "Read everything of the partner"
    DEALS = "deals", "Create deals"
    RELEASE = "release", "Release for a buyer who delegated it"
    REFUND = "refund", "Refund for a seller who delegated it"
    DISPUTES = "disputes", "Dispute for a party that delegated it"
    WEBHOOKS = "webhooks", "Manage webhooks"


class Partner(models.Model):
    """A marketplace. Everything it opened belongs to it and to nobody else."""

    id = PrefixedIdField("ptn")
    name = models.CharField(max_length=120)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="partners")
    enabled = models.BooleanField(default=True, help_text="A disabled partner's keys are refused.")
    created = models.DateTimeField()

    class Meta:
        triggers: ClassVar = never_deleted()

    def __str__(self) -> str:
        return self.name


class ApiKey(models.Model):
    """A secret of a partner. The secret itself is shown once and never stored."""

    id = PrefixedIdField("key")
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="keys")
    label = models.CharField(max_length=80, blank=True)
    # The first characters of the secret, so that its owner can tell keys apart.
    prefix = models.CharField(max_length=20)
    # A plain SHA-256 is enough: the secret is 256 random bits, so there is nothing to guess.
    hash = HashField(unique=True)
    livemode = models.BooleanField()
    scopes = ArrayField(models.CharField(max_length=20, choices=Scope.choices))
    ip_allow_list = ArrayField(
        models.CharField(max_length=43),
        default=list,
        blank=True,
        help_text="Addresses or networks, comma separated. Empty: every address may use the key.",
    )
    created = models.DateTimeField()
    # Written at most once a minute, see `partners.services.keys.used`.
    last_used = models.DateTimeField(null=True, blank=True)
    # A rolled key works until then beside its successor.
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API key"
        verbose_name_plural = "API keys"
        triggers: ClassVar = [
            *never_deleted(),
            pgtrigger.ReadOnly(
                name="api_key_fixed",
                fields=["partner", "prefix", "hash", "livemode", "scopes", "created"],
            ),
            pgtrigger.Protect(
                name="api_key_stays_revoked",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__revoked_at__isnull=False)
                & pgtrigger.Q(new__revoked_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prefix}… of {self.partner_id}"


class IdempotencyRecord(models.Model):
    """The answer to one keyed request, written with its effect, so that a repeat gets it again."""

    id = models.BigAutoField(primary_key=True)
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="+")
    livemode = models.BooleanField()
    key = models.CharField(max_length=255)
    request_hash = HashField()
    response_status = models.PositiveSmallIntegerField()
    # The exact text that was sent, so that a repeat gets the same bytes.
    response_body = models.TextField()
    response_headers = models.JSONField(default=dict)
    created = models.DateTimeField(db_index=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["partner", "livemode", "key"], name="idempotency_key_once_per_partner"
            )
        ]
        triggers: ClassVar = [pgtrigger.Protect(name="no_update", operation=pgtrigger.Update)]

    def __str__(self) -> str:
        return f"{self.key} of {self.partner_id}"
