"""What of the payout key's daily cap each party and each deal has used up."""

from typing import ClassVar

from django.db import models

from chain.models import Token
from core.fields import BaseUnitsField
from core.money import Money
from core.states import never_deleted


class Budget(models.Model):
    """Base units of a token that left on one day (UTC) by the payout key alone, for one party or deal."""

    day = models.DateField()
    token = models.ForeignKey(Token, on_delete=models.PROTECT, related_name="+")
    # "deal" or "party", a colon, and its id.
    subject = models.CharField(max_length=120)
    used = BaseUnitsField(default=0)
    used_money = Money("used")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["day", "token", "subject"], name="one_budget_a_day")
        ]
        indexes: ClassVar = [models.Index(fields=["-day", "-used"], name="budgets_by_use")]
        triggers: ClassVar = never_deleted()

    def __str__(self) -> str:
        return f"{self.subject} on {self.day}"
