"""From which amount on a token is money, and which surplus is worth its gas: a person decides, audited."""

from django.db import transaction

from chain.models import Token
from core import audit
from core.actors import Actor
from core.errors import Invalid


def set_least_amounts(
    *,
    token: Token,
    reason: str,
    acting: Actor,
    least_amount: int | None = None,
    least_surplus: int | None = None,
) -> Token:
    """Set what is given, in base units; what comes from now on is judged by it. Returns the token.

    Raises `Invalid` without a reason, for less than one base unit, for a surplus that would go back though it
    counts as nothing, and for more than the smallest escrow asks for.
    """
    if not reason.strip():
        raise Invalid("reason_missing", "Say why other amounts are right.")
    with transaction.atomic():
        row = Token.objects.select_for_update(of=("self",)).select_related("network").get(pk=token.pk)
        before = row.least_amount, row.least_surplus
        row.least_amount = row.least_amount if least_amount is None else least_amount
        row.least_surplus = row.least_surplus if least_surplus is None else least_surplus
        if not 1 <= row.least_amount <= row.min_amount:
            most = row.min_amount_money
            message = f"The least amount is from 1 to {most.units} base units ({most}), the smallest escrow."
            raise Invalid("least_amount", message)
        if row.least_surplus < row.least_amount:
            raise Invalid("least_surplus", "The least surplus is at least the least amount.")
        row.save(update_fields=["least_amount", "least_surplus"])
        data = {
            "reason": reason,
            "least_amount": f"{before[0]} -> {row.least_amount}",
            "least_surplus": f"{before[1]} -> {row.least_surplus}",
        }
        audit.write(
            "token.least_amounts",
            subject_id=row.address,
            actor_id=acting.id,
            actor_label=acting.label,
            data=data,
        )
    return row
