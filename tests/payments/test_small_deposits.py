"""What anybody can send for next to nothing: no money until it adds up, and nearly no cost until then."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from chain.indexer import again
from chain.models import Alarm, FinalEvent, TokenTransfer
from chain.selectors import pending_keys
from chain.services import final
from chain.services.rescan import rescan
from contracts.artifacts import TEST_USDT_ADDRESS
from contracts.calls import erc20_transfer
from contracts.calls import test_token_mint as mint
from core.errors import Conflict
from payments import selectors
from payments.models import Deposit, Escrow, Journal
from payments.services import deposits, escrows, payouts, projection
from payments.services.seen import of_escrow
from tests.chain.fixtures import USDT
from tests.payments.acts import DAY, pay_many, release
from tests.payments.fixtures import BUYER_ADDRESS, Desk, actor
from tests.payments.test_deposits import awaiting, expired

CENT = USDT // 100


def flood(desk: Desk, units: int, *vaults: str) -> None:
    """A transaction of its own for each transfer, in the pool until mined."""
    chain = desk.engine.chain
    payer = chain.accounts[2]
    chain.send(TEST_USDT_ADDRESS, mint(payer, max(1, units * len(vaults))))
    chain.mine()
    for vault in vaults:
        data = "0x" + erc20_transfer(vault, units).hex()
        chain.rpc(
            "eth_sendTransaction", {"from": payer, "to": TEST_USDT_ADDRESS, "data": data, "gas": hex(100_000)}
        )


def cancel(desk: Desk, escrow: Escrow) -> None:
    escrows.cancel_unpaid(escrow_id=escrow.pk, acting=actor(desk.cast.buyer))


def told(desk: Desk, escrow: Escrow) -> list[str]:
    return [name for name in desk.events(escrow) if name.startswith("deposit.")]


def test_a_transfer_of_nothing_is_nothing_in_every_reading(desk: Desk) -> None:
    escrow, network = awaiting(desk), desk.engine.network
    flood(desk, 0, escrow.vault_address, escrow.vault_address)
    desk.engine.mine()
    assert pending_keys(network) == []  # the head
    desk.engine.mine(5)
    assert TokenTransfer.objects.count() == 0  # final
    network.second_pass_after = 0
    network.save()
    while again.step(network):
        pass
    top = network.cursors.get(lane="safe").number
    assert rescan(network, 1, top) == rescan(network, 1, top, [escrow.vault_address]) == 0
    assert not FinalEvent.objects.filter(key=escrow.pk).exists()
    assert not Alarm.objects.filter(network=network).exists()
    cancel(desk, escrow)


def test_a_transfer_of_nothing_that_was_read_before_is_applied_and_disputed_by_no_second_reading(
    desk: Desk,
) -> None:
    escrow, network = awaiting(desk), desk.engine.network
    flood(desk, 0, escrow.vault_address)
    desk.engine.mine(6)
    block = network.blocks.filter(canonical=True).order_by("-number").first()
    kept = TokenTransfer.objects.create(
        token=desk.token, tx_hash="0x" + "ab" * 32, ordinal=0, source=BUYER_ADDRESS,
        recipient=escrow.vault_address, amount=0, final_block=block,
    )  # fmt: skip
    event = FinalEvent(
        kind="transfer_in", key=escrow.pk, transfer=kept, block_number=block.number, block_hash=block.hash,
        block_timestamp=block.timestamp,
    )  # fmt: skip
    with transaction.atomic():
        final.append(network, [event])
    desk.settle()
    assert projection.is_caught_up(network)
    assert (Deposit.objects.count(), Journal.objects.count()) == (0, 0)
    network.second_pass_after = 0
    network.save()
    while again.step(network):
        pass
    assert not Alarm.objects.filter(kind="final_event_unconfirmed").exists()
    cancel(desk, escrow)


def test_cancelling_is_blocked_by_money_and_by_nothing_less(desk: Desk) -> None:
    one, other, whole = awaiting(desk), awaiting(desk), awaiting(desk)
    flood(desk, 1, one.vault_address)
    flood(desk, CENT - 1, other.vault_address)
    flood(desk, CENT // 2, whole.vault_address, whole.vault_address)
    desk.engine.mine()
    cancel(desk, one)  # at the head
    desk.settle()
    cancel(desk, other)  # final
    with pytest.raises(Conflict):
        cancel(desk, whole)  # it adds up
    desk.settle()
    assert [desk.state(escrow) for escrow in (one, other)] == ["cancelled"] * 2
    assert [escrow.orders.count() for escrow in (one, other)] == [0, 0]


def test_an_expired_escrow_is_not_used_up_by_dust(desk: Desk) -> None:
    escrow = expired(desk, 250 * USDT)
    flood(desk, 1, escrow.vault_address)
    desk.settle()
    desk.travel(timedelta(hours=49))
    assert (escrow.orders.count(), escrow.deposits.count()) == (0, 1)
    assert selectors.actions_for(desk.fresh(escrow)) == []
    asked = payouts.return_late_money(escrow_id=escrow.pk, role="buyer", acting=actor(desk.cast.buyer))
    assert asked is None
    assert "deposit.late" not in desk.events(escrow)
    desk.pay(escrow)  # the real payment, late
    desk.settle()
    (offered,) = selectors.actions_for(desk.fresh(escrow))
    assert offered.name == "return_late_money"
    assert escrow.orders.count() == 0
    desk.travel(timedelta(hours=24))
    flood(desk, 1, escrow.vault_address)  # does not put the return off
    desk.settle()
    (still,) = selectors.actions_for(desk.fresh(escrow))
    assert still.deadline == offered.deadline
    desk.travel(timedelta(hours=24, minutes=5))
    assert desk.balance(BUYER_ADDRESS) == 250 * USDT


def test_a_cancelled_escrow_orders_nothing_for_dust(desk: Desk) -> None:
    escrow = awaiting(desk, 250 * USDT)
    cancel(desk, escrow)
    flood(desk, 1, escrow.vault_address)
    desk.settle()
    desk.travel(timedelta(hours=49))
    assert escrow.orders.count() == 0
    assert desk.state(escrow) == "cancelled"
    desk.pay(escrow, 100 * USDT)  # a part, late: the payer may take it back, whatever a stranger adds
    desk.settle()
    shown = of_escrow(desk.fresh(escrow))
    flood(desk, CENT, escrow.vault_address)
    desk.settle()
    assert of_escrow(desk.fresh(escrow)) == shown


def test_many_small_payments_fund_an_escrow_and_are_told_as_they_add_up(desk: Desk) -> None:
    escrow = awaiting(desk, 250 * USDT)
    desk.pay(escrow, 250 * USDT - 2 * CENT)
    desk.settle()
    before = told(desk, escrow)
    for count, tellings in ((1, 0), (1, 1), (1, 1), (1, 2)):
        flood(desk, CENT // 2, *[escrow.vault_address] * count)
        desk.settle()
        assert told(desk, escrow)[len(before) :] == ["deposit.confirmed"] * tellings
    assert desk.state(escrow) == "funded"
    assert all(row.flags[-1] == "small" for row in escrow.deposits.filter(amount=CENT // 2))
    release(desk, escrow)
    desk.settle()
    assert desk.state(escrow) == "released"


def test_fifty_transfers_of_one_transaction_are_one_journal_and_one_event(desk: Desk) -> None:
    escrow = awaiting(desk, 250 * USDT)
    pay_many(desk, *[(escrow.vault_address, 5 * USDT)] * 50)
    desk.settle()
    assert desk.state(escrow) == "funded"
    assert escrow.deposits.count() == 50
    assert Journal.objects.count() == 1
    assert told(desk, escrow)[-1:] == ["deposit.confirmed"]
    assert told(desk, escrow).count("deposit.confirmed") == 1
    assert "deposit.underpaid" not in told(desk, escrow)


def statements(desk: Desk, *vaults: str) -> int:
    """Of booking one unit for each of these vaults, all of it final at once."""
    flood(desk, 1, *vaults)
    desk.engine.mine(5)
    with CaptureQueriesContext(connection) as caught:
        assert projection.project(desk.engine.network) == len(vaults)
    return len(caught)


def test_a_flood_costs_hardly_more_than_one_and_the_same_between_two_escrows(desk: Desk) -> None:
    one, other = awaiting(desk), awaiting(desk)
    statements(desk, one.vault_address, other.vault_address)  # accounts are made
    few = statements(desk, one.vault_address)
    many = statements(desk, *[one.vault_address] * 40)
    assert many <= few + 2
    assert few <= 28
    mixed = statements(desk, *[one.vault_address, other.vault_address] * 20)
    assert mixed <= 2 * few
    assert Deposit.objects.count() == 2 + 1 + 40 + 40
    assert told(desk, one) == told(desk, other) == []


def test_one_that_cannot_be_applied_holds_up_those_behind_it_and_not_those_before(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = awaiting(desk), awaiting(desk)
    flood(desk, 1, one.vault_address, one.vault_address, other.vault_address, one.vault_address)
    desk.engine.mine(5)
    booked = deposits.received

    def fails(escrow: Escrow, arrived: list[FinalEvent]) -> None:
        if escrow.pk == other.pk:
            raise RuntimeError("this one cannot be booked")
        booked(escrow, arrived)

    with monkeypatch.context() as patched, pytest.raises(RuntimeError):
        patched.setattr(deposits, "received", fails)
        projection.project(desk.engine.network)
    assert Deposit.objects.count() == 2
    assert Alarm.objects.filter(kind=projection.STUCK, resolved_at=None).exists()
    projection.project(desk.engine.network)
    assert Deposit.objects.count() == 4


def test_surplus_goes_back_once_a_day(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    for units in (5 * USDT, 6 * USDT, 7 * USDT):
        desk.pay(escrow, units)
        desk.settle()
    assert desk.legs(escrow) == [("surplus", 5 * USDT, "paid")]
    desk.travel(DAY + timedelta(minutes=5))
    assert desk.legs(escrow) == [("surplus", 5 * USDT, "paid"), ("surplus", 13 * USDT, "paid")]
    assert desk.balance(BUYER_ADDRESS) == 18 * USDT
