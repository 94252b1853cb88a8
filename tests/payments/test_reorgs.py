"""Blocks that the chain takes back: what was shown goes back, what was paid is posted once."""

from core.models import OutboxEvent
from payments.books import balances
from payments.models import Deposit, Escrow, Journal, PayoutLeg
from payments.services import escrows
from tests.chain.fixtures import USDT
from tests.payments.acts import pay_many, release
from tests.payments.fixtures import SELLER_ADDRESS, Desk


def awaiting(desk: Desk, units: int = 250 * USDT) -> Escrow:
    found = desk.agreed(units).escrows.get()
    desk.settle()
    return found


def shown(desk: Desk, escrow: Escrow) -> str:
    """The state after a look at the head."""
    desk.engine.index()
    escrows.show_head(escrow.pk)
    return desk.state(escrow)


def test_a_deposit_that_a_reorg_takes_for_good_was_never_booked(desk: Desk) -> None:
    """F22."""
    escrow = awaiting(desk)
    tx_hash = desk.pay(escrow)
    desk.engine.mine(2)
    assert shown(desk, escrow) == "confirming"
    desk.engine.chain.reorg(2)
    assert shown(desk, escrow) == "awaiting_deposit"
    assert desk.events(escrow)[-1] == "deposit.reversed"
    told = OutboxEvent.objects.get(subject_id=escrow.pk, type="deposit.reversed").payload
    assert (told["tx_hash"], told["amount"], told["token"]) == (tx_hash, "250.000000", "USDT")
    desk.settle()
    assert (Deposit.objects.count(), Journal.objects.count()) == (0, 0)
    desk.pay(escrow)
    desk.settle()
    assert desk.state(escrow) == "funded"


def test_a_deposit_mined_again_in_another_block_is_the_same_deposit(desk: Desk) -> None:
    """F23: another block and another place in it, one identity."""
    escrow = awaiting(desk)
    tx_hash = desk.pay(escrow)
    desk.engine.mine(2)
    assert shown(desk, escrow) == "confirming"
    chain = desk.engine.chain
    raw = chain.raw(tx_hash)
    filler = {
        "from": chain.accounts[3],
        "to": chain.accounts[4],
        "value": "0x1",
        "gas": hex(50_000),
        "maxFeePerGas": hex(10**12),
        "maxPriorityFeePerGas": hex(10**11),
    }
    chain.reorg(2, [(filler, 1), (raw, 1)])
    assert shown(desk, escrow) == "confirming"
    desk.settle()
    assert desk.state(escrow) == "funded"
    deposit = Deposit.objects.get()
    assert (deposit.tx_hash, deposit.ordinal, deposit.amount) == (tx_hash, 0, 250 * USDT)
    assert Journal.objects.count() == 1


def test_a_batch_mined_again_behind_another_batch_keeps_its_deposits_apart(desk: Desk) -> None:
    """F23 with several logs: block-wide log indices change, the ordinals inside the transaction do not."""
    one, other = awaiting(desk), awaiting(desk, 90 * USDT)
    first = pay_many(desk, (one.vault_address, one.amount), (other.vault_address, 50 * USDT))
    second = pay_many(desk, (other.vault_address, 30 * USDT), (other.vault_address, 10 * USDT))
    desk.engine.mine(1)
    assert shown(desk, one) == "confirming"
    chain = desk.engine.chain
    raws = [chain.raw(tx_hash) for tx_hash in (first, second)]
    chain.reorg(1, [(raws[0], 0), (raws[1], 0)])
    desk.settle()
    assert (desk.state(one), desk.state(other)) == ("funded", "funded")
    assert sorted(Deposit.objects.values_list("tx_hash", "ordinal")) == sorted(
        [(first, 0), (first, 1), (second, 0), (second, 1)]
    )
    assert Journal.objects.count() == 3  # what one transaction sent to one vault is booked at once


def test_a_payout_that_is_reorged_and_mined_again_is_one_journal_and_one_payment(desk: Desk) -> None:
    """F21."""
    escrow = desk.funded(250 * USDT)
    release(desk, escrow)
    desk.engine.send()
    desk.engine.mine(2)
    desk.engine.confirm()
    assert desk.balance(SELLER_ADDRESS) == 247_500_000
    desk.engine.chain.reorg(2)
    desk.engine.index()
    desk.engine.confirm()
    assert desk.state(escrow) == "releasing"
    desk.settle()
    assert desk.state(escrow) == "released"
    assert desk.balance(SELLER_ADDRESS) == 247_500_000
    assert Journal.objects.filter(what__startswith="decided").count() == 1
    assert sorted(PayoutLeg.objects.values_list("kind", "state")) == [("fee", "paid"), ("release", "paid")]
    assert escrow.orders.get().attempts == 1


def test_nothing_is_funded_by_what_only_the_head_has_seen(desk: Desk) -> None:
    escrow = awaiting(desk)
    desk.pay(escrow)
    for _ in range(2):
        desk.engine.mine()
        desk.duties()
        assert shown(desk, escrow) == "confirming"
        assert balances.held(escrow) == 0
    desk.settle()
    assert desk.state(escrow) == "funded"
