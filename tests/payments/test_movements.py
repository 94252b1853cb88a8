"""What moved, in the order of the chain: whatever clock the platform's own rows carry."""

from datetime import timedelta

from payments import movements
from payments.models import Escrow
from payments.pages.access import Visit
from payments.pages.escrows import situation_of
from payments.pages.history import Teller
from tests.chain.fixtures import USDT
from tests.payments.acts import pay_many, release
from tests.payments.fixtures import Desk

CENT = USDT // 100


def kinds(escrow: Escrow) -> list[str]:
    return [item.kind for item in movements.of(escrow).movements]


def told(desk: Desk, escrow: Escrow) -> list[str]:
    """Titles of the buyer's timeline."""
    deal = escrow.deal
    visit = Visit(desk.cast.buyer, deal, desk.party(deal, "buyer"), desk.party(deal, "seller"))
    return [item.title for item in Teller(visit, situation_of(visit, desk.fresh(escrow))).tell()]


def test_deposits_and_payouts_stand_where_the_chain_has_them(desk: Desk) -> None:
    """The platform writes a payout down later than a deposit that the chain took in after it."""
    escrow = desk.funded(250 * USDT)
    release(desk, escrow)
    desk.engine.send()
    desk.engine.mine()
    desk.pay(escrow, 40 * USDT)  # after the payout, on the chain
    desk.platform_travels(-timedelta(hours=3))
    desk.settle()
    assert kinds(escrow) == ["deposit", "release", "fee", "deposit", "surplus"]
    shown = told(desk, escrow)
    wanted = ["A payment arrived", "Seller was paid", "A payment arrived", "The surplus went back to you"]
    assert [title for title in shown if title in wanted] == wanted
    times = [item.place for item in movements.of(escrow).movements]
    assert times == sorted(times)
    blocks = dict(escrow.deposits.values_list("tx_hash", "block_time"))
    assert all(item.place.at == blocks[item.tx_hash] for item in movements.of(escrow).movements[:1])


def test_a_transaction_is_one_line_and_what_is_below_the_least_amount_is_one_line_together(
    desk: Desk,
) -> None:
    escrow = desk.agreed(250 * USDT).escrows.get()
    pay_many(desk, *[(escrow.vault_address, CENT // 2)] * 4)
    for _ in range(3):
        desk.pay(escrow, 1)
    desk.settle()
    moved = movements.of(escrow)
    (one,) = moved.movements
    assert (one.transfers, one.amount.units) == (4, 2 * CENT)
    (small,) = moved.small
    assert (small.transfers, small.amount.units) == (3, 3)
    assert str(small) == "3 payments below 0.01 USDT, together"
    shown = told(desk, escrow)
    assert shown.count("A payment arrived") == 1
    assert shown.count(str(small)) == 1
