"""The two deals of the product, told step by step; whoever works on the chain comes in between."""

from collections.abc import Callable, Iterator

from django.contrib.auth.models import Group

from accounts.models import User
from disputes.models import Dispute
from disputes.services import evidence, groups, opening, review, rulings
from payments.models import Escrow
from payments.services import delivery, payouts
from tests.chain.fixtures import USDT
from tests.payments.fixtures import Desk, UserFactory, actor

Step = tuple[str, Callable[[], bool]]
PRICE = 1_500 * USDT
TO_SELLER = 900 * USDT


def released(desk: Desk) -> Iterator[Step]:
    """Agreed, paid, delivered, released. Yields what must come true before the next step."""
    escrow = desk.agreed(250 * USDT).escrows.get()
    desk.pay(escrow)
    yield "the escrow was funded", lambda: state(escrow) == "funded"
    delivery.deliver(escrow_id=escrow.pk, role="seller", acting=actor(desk.cast.seller), note="It is online.")
    payouts.release(escrow_id=escrow.pk, role="buyer", acting=actor(desk.cast.buyer))
    yield "the escrow was released", lambda: state(escrow) == "released"


def ruled(desk: Desk) -> Iterator[Step]:
    """Agreed, paid, delivered, disputed, and split by a ruling that a second person approved."""
    arbitrator, lead = _staff("ada", groups.ARBITRATORS), _staff("lena", groups.LEADS)
    escrow = desk.agreed(PRICE).escrows.get()
    desk.pay(escrow)
    yield "the escrow was funded", lambda: state(escrow) == "funded"
    delivery.deliver(escrow_id=escrow.pk, role="seller", acting=actor(desk.cast.seller), note="Ten pages.")
    dispute = opening.open_dispute(
        escrow_id=escrow.pk,
        role="buyer",
        reason="incomplete",
        text="The ten pages are fine, but the shop is missing altogether.",
        nothing_more=True,
        acting=actor(desk.cast.buyer),
        user=desk.cast.buyer,
    )
    yield "the case opened", lambda: case(dispute) in ("opened", "evidence")
    evidence.nothing_more(dispute_id=dispute.pk, role="seller", acting=actor(desk.cast.seller))
    yield "the review began", lambda: case(dispute) == "under_review"
    review.claim(dispute_id=dispute.pk, person=arbitrator)
    ruling = rulings.propose(
        dispute_id=dispute.pk,
        to_seller=TO_SELLER,
        to_buyer=PRICE - TO_SELLER,
        reasons="The pages are worth three fifths of the price; the shop was never delivered.",
        person=arbitrator,
    )
    rulings.approve(ruling_id=ruling.pk, typed_amount="1500", person=lead)
    yield "the ruling was executed", lambda: (state(escrow), case(dispute)) == ("settled", "executed")


def state(escrow: Escrow) -> str:
    """Where an escrow stands now."""
    return str(Escrow.objects.values_list("state", flat=True).get(pk=escrow.pk))


def case(dispute: Dispute) -> str:
    """Where a dispute stands now."""
    return str(Dispute.objects.values_list("state", flat=True).get(pk=dispute.pk))


def _staff(name: str, group: str) -> User:
    groups.ensure()
    user = UserFactory(email=f"{name}@example.org", is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    return user
