"""Keys and the seats that use them. Private keys are stored encrypted only."""

from typing import ClassVar

import pgtrigger
from django.db import models
from django_fsm import FSMField, transition

from core.fields import AddressField
from core.states import StateTable, never_deleted, state_guards

SEAT = StateTable.of(initial=["active"], edges={"active": ["retired"]})


class Key(models.Model):
    """An encrypted private key. One key has one purpose: senders and seats never share."""

    class Purpose(models.TextChoices):
        SENDER = "sender"
        SEAT = "seat"

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
    """One of the signers that may together split a disputed escrow between its two parties."""

    address = AddressField(unique=True)
    key = models.OneToOneField(Key, on_delete=models.PROTECT, related_name="seat")
    label = models.CharField(max_length=80)
    state = FSMField(default="active", protected=True)
    created = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["created", "pk"]
        triggers: ClassVar = [
            *state_guards(SEAT),
            pgtrigger.ReadOnly(name="seat_fixed", fields=["address", "key", "created"]),
        ]

    def __str__(self) -> str:
        return f"{self.label} {self.address}"

    @transition(field=state, source="active", target="retired")
    def retire(self) -> None:
        """New terms no longer name it; it still signs for the terms that do."""
