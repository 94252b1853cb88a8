"""The books: append-only double entry per token and network. The database refuses what does not balance."""

from typing import ClassVar

import pgtrigger
from django.db import models

from chain.models import Network, Token
from core.fields import BaseUnitsField, HashField, PrefixedIdField
from core.money import Money
from core.states import append_only, never_deleted
from payments.models.escrow import Escrow


class AccountKind(models.TextChoices):
    """`vault` is the asset; the others say whose it is (credit balances are negative)."""

    VAULT = "vault", "Held in the vault"
    HELD = "held", "Undecided between the parties"
    SURPLUS = "surplus", "Surplus of the buyer"
    OWED_SELLER = "owed_seller", "Decided for the seller, not paid yet"
    OWED_BUYER = "owed_buyer", "Decided for the buyer, not paid yet"
    OWED_FEE = "owed_fee", "Platform fee, not paid yet"


class Account(models.Model):
    """One kind of balance of one escrow in one token."""

    escrow = models.ForeignKey(Escrow, on_delete=models.PROTECT, related_name="accounts")
    kind = models.CharField(max_length=12, choices=AccountKind.choices)
    token = models.ForeignKey(Token, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["escrow", "kind", "token"], name="one_account_per_kind_and_token")
        ]
        triggers: ClassVar = [
            *never_deleted(),
            pgtrigger.Protect(name="no_update", operation=pgtrigger.Update),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.escrow_id}"


class Journal(models.Model):
    """One posting, caused by one final chain event; that event posts once."""

    id = PrefixedIdField("jnl")
    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="+")
    # The gapless sequence number of the final event.
    seq = models.PositiveBigIntegerField()
    what = models.CharField(max_length=120)
    tx_hash = HashField()
    created = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["network", "seq"], name="a_final_event_posts_once")
        ]
        indexes: ClassVar = [models.Index(fields=["tx_hash"], name="journals_by_transaction")]
        triggers: ClassVar = append_only()

    def __str__(self) -> str:
        return f"{self.what} ({self.tx_hash})"


class Entry(models.Model):
    """One line of a journal: signed base units of the account's token; debits are positive."""

    id = models.BigAutoField(primary_key=True)
    journal = models.ForeignKey(Journal, on_delete=models.PROTECT, related_name="entries")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="entries")
    amount = BaseUnitsField()
    money = Money("amount", of="account.token")

    class Meta:
        verbose_name_plural = "entries"
        triggers: ClassVar = [
            *append_only(),
            pgtrigger.Trigger(
                name="balanced",
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                timing=pgtrigger.Deferred,
                # Checked at commit, per journal and token: an unbalanced posting cannot be committed.
                func="""
                    IF EXISTS (
                        SELECT 1 FROM payments_entry e JOIN payments_account a ON a.id = e.account_id
                        WHERE e.journal_id = NEW.journal_id
                        GROUP BY a.token_id HAVING sum(e.amount) <> 0
                    ) THEN
                        RAISE EXCEPTION 'journal % does not balance', NEW.journal_id
                            USING ERRCODE = 'check_violation';
                    END IF;
                    RETURN NULL;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"entry {self.pk} of {self.journal_id}"
