"""The lives that are played for real before they are copied, and the people who live them."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group

from accounts.models import User
from core.actors import SYSTEM
from disputes.models import Dispute
from disputes.services import evidence, groups, opening, review, rulings
from disputes.tasks import sweep as sweep_disputes
from partners.models import Partner, Scope
from partners.services.accounts import create_partner
from partners.services.keys import create_key
from payments.models import Deal, Escrow
from payments.services import deals
from tests.chain.fixtures import USDT
from tests.payments import acts
from tests.payments.fixtures import Desk, UserFactory, actor

PRICE = 1_500 * USDT
REASONS = "The pages are worth three fifths of the price; the shop was never delivered."


@dataclass
class Staff:
    """Who rules, who approves, who may look at everything."""

    arbitrator: User
    lead: User
    operator: User


def staff() -> Staff:
    groups.ensure()
    found = [UserFactory(email=f"{name}@example.org", is_staff=True) for name in ("ada", "lena", "olga")]
    for user, group in zip(found, (groups.ARBITRATORS, groups.LEADS), strict=False):
        user.groups.add(Group.objects.get(name=group))
    found[2].is_superuser = True
    found[2].save()
    return Staff(*found)


def partner(name: str) -> tuple[Partner, str]:
    """A marketplace and the secret of its key."""
    found = create_partner(name=name, owner=UserFactory(email=f"{name}@example.org"), actor=SYSTEM)
    return found, key_of(found)


def key_of(found: Partner, *, livemode: bool = False) -> str:
    """The secret of a new key with every right."""
    return create_key(found, livemode=livemode, scopes=Scope.values, actor=SYSTEM).secret


def paid(desk: Desk, times: int = 4) -> list[Escrow]:
    """`times` deals released after a delivery, and one refunded."""
    escrows = [_deposited(desk, 250 * USDT) for _ in range(times + 1)]
    desk.settle()
    for escrow in escrows[:times]:
        acts.deliver(desk, escrow)
        acts.release(desk, escrow)
    acts.refund(desk, escrows[times])
    desk.settle()
    return escrows


def unpaid(desk: Desk) -> Deal:
    """Agreed, the vault shown and watched, then cancelled by the buyer: what most addresses end as."""
    deal = desk.agreed(90 * USDT)
    desk.settle()
    return deals.cancel(deal_id=deal.pk, party=desk.party(deal, "buyer"))


def shown(desk: Desk) -> str:
    """The vault of a deal that was just agreed, read by the safe lane."""
    escrow = desk.agreed(70 * USDT).escrows.get()
    desk.settle()
    return str(escrow.vault_address)


def disputed(desk: Desk, escrow: Escrow) -> Dispute:
    """A case that the chain has frozen."""
    dispute = opening.open_dispute(
        escrow_id=escrow.pk,
        role="buyer",
        reason="incomplete",
        text="The ten pages are fine, but the shop is missing altogether.",
        nothing_more=True,
        acting=actor(desk.cast.buyer),
        user=desk.cast.buyer,
    )
    desk.settle()
    return dispute


def ruled(desk: Desk, people: Staff) -> Escrow:
    """Paid, delivered, disputed, and split by a ruling that a second person approved."""
    escrow = _deposited(desk, PRICE)
    desk.settle()
    acts.deliver(desk, escrow)
    dispute = disputed(desk, escrow)
    evidence.nothing_more(dispute_id=dispute.pk, role="seller", acting=actor(desk.cast.seller))
    review.claim(dispute_id=dispute.pk, person=people.arbitrator)
    ruling = rulings.propose(
        dispute_id=dispute.pk,
        to_seller=PRICE * 3 // 5,
        to_buyer=PRICE * 2 // 5,
        reasons=REASONS,
        person=people.arbitrator,
    )
    rulings.approve(ruling_id=ruling.pk, typed_amount="1500", person=people.lead)
    desk.travel(timedelta(hours=1))  # the window of an appeal passes, for the chain as well
    for _ in range(20):
        sweep_disputes()
        desk.settle()
        if desk.state(escrow) == "settled":
            return escrow
    raise AssertionError(f"the ruling was not executed: {dispute.pk}")


def live(desk: Desk) -> dict[str, Escrow]:
    """One at each point where an escrow rests: not paid, funded, delivered, refund asked, disputed."""
    names = ("awaiting_deposit", "funded", "delivered", "asked", "disputed")
    found: dict[str, Any] = {"awaiting_deposit": desk.agreed(120 * USDT).escrows.get()}
    found |= {name: _deposited(desk, 180 * USDT) for name in names[1:]}
    desk.settle()
    for name in names[2:]:
        acts.deliver(desk, found[name])
    acts.ask_refund(desk, found["asked"])
    disputed(desk, found["disputed"])
    desk.settle()
    return found


def _deposited(desk: Desk, units: int) -> Escrow:
    escrow: Escrow = desk.agreed(units).escrows.get()
    desk.pay(escrow)
    return escrow
