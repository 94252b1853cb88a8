"""What an event or a list costs in queries does not depend on how much else there is."""

from django.db import connection
from django.test.utils import CaptureQueriesContext

from payments import selectors
from payments.models import Escrow
from payments.services import projection
from tests.chain.fixtures import USDT
from tests.payments.acts import release
from tests.payments.fixtures import Desk


def queries_of_a_deposit(desk: Desk, escrow: Escrow) -> int:
    """Queries of applying one deposit; all else is applied before."""
    desk.pay(escrow, USDT)
    desk.engine.mine(5)
    with CaptureQueriesContext(
        connection,
    ) as caught:
        assert projection.project(desk.engine.network, limit=1) == 1
    desk.settle()
    return len(caught)


def test_applying_an_event_costs_the_same_however_many_escrows_are_open(desk: Desk) -> None:
    first = desk.agreed(250 * USDT).escrows.get()
    desk.settle()
    queries_of_a_deposit(desk, first)  # accounts and caches are warm
    alone = queries_of_a_deposit(desk, first)
    for _ in range(15):
        desk.agreed(250 * USDT)
    desk.settle()
    among_many = queries_of_a_deposit(desk, first)
    assert among_many == alone
    assert alone <= 24


def test_a_persons_list_of_deals_costs_the_same_for_one_deal_and_for_many(desk: Desk) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as caught:
            for deal in selectors.deals_of(desk.cast.buyer):
                selectors.needs(deal, "buyer")
                assert deal.network.slug and deal.token.symbol and len(deal.parties.all()) == 2
                for escrow in deal.escrows.all():
                    assert escrow.token.network.slug
                    str(escrow.money)
        return len(caught)

    desk.agreed(100 * USDT, 50 * USDT)
    one = cost()
    for _ in range(6):
        desk.agreed(100 * USDT, 50 * USDT)
    assert cost() == one
    assert len(list(selectors.deals_of(desk.cast.buyer))) == 7


def test_the_cost_of_a_payout_does_not_grow_with_the_payouts_before_it(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)

    def cost() -> int:
        release(desk, escrow, USDT)
        desk.engine.send()
        desk.engine.mine(5)
        with CaptureQueriesContext(connection) as caught:
            assert projection.project(desk.engine.network, limit=1) == 1
        desk.settle()
        return len(caught)

    cost()
    second = cost()
    for _ in range(3):
        last = cost()
    assert last == second
