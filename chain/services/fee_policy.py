"""What a network may cost: a person moves its floors, ceilings and caps. Each change is in the audit log."""

from collections.abc import Mapping

from django.db import transaction

from chain.models import Network
from core import audit
from core.actors import Actor
from core.errors import Invalid

# Fields of Network; wei unless the name says otherwise. What a change of them means stands at the model.
FIELDS = (
    "tip_floor",
    "tip_ceiling",
    "max_fee_cap",
    "cost_cap",
    "market_multiple_cap",
    "max_attempts",
    "gas_budget_day",
)
_MAY_BE_ZERO = frozenset({"tip_floor", "gas_budget_day"})
_COUNTS = frozenset({"market_multiple_cap", "max_attempts"})
_MOST = {True: 1_000, False: 10**24}  # counts; wei


def policy(network: Network) -> dict[str, int]:
    """The values in force, by field."""
    return {field: int(getattr(network, field)) for field in FIELDS}


def set_policy(*, network: Network, changes: Mapping[str, int], reason: str, acting: Actor) -> dict[str, int]:
    """Set some of `FIELDS`; the next bump and the next signature follow. Returns the whole policy.

    Raises `Invalid` without a reason, for a value that is no policy, and for floor, ceiling and cap that are
    not in this order.
    """
    if not reason.strip():
        raise Invalid("reason_missing", "Say why the network may cost something else.")
    with transaction.atomic():
        row = Network.objects.select_for_update().get(pk=network.pk)
        before = policy(row)
        after = before | dict(changes)
        _check(after)
        Network.objects.filter(pk=row.pk).update(**changes)
        data = {
            "reason": reason,
            **{field: f"{before[field]} -> {after[field]}" for field in sorted(changes)},
        }
        audit.write(
            "network.fees", subject_id=row.slug, actor_id=acting.id, actor_label=acting.label, data=data
        )
    return after


def _check(wanted: Mapping[str, int]) -> None:
    for field, value in wanted.items():
        if value < 0 or (value == 0 and field not in _MAY_BE_ZERO):
            raise Invalid("fee_policy", f"{field} must be above zero; it would be {value}.")
        if value > _MOST[field in _COUNTS]:
            raise Invalid("fee_policy", f"{field} is at most {_MOST[field in _COUNTS]}; it would be {value}.")
    if not wanted["tip_floor"] <= wanted["tip_ceiling"] <= wanted["max_fee_cap"]:
        raise Invalid("fee_policy", "It must hold that tip_floor <= tip_ceiling <= max_fee_cap.")
