"""Payouts that share a transaction: each is decided on its own, whatever becomes of the others."""

import pytest

from chain.models import Attempt, Call, Network, Transaction
from chain.rpc import pool
from chain.txm.batching import OVERHEAD_GAS
from chain.txm.fees import read_market
from contracts import calls as calldata
from contracts.artifacts import ESCROW_ADDRESS
from payments.models import Escrow, PayoutLeg
from payments.services import chain_terms, payouts
from tests.chain.helpers import later, sender_of
from tests.payments.fixtures import SELLER_ADDRESS, Desk, actor


@pytest.fixture
def three(desk: Desk) -> list[Escrow]:
    """Three funded escrows whose buyers release everything at the same time."""
    escrows = [desk.funded() for _ in range(3)]
    for escrow in escrows:
        payouts.release(escrow_id=escrow.pk, role="buyer", acting=actor(desk.cast.buyer))
    return escrows


def batch_of(escrows: list[Escrow]) -> Transaction:
    """The one transaction that carries all of them."""
    (row,) = Transaction.objects.filter(calls__group__in=_orders(escrows)).distinct()
    assert row.calls.count() == len(escrows)
    return row


def _orders(escrows: list[Escrow]) -> list[str]:
    return [order.pk for escrow in escrows for order in escrow.orders.all()]


def seller_gives_back(desk: Desk, escrow: Escrow, units: int) -> None:
    """The seller, by their own wallet, returns a part; the remainder is another one then."""
    chain = desk.engine.chain
    chain.rpc("anvil_impersonateAccount", SELLER_ADDRESS)
    chain.rpc("anvil_setBalance", SELLER_ADDRESS, hex(10**18))
    data = calldata.pay(chain_terms.of(escrow), to_seller=0, to_buyer=units, left=escrow.remainder)
    chain.send(ESCROW_ADDRESS, data, sender=SELLER_ADDRESS)
    chain.mine()


def paid(escrow: Escrow) -> list[tuple[str, str]]:
    """Kind and state of every leg."""
    return sorted(PayoutLeg.objects.filter(escrow=escrow).values_list("kind", "state"))


def test_payouts_that_are_due_together_share_one_transaction(desk: Desk, three: list[Escrow]) -> None:
    desk.engine.send()
    batch_of(three)
    desk.settle()
    for escrow in three:
        escrow.refresh_from_db()
        assert (escrow.state, paid(escrow)) == ("released", [("fee", "paid"), ("release", "paid")])


@pytest.mark.parametrize("scarce", ["cost_cap", "gas_budget_day", "balance"])
def test_what_is_too_dear_together_goes_in_parts(desk: Desk, three: list[Escrow], scarce: str) -> None:
    """Red when a batch grows past what may be paid: then none of its items would ever be sent."""
    network, rpc = desk.engine.network, desk.engine.chain.rpc
    market = pool.run(network, read_market)
    gas = sum(call.gas_limit for call in Call.objects.filter(group__in=_orders(three[:2]))) + OVERHEAD_GAS
    wei = gas * market.offer().max_fee * 6 // 5
    if scarce == "balance":
        rpc("anvil_setBalance", sender_of(desk.engine).address, hex(wei))
    else:
        Network.objects.filter(pk=network.pk).update(**{scarce: wei})
        network.refresh_from_db()
    desk.engine.send()
    carriers = Transaction.objects.filter(calls__group__in=_orders(three)).distinct()
    assert 2 in [row.calls.count() for row in carriers]


def test_f39_one_bad_item_of_a_batch_fails_alone_and_is_tried_again(desk: Desk, three: list[Escrow]) -> None:
    """Red when a batch is judged as a whole: good ones would fail with it, or the bad one count as done."""
    desk.engine.send()
    row = batch_of(three)
    raw = "0x" + bytes(Attempt.objects.get(transaction=row).raw).hex()
    desk.engine.chain.rpc("anvil_dropAllTransactions")
    seller_gives_back(desk, three[1], 10)
    desk.engine.chain.rpc("eth_sendRawTransaction", raw)
    desk.engine.mine(4)
    desk.engine.confirm()
    row = Transaction.objects.get(pk=row.pk)
    assert row.state == "final_ok"
    outcomes = {call.group: (call.outcome, call.reason) for call in row.calls.all()}
    assert [outcomes[key][0] for key in _orders(three)] == ["done", "failed", "done"]
    desk.settle()
    for escrow in three:
        escrow.refresh_from_db()
        assert escrow.state in ("released", "settled")
        assert {state for _, state in paid(escrow)} <= {"paid", "superseded"}
    sums = PayoutLeg.objects.filter(escrow=three[1], state="paid").values_list("kind", "amount")
    assert sorted(sums) == [("fee", 2_499_999), ("refund", 10), ("release", three[1].amount - 10 - 2_499_999)]


def test_f39_an_item_that_fails_in_company_goes_alone_later(desk: Desk, three: list[Escrow]) -> None:
    """Red when a batch is not simulated as a whole: the cap of a day is counted over its items."""
    seller_gives_back(desk, three[1], 10)
    desk.engine.send()
    carried = Call.objects.filter(group__in=_orders(three), outcome="sent")
    assert {call.group for call in carried} == set(_orders(three)) - set(_orders(three[1:2]))


def test_f43_a_batch_at_estimated_gas_is_refused_or_safe(desk: Desk, three: list[Escrow]) -> None:
    """Red when items have no floor: the outer call succeeds with less gas than its items need."""
    desk.engine.send()
    row = batch_of(three)
    chain = desk.engine.chain
    chain.rpc("anvil_dropAllTransactions")
    request = {"from": row.sender.address, "to": row.target, "data": "0x" + bytes(row.data).hex()}
    estimate = int(chain.rpc("eth_estimateGas", request), 16)
    assert estimate < row.gas_limit
    assert row.gas_limit >= sum(call.gas_limit for call in row.calls.all()), "a bound for each item"
    chain.rpc("anvil_impersonateAccount", row.sender.address)
    for gas in range(estimate - 200_000, estimate + 1, 50_000):
        snapshot = chain.rpc("evm_snapshot")
        sent = chain.rpc("eth_sendTransaction", {**request, "gas": hex(gas)})
        chain.mine()
        receipt = chain.receipt(sent)
        legs = [log for log in receipt["logs"] if log["address"].lower() != ESCROW_ADDRESS.lower()]
        assert (receipt["status"], len(legs)) in (("0x0", 0), ("0x1", 6)), gas
        chain.rpc("evm_revert", snapshot)
    with later():
        desk.settle()
