"""Where money could wait for ever or leave too early: every place has its exit."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from eth_utils.address import to_checksum_address

from chain.models import Alarm, Call, Network, Sender
from chain.services import sender as engine_sender
from contracts import calls
from contracts.calls import Side
from core import clock, deadlines
from core.errors import Conflict, Invalid
from core.models import AuditEntry
from payments.models import Escrow, EscrowPolicy, Order
from payments.services import clocks, deposits, escrows, orders, outcomes, payouts
from tests.chain.fixtures import USDT
from tests.payments.acts import (
    DAY,
    ask_refund,
    deliver,
    dispute,
    refund,
    release,
    request_changes,
    rule,
)
from tests.payments.fixtures import BUYER_ADDRESS, SELLER_ADDRESS, Desk, actor
from wallets.signers import resolve

MINUTES = timedelta(minutes=5)


def expired(desk: Desk) -> Escrow:
    escrow = desk.agreed(250 * USDT).escrows.get()
    desk.travel(DAY + MINUTES)
    desk.platform_travels(MINUTES)
    desk.settle()
    assert desk.state(escrow) == "expired"
    return escrow


def paid_late(desk: Desk, escrow: Escrow) -> None:
    desk.pay(escrow)
    desk.settle()
    assert desk.balance(escrow.vault_address) == escrow.amount


def test_changes_after_the_first_last_instant_leave_the_seller_the_inspection_time(desk: Desk) -> None:
    """The mark stopped the clock of the delivery; sending it back may not find that clock run out."""
    escrow = desk.funded(250 * USDT)
    desk.travel(22 * DAY)  # overdue, not taken back; the chain's last instant is two days away
    deliver(desk, escrow)
    desk.travel(5 * DAY)
    assert desk.state(escrow) == "delivered"
    request_changes(desk, escrow)
    desk.duties()
    found = desk.fresh(escrow)
    assert (found.state, found.take_back_open) == ("funded", False)
    desk.settle()
    assert desk.state(escrow) == "funded"
    due = {wait.kind: wait.due_at for wait in deadlines.waiting(escrow.pk)}
    assert due[clocks.DELIVER] > clock.now() + 6 * DAY
    assert due[clocks.UNDELIVERED] == desk.fresh(escrow).deliver_by
    assert due[clocks.UNDELIVERED] > due[clocks.DELIVER]
    with pytest.raises(Conflict, match="not overdue"):
        payouts.take_back(escrow_id=escrow.pk, role="buyer", acting=actor(desk.cast.buyer))


def test_changes_are_refused_when_the_chain_would_not_stop_its_inspection_again(desk: Desk) -> None:
    """Each refund request may have used up one of the chain's three reopenings."""
    escrow = desk.funded(250 * USDT)
    for _ in range(3):
        deliver(desk, escrow)
        desk.settle()
        desk.as_party(BUYER_ADDRESS, calls.reopen_delivery(desk.terms(escrow)))
        desk.settle()
        assert desk.state(escrow) == "funded"
        Escrow.objects.filter(pk=escrow.pk).update(changes_requested=0)
    deliver(desk, escrow)
    desk.settle()
    with pytest.raises(Conflict, match="dispute"):
        request_changes(desk, escrow)
    desk.travel(6 * DAY)
    with pytest.raises(Conflict, match="dispute"):
        ask_refund(desk, escrow)
    assert desk.state(escrow) == "delivered"
    assert not Order.objects.filter(kind="reopen").exists()


def test_late_money_of_which_a_part_was_decided_with_a_wallet_still_goes_back(desk: Desk) -> None:
    escrow = expired(desk)
    paid_late(desk, escrow)
    desk.as_party(
        SELLER_ADDRESS, calls.pay(desk.terms(escrow), to_seller=0, to_buyer=50 * USDT, left=escrow.amount)
    )
    desk.settle()
    payouts.return_late_money(escrow_id=escrow.pk, role="buyer", acting=actor(desk.cast.buyer))
    desk.settle()
    assert desk.balance(BUYER_ADDRESS) == 250 * USDT


def test_a_part_payment_of_which_a_part_was_given_back_goes_back_whole(desk: Desk) -> None:
    escrow = desk.agreed(250 * USDT).escrows.get()
    desk.pay(escrow, 100 * USDT)
    desk.settle()
    desk.as_party(
        SELLER_ADDRESS, calls.pay(desk.terms(escrow), to_seller=0, to_buyer=50 * USDT, left=escrow.amount)
    )
    desk.settle()
    desk.travel(DAY + MINUTES)
    desk.platform_travels(MINUTES)
    desk.settle()
    assert desk.state(escrow) == "expired"
    assert desk.balance(BUYER_ADDRESS) == 100 * USDT


def raise_with_wallet(desk: Desk, escrow: Escrow) -> None:
    desk.as_party(
        SELLER_ADDRESS, calls.dispute(desk.terms(escrow), side=Side.SELLER, evidence_hash=bytes(32))
    )
    desk.settle()
    assert desk.state(escrow) == "disputed"


def cancelled(desk: Desk) -> Escrow:
    escrow = desk.agreed(250 * USDT).escrows.get()
    escrows.cancel_unpaid(escrow_id=escrow.pk, acting=actor(desk.cast.buyer))
    return escrow


@pytest.mark.parametrize("ended", [expired, cancelled])
def test_late_money_that_a_seller_disputes_with_a_wallet_can_be_ruled(
    desk: Desk, ended: Callable[[Desk], Escrow]
) -> None:
    """Unruled, the chain's fallback would give the seller half of it."""
    escrow = ended(desk)
    paid_late(desk, escrow)
    raise_with_wallet(desk, escrow)
    rule(desk, escrow, 0, 250 * USDT)
    desk.settle()
    assert desk.balance(BUYER_ADDRESS) == 250 * USDT


@pytest.mark.parametrize("ended", [expired, cancelled])
def test_a_wallets_dispute_revives_nothing_when_it_is_withdrawn(
    desk: Desk, ended: Callable[[Desk], Escrow]
) -> None:
    escrow = ended(desk)
    before = desk.state(escrow)
    paid_late(desk, escrow)
    raise_with_wallet(desk, escrow)
    desk.as_party(SELLER_ADDRESS, calls.withdraw_dispute(desk.terms(escrow)))
    desk.settle()
    assert desk.state(escrow) == before
    desk.travel(2 * DAY + MINUTES)
    assert desk.balance(BUYER_ADDRESS) == 250 * USDT


def test_an_order_whose_nonce_was_lost_is_tried_again_when_a_person_says_so(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    release(desk, escrow)
    engine_sender.assign_due(desk.engine.network)
    order = escrow.orders.get()
    carrier = Call.objects.get(pk=order.call_id).transaction
    assert carrier is not None
    row = carrier.sender
    signed = resolve(row.key_ref).sign_transaction(
        {
            "chainId": 31337, "nonce": carrier.nonce, "to": to_checksum_address(BUYER_ADDRESS), "value": 1,
            "data": b"", "gas": 60_000, "maxFeePerGas": 10**11, "maxPriorityFeePerGas": 10**11, "type": 2,
        }
    )  # fmt: skip
    desk.engine.chain.rpc("eth_sendRawTransaction", "0x" + signed.raw.hex())
    desk.engine.mine(5)
    desk.engine.confirm()
    desk.duties()
    assert (desk.state(order), desk.state(escrow)) == ("needs_human", "releasing")
    assert Alarm.objects.filter(kind="order_needs_human", subject=order.pk, resolved_at=None).exists()
    found = Sender.objects.get(pk=row.pk)
    found.thaw()
    found.save()
    orders.resume(order_id=order.pk, acting=actor(desk.cast.stranger))
    desk.settle()
    assert desk.state(escrow) == "released"
    assert AuditEntry.objects.filter(action="order.resumed", subject_id=order.pk).exists()
    assert not Alarm.objects.filter(kind="order_needs_human", resolved_at=None).exists()


def test_a_part_that_can_not_be_paid_is_given_up_by_a_person_and_the_deal_goes_on(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    release(desk, escrow, 50 * USDT)
    order = escrow.orders.get()
    rpc, token = desk.engine.chain.rpc, desk.token.address
    code = rpc("eth_getCode", token, "latest")
    rpc("anvil_setCode", token, "0x60206000f3")  # nobody has any money, says the token
    desk.until(lambda: desk.state(order) == "needs_human")
    with pytest.raises(Conflict):
        refund(desk, escrow)
    outcomes.give_up(order_id=order.pk, reason="the vault was emptied", acting=actor(desk.cast.stranger))
    assert desk.state(order) == "superseded"
    assert AuditEntry.objects.filter(action="order.given_up", subject_id=order.pk).exists()
    rpc("anvil_setCode", token, code)
    refund(desk, escrow)
    desk.settle()
    assert desk.state(escrow) == "refunded"


def test_a_decision_about_everything_is_not_given_up(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    release(desk, escrow)
    order = escrow.orders.get()
    with pytest.raises(Conflict):
        outcomes.give_up(order_id=order.pk, reason="why not", acting=actor(desk.cast.stranger))
    desk.settle()
    assert desk.state(escrow) == "released"


def test_a_dispute_goes_out_before_payouts_that_were_ordered_earlier(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    dispute(desk, escrow)
    call = escrow.orders.get(kind="dispute").call
    assert call is not None
    assert call.must_be_final_by == desk.fresh(escrow).deliver_by


def test_a_network_without_new_deals_is_still_watched(desk: Desk) -> None:
    from escrow_platform import schedule

    escrow = desk.funded(250 * USDT)
    Network.objects.filter(pk=desk.engine.network.pk).update(enabled=False)
    tasks = {duty.task for duty in schedule.duties() if desk.engine.network.pk in duty.args}
    assert {"chain.index", "chain.send_due", "chain.confirm", "payments.tasks.project_network"} <= tasks
    assert escrow.state == "funded"


def test_no_address_is_shown_when_a_seat_of_the_terms_is_one_of_the_parties(desk: Desk) -> None:
    """A later milestone is opened with the seats of that day."""
    later = desk.agreed(100 * USDT, 100 * USDT, opening="each").escrows.get(position=2)
    policy = EscrowPolicy.objects.get()
    EscrowPolicy.objects.update(seats=[to_checksum_address(SELLER_ADDRESS), *policy.seats[1:]])
    with pytest.raises(Invalid, match="an address of the platform"):
        escrows.open_escrow(escrow_id=later.pk, acting=actor(desk.cast.buyer))
    assert desk.fresh(later).vault_address == ""


def test_an_event_that_cannot_be_applied_calls_a_person_and_stops_no_other_duty(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from escrow_platform.sweep import sweep_once

    deal = desk.proposed()
    escrow = desk.agreed(250 * USDT).escrows.get()
    desk.pay(escrow)
    desk.engine.mine(5)
    with monkeypatch.context() as broken:
        broken.setattr(deposits, "received", lambda *_: 1 / 0)
        with clock.travelled(6 * DAY):
            assert sweep_once()
    assert desk.state(deal) == "expired"
    assert Alarm.objects.filter(kind="projection_stuck", resolved_at=None).exists()
    desk.settle()
    assert desk.state(escrow) == "funded"
    assert not Alarm.objects.filter(kind="projection_stuck", resolved_at=None).exists()
