"""Nobody uses up the payout key's daily cap alone: each party and each deal has a part of it, and what goes
beyond asks a second person for that payout, while everybody else's go on.

Counted when something is ordered for the key alone, as the gate counts it: refunds like releases, and what
cancels an escrow or lifts its dispute as its whole amount.
"""

from datetime import UTC

from django.db import transaction
from django.db.models import F, Sum

from chain.models import Network
from chain.services.alarms import raise_alarm, resolve_alarm
from core import audit, clock, seen
from core.actors import Actor
from core.errors import Invalid
from payments.models import Budget, Escrow, EscrowPolicy, Order, OrderKind
from payments.services.routing import Route
from wallets.models import GateGrant

HALF_USED = "payout_cap_half_used"
WHOLE = 10_000
_COUNTS_WHOLE = (OrderKind.CANCEL, OrderKind.WITHDRAW)


def take(order: Order, escrow: Escrow, way: Route) -> str:
    """Count a locked order that the payout key would pay alone; why it needs a second person instead, if a
    budget of its parties or its deal does not reach. Whoever orders at the same time waits."""
    units = escrow.amount if order.kind in _COUNTS_WHOLE else order.to_seller + order.to_buyer
    # A second try is the same payout: what failed used nothing of the gate's cap.
    if way.gate is None or not units or order.attempts:
        return ""
    grant = GateGrant.objects.filter(gate=way.gate, key=way.hot, token=escrow.token).values_list(
        "per_escrow",
        "per_day",
        "gate__network__policy__party_budget_bps",
        "gate__network__policy__deal_budget_bps",
    )
    known = grant.first()
    if known is None:
        return ""
    per_escrow, per_day, *shares = known
    limits = [max(per_escrow, per_day * (share or WHOLE) // WHOLE) for share in shares]
    rows = _locked(escrow, _subjects(escrow))
    for row in rows:
        limit = limits[row.subject.startswith("deal:")]
        if row.used + units > limit:
            return "above what a party or a deal is paid in one day without a second person"
    Budget.objects.filter(pk__in=[row.pk for row in rows]).update(used=F("used") + units)
    return ""


def watch(network: Network) -> None:
    """Call a human when half of a token's cap of today is used up; the alarm ends with the day."""
    today = clock.now().astimezone(UTC).date()
    used = dict(
        Budget.objects.filter(day=today, token__network=network, subject__startswith="deal:")
        .values_list("token")
        .annotate(Sum("used"))
    )
    caps = GateGrant.objects.filter(gate__network=network, per_day__gt=1).select_related("token__network")
    for grant in caps:
        spent, address = used.get(grant.token_id, 0), grant.token.address
        if 2 * spent > grant.per_day:
            share = f"{100 * spent // grant.per_day} % of {grant.per_day_money}"
            raise_alarm(network, HALF_USED, address, f"{share} left today by the payout key alone")
        else:
            resolve_alarm(network, HALF_USED, address)


@transaction.atomic
def set_shares(
    *,
    network: Network,
    party_bps: int,
    deal_bps: int,
    reason: str,
    acting: Actor,
    expected: str | None = None,
) -> None:
    """Let one party, and one deal, use other parts of the daily cap, in basis points. Raises `Invalid`
    without a reason, or for a part that is none of the whole; `Conflict` where the policy is not what the
    operator saw (`expected`)."""
    if not reason.strip():
        raise Invalid("reason_missing", "Say why the budgets change.")
    if not (0 < party_bps <= WHOLE and 0 < deal_bps <= WHOLE):
        raise Invalid("budget", "A budget is 1 to 10,000 basis points of the cap of a day.")
    policy = EscrowPolicy.objects.select_for_update(of=("self",)).get(network=network)
    seen.check(expected, seen.row, policy)
    policy.party_budget_bps, policy.deal_budget_bps = party_bps, deal_bps
    policy.save(update_fields=["party_budget_bps", "deal_budget_bps"])
    audit.write(
        "policy.budgets",
        subject_id=network.slug,
        actor_id=acting.id,
        actor_label=acting.label,
        data={"party_bps": party_bps, "deal_bps": deal_bps, "reason": reason},
    )


def _subjects(escrow: Escrow) -> list[str]:
    """The deal and both sides; a side without an account counts by its address of mail, else by itself."""
    sides = escrow.deal.parties.values_list("user", "email", "pk")
    return [f"deal:{escrow.deal_id}", *(f"party:{user or email or own}" for user, email, own in sides)]


def _locked(escrow: Escrow, subjects: list[str]) -> list[Budget]:
    today, names = clock.now().astimezone(UTC).date(), sorted(set(subjects))
    rows = [Budget(day=today, token=escrow.token, subject=name) for name in names]
    Budget.objects.bulk_create(rows, ignore_conflicts=True)
    found = Budget.objects.filter(day=today, token=escrow.token, subject__in=names)
    return list(found.select_for_update(of=("self",)).order_by("subject"))
