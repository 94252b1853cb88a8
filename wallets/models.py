"""Keys and the seats that use them. Private keys are stored encrypted only."""

from typing import ClassVar

import pgtrigger
from django.db import models
from django_fsm import FSMField, transition

from chain.models import Network, Token
from core.fields import AddressField, BaseUnitsField
from core.money import Money
from core.states import StateTable, never_deleted, state_guards

SEAT = StateTable.of(initial=["active"], edges={"active": ["retired"]})
GATE = StateTable.of(initial=["active"], edges={"active": ["retired"]})


class Key(models.Model):
    """An encrypted private key. One key has one purpose: senders, seats and approvers never share."""

    class Purpose(models.TextChoices):
        SENDER = "sender"
        SEAT = "seat"
        APPROVER = "approver"

    address = AddressField(unique=True)
    purpose = models.CharField(max_length=10, choices=Purpose.choices)
    keystore = models.JSONField(help_text="Web3 Secret Storage, version 3")
    created = models.DateTimeField()

    class Meta:
        triggers: ClassVar = [
            *never_deleted(),
            pgtrigger.ReadOnly(name="key_fixed", fields=["address", "purpose", "created"]),
        ]

    def __str__(self) -> str:
        return self.address

    @property
    def ref(self) -> str:
        """What `chain` stores to find this key again."""
        return f"keystore:{self.address}"


class Seat(models.Model):
    """One of the signers that may together split a disputed escrow between its two parties.

    Terms name its address: a contract whose key a cold key replaces, or, where `cold` is empty, the key
    itself, for ever.
    """

    address = AddressField(unique=True)
    key = models.OneToOneField(Key, on_delete=models.PROTECT, related_name="seat")
    # The contract's first key: its address follows from both.
    first_key = AddressField(blank=True, default="")
    cold = AddressField(blank=True, default="")
    next_key = models.OneToOneField(
        Key, null=True, blank=True, on_delete=models.PROTECT, related_name="next_seat"
    )
    label = models.CharField(max_length=80)
    state = FSMField(default="active", protected=True)
    created = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["created", "pk"]
        triggers: ClassVar = [
            *state_guards(SEAT),
            pgtrigger.ReadOnly(name="seat_fixed", fields=["address", "cold", "first_key", "created"]),
            pgtrigger.Protect(
                name="bare_key_fixed",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition("OLD.cold = '' AND OLD.key_id IS DISTINCT FROM NEW.key_id"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label} {self.address}"

    @transition(field=state, source="active", target="retired")
    def retire(self) -> None:
        """New terms no longer name it; it still signs for the terms that do."""


class Gate(models.Model):
    """The operator that managed terms on one network name: a contract that passes on what its keys may do."""

    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="gates")
    address = AddressField()
    cold = AddressField()
    second = AddressField(help_text="whose signature lets a payout above a cap pass")
    state = FSMField(default="active", protected=True)
    created = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["network", "address"], name="gate_once_per_network"),
            models.UniqueConstraint(
                fields=["network"], condition=models.Q(state="active"), name="one_active_gate"
            ),
        ]
        triggers: ClassVar = [
            *state_guards(GATE),
            pgtrigger.ReadOnly(name="gate_fixed", fields=["network", "address", "cold", "created"]),
        ]

    def __str__(self) -> str:
        return f"gate {self.address}"

    @transition(field=state, source="active", target="retired")
    def retire(self) -> None:
        """New terms name another; it still serves the terms that name it."""


class GateGrant(models.Model):
    """What a hot key may do alone with one token, as the gate said when it was last asked. Base units."""

    gate = models.ForeignKey(Gate, on_delete=models.PROTECT, related_name="grants")
    key = AddressField()
    token = models.ForeignKey(Token, on_delete=models.PROTECT, related_name="+")
    per_escrow = BaseUnitsField(help_text="the largest escrow that the key decides alone")
    per_day = BaseUnitsField(help_text="what the key decides alone in one day (UTC)")
    per_day_money = Money("per_day")
    per_escrow_money = Money("per_escrow")
    per_day_money = Money("per_day")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["gate", "key", "token"], name="one_grant_per_key_and_token")
        ]
        triggers: ClassVar = never_deleted()

    def __str__(self) -> str:
        return f"{self.key} on {self.gate_id}"
