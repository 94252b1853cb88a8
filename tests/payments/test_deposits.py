"""Money that comes: in parts, too little, too late, too much, twice in one transaction, in another token."""

from datetime import timedelta
from typing import Any

import pytest
from eth_utils.crypto import keccak

from chain.models import TokenTransfer
from chain.services.networks import register_token
from contracts.artifacts import KEYLESS_DEPLOYER, create2_address, load
from contracts.calls import erc20_transfer
from contracts.calls import test_token_mint as mint
from core.errors import Conflict
from payments.books import balances
from payments.models import Deposit, Escrow
from payments.services import escrows, payouts
from tests.chain.fixtures import USDT
from tests.payments.acts import DAY, pay_many, refund, release
from tests.payments.fixtures import BUYER_ADDRESS, SELLER_ADDRESS, Desk, actor

MINUTES = timedelta(minutes=5)


def awaiting(desk: Desk, *amounts: int, **changes: Any) -> Escrow:
    escrow = desk.agreed(*amounts, **changes).escrows.first()
    assert escrow is not None and escrow.state == "awaiting_deposit"
    return escrow


def flags(escrow: Escrow) -> list[list[str]]:
    return [deposit.flags for deposit in escrow.deposits.order_by("block_number", "ordinal")]


def take_back_late(desk: Desk, escrow: Escrow) -> Any:
    return payouts.return_late_money(escrow_id=escrow.pk, role="buyer", acting=actor(desk.cast.buyer))


def test_several_transfers_add_up(desk: Desk) -> None:
    escrow = awaiting(desk, 250 * USDT)
    for units in (100 * USDT, 149 * USDT):
        desk.pay(escrow, units)
        desk.settle()
        assert desk.state(escrow) == "awaiting_deposit"
    desk.pay(escrow, USDT)
    desk.settle()
    assert desk.state(escrow) == "funded"
    assert flags(escrow) == [["under"], ["under"], []]
    assert desk.events(escrow).count("deposit.underpaid") == 2


def test_the_head_shows_a_payment_before_it_is_final_and_moves_no_money(desk: Desk) -> None:
    escrow = awaiting(desk)
    desk.pay(escrow)
    desk.engine.mine()
    escrows.show_head(escrow.pk)
    escrows.show_head(escrow.pk)
    assert desk.state(escrow) == "confirming"
    assert desk.events(escrow).count("deposit.detected") == 1
    assert Deposit.objects.count() == 0
    with pytest.raises(Conflict):
        escrows.cancel_unpaid(escrow_id=escrow.pk, acting=actor(desk.cast.buyer))
    desk.settle()
    assert desk.state(escrow) == "funded"


def test_an_escrow_that_nobody_pays_expires_at_a_final_block_and_its_deal_with_it(desk: Desk) -> None:
    escrow = awaiting(desk)
    desk.platform_travels(DAY + MINUTES)
    desk.settle()
    assert desk.state(escrow) == "awaiting_deposit"  # the chain is not there yet
    desk.engine.chain.travel(int((DAY + MINUTES).total_seconds()))
    desk.platform_travels(MINUTES)
    desk.settle()
    assert desk.state(escrow) == "expired"
    assert desk.state(escrow.deal) == "expired"


def test_a_part_payment_goes_back_whole_when_the_time_to_pay_is_over(desk: Desk) -> None:
    escrow = awaiting(desk, 250 * USDT)
    desk.pay(escrow, 100 * USDT)
    desk.settle()
    desk.travel(DAY + MINUTES)
    desk.platform_travels(MINUTES)
    desk.settle()
    assert desk.state(escrow) == "expired"
    assert desk.balance(BUYER_ADDRESS) == 100 * USDT
    assert desk.legs(escrow) == [("refund", 100 * USDT, "paid")]
    assert escrow.orders.get().kind == "claim_unfunded"


def expired(desk: Desk, *amounts: int) -> Escrow:
    escrow = awaiting(desk, *amounts)
    desk.travel(DAY + MINUTES)
    desk.platform_travels(MINUTES)
    desk.settle()
    assert desk.state(escrow) == "expired"
    return escrow


def test_late_money_goes_back_by_itself_after_48_hours(desk: Desk) -> None:
    escrow = expired(desk, 250 * USDT)
    desk.pay(escrow)
    desk.settle()
    assert flags(escrow) == [["late"]]
    assert desk.balance(BUYER_ADDRESS) == 0
    desk.travel(timedelta(hours=47))
    assert desk.balance(BUYER_ADDRESS) == 0
    desk.travel(timedelta(hours=1, minutes=5))
    assert desk.state(escrow) == "expired"
    assert desk.balance(BUYER_ADDRESS) == 250 * USDT


def test_late_money_goes_back_at_once_when_the_payer_asks(desk: Desk) -> None:
    escrow = expired(desk, 250 * USDT)
    assert take_back_late(desk, escrow) is None
    desk.pay(escrow)
    desk.settle()
    assert take_back_late(desk, escrow) is not None
    assert take_back_late(desk, escrow) is None  # under way
    desk.settle()
    assert desk.balance(BUYER_ADDRESS) == 250 * USDT
    assert escrow.orders.count() == 1


def test_late_money_in_part_goes_back_without_a_wait_and_again_and_again(desk: Desk) -> None:
    escrow = expired(desk, 250 * USDT)
    for units in (20 * USDT, 30 * USDT):
        desk.pay(escrow, units)
        desk.settle()
    assert desk.balance(BUYER_ADDRESS) == 50 * USDT
    assert desk.legs(escrow) == [("refund", 20 * USDT, "paid"), ("surplus", 30 * USDT, "paid")]


def test_late_money_that_grows_full_before_the_part_was_returned_still_goes_back(desk: Desk) -> None:
    escrow = expired(desk, 250 * USDT)
    desk.pay(escrow, 100 * USDT)
    desk.engine.mine(4)
    desk.duties()  # the return of the part is ordered, not sent
    assert escrow.orders.get().kind == "claim_unfunded"
    desk.pay(escrow, 150 * USDT)
    desk.engine.mine()
    desk.settle()
    for _ in range(8):  # the refused claim is tried again with pauses
        desk.platform_travels(timedelta(minutes=2))
        desk.settle()
    assert escrow.orders.get(kind="claim_unfunded").state == "failed"
    desk.travel(timedelta(hours=48, minutes=5))
    assert desk.balance(BUYER_ADDRESS) == 250 * USDT


def test_money_to_a_cancelled_escrow_goes_back(desk: Desk) -> None:
    escrow = awaiting(desk, 250 * USDT)
    escrows.cancel_unpaid(escrow_id=escrow.pk, acting=actor(desk.cast.buyer))
    assert desk.state(escrow.deal) == "cancelled"
    desk.pay(escrow)
    desk.settle()
    take_back_late(desk, escrow)
    desk.settle()
    assert desk.state(escrow) == "cancelled"
    assert desk.balance(BUYER_ADDRESS) == 250 * USDT


def test_an_overpayment_funds_and_the_surplus_goes_back_at_once(desk: Desk) -> None:
    escrow = awaiting(desk, 250 * USDT)
    desk.pay(escrow, 260 * USDT)
    desk.settle()
    assert desk.state(escrow) == "funded"
    assert flags(escrow) == [["over"]]
    assert desk.legs(escrow) == [("surplus", 10 * USDT, "paid")]
    assert desk.balance(BUYER_ADDRESS) == 10 * USDT
    release(desk, escrow)
    desk.settle()
    assert desk.balance(SELLER_ADDRESS) == 247_500_000


def test_money_after_the_release_goes_back_to_the_buyer(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    release(desk, escrow)
    desk.settle()
    assert desk.state(escrow.deal) == "completed"
    desk.pay(escrow, 40 * USDT)
    desk.settle()
    assert flags(escrow)[1] == ["late", "extra"]
    assert desk.balance(BUYER_ADDRESS) == 40 * USDT
    assert desk.state(escrow) == "released"


def test_the_deal_is_not_completed_while_surplus_is_on_its_way(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    release(desk, escrow)
    desk.pay(escrow, 40 * USDT)
    states = set()
    for _ in range(30):
        desk.engine.mine()
        desk.engine.send()
        desk.engine.confirm()
        desk.duties()
        waiting = escrow.legs.filter(state="ordered").exists()
        states.add((desk.state(escrow.deal), waiting))
    assert ("completed", True) not in states
    assert ("completed", False) in states


def test_a_strangers_dust_costs_no_gas_and_waits_for_more(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    desk.pay(escrow, 999_999)
    desk.settle()
    assert escrow.orders.count() == 0
    desk.pay(escrow, 1)
    desk.settle()
    assert desk.balance(BUYER_ADDRESS) == USDT


def test_f25_one_transaction_that_pays_two_escrows_funds_both(desk: Desk) -> None:
    """F25: deposits keyed by transaction alone would drop the second."""
    one, other = awaiting(desk, 250 * USDT), awaiting(desk, 90 * USDT)
    pay_many(desk, (one.vault_address, one.amount), (other.vault_address, other.amount))
    desk.settle()
    assert (desk.state(one), desk.state(other)) == ("funded", "funded")
    assert len(set(Deposit.objects.values_list("tx_hash", flat=True))) == 1
    assert sorted(Deposit.objects.values_list("ordinal", flat=True)) == [0, 1]


def test_f25_two_transfers_of_one_transaction_to_one_escrow_both_count(desk: Desk) -> None:
    """F25, the same address twice with the same amount."""
    escrow = awaiting(desk, 250 * USDT)
    pay_many(desk, (escrow.vault_address, 125 * USDT), (escrow.vault_address, 125 * USDT))
    desk.settle()
    assert desk.state(escrow) == "funded"
    assert Deposit.objects.count() == TokenTransfer.objects.filter(final_block__isnull=False).count() == 2


def other_token(desk: Desk) -> str:
    """A second token of the same kind, listed."""
    salt, code = b"\x07" * 32, load("TestUSDT").bytecode
    desk.engine.chain.send(KEYLESS_DEPLOYER, salt + code)
    desk.engine.mine()
    address = create2_address(KEYLESS_DEPLOYER, salt, keccak(code))
    register_token(desk.engine.network, address, "USDX", 6, USDT)
    return address


def pay_other(desk: Desk, token: str, escrow: Escrow, units: int) -> None:
    chain = desk.engine.chain
    chain.send(token, mint(chain.accounts[1], units))
    chain.mine()
    chain.send(token, erc20_transfer(escrow.vault_address, units), sender=chain.accounts[1])
    chain.mine()


def test_another_listed_token_goes_back_and_counts_for_nothing(desk: Desk) -> None:
    token = other_token(desk)
    escrow = awaiting(desk, 250 * USDT)
    pay_other(desk, token, escrow, 250 * USDT)
    desk.settle()
    assert desk.state(escrow) == "awaiting_deposit"
    assert flags(escrow) == [["wrong_token"]]
    assert desk.balance(BUYER_ADDRESS, token) == 250 * USDT
    assert balances.held(escrow) == 0
    desk.pay(escrow)
    desk.settle()
    assert desk.state(escrow) == "funded"
    refund(desk, escrow)
    desk.settle()
    assert desk.balance(BUYER_ADDRESS) == 250 * USDT
