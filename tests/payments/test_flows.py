"""Whole lives of escrows through the services, on a real chain; every test ends with books = chain."""

from payments.models import PayoutLeg
from payments.services import delivery, payouts
from tests.chain.fixtures import USDT
from tests.payments.fixtures import FEE_ADDRESS, SELLER_ADDRESS, Desk, actor


def test_a_paid_delivered_and_released_deal_pays_the_seller_less_the_fee(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    assert escrow.deal.state == "active"
    delivery.deliver(escrow_id=escrow.pk, role="seller", acting=actor(desk.cast.seller), note="Here it is.")
    payouts.release(escrow_id=escrow.pk, role="buyer", acting=actor(desk.cast.buyer))
    desk.settle()
    escrow.refresh_from_db()
    assert escrow.state == "released"
    assert escrow.deal.__class__.objects.get(pk=escrow.deal_id).state == "completed"
    assert desk.balance(SELLER_ADDRESS) == 247_500_000
    assert desk.balance(FEE_ADDRESS) == 2_500_000
    assert desk.balance(escrow.vault_address) == 0
    assert {(leg.kind, leg.state) for leg in PayoutLeg.objects.all()} == {
        ("release", "paid"),
        ("fee", "paid"),
    }
