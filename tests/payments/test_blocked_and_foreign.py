"""Legs that a token refuses, and decisions that somebody else's transaction made."""

from datetime import timedelta

import pytest

from chain.models import Attempt, Call
from contracts import calls
from contracts.calls import LegKind
from core import deadlines
from core.errors import Conflict
from payments.books import balances
from payments.models import AccountKind, Escrow
from payments.pages import access, receipts
from payments.services import clocks, payouts
from tests.chain.fixtures import USDT
from tests.payments.acts import (
    DAY,
    deliver,
    dispute,
    refund,
    refuse_recipient,
    release,
    request_changes,
    rule,
    token_owner,
)
from tests.payments.fixtures import BUYER_ADDRESS, FEE_ADDRESS, SELLER_ADDRESS, Desk, actor


def blocked_leg(desk: Desk, escrow: Escrow, kind: str = "release"):
    return escrow.legs.get(kind=kind, state="blocked")


def retry(desk: Desk, escrow: Escrow, kind: str = "release"):
    return payouts.retry_leg(leg_id=blocked_leg(desk, escrow, kind).pk, acting=actor(desk.cast.seller))


def with_refused_seller(desk: Desk) -> Escrow:
    """Split by a ruling while the token refuses every transfer to the seller."""
    escrow = desk.funded(250 * USDT)
    dispute(desk, escrow)
    desk.settle()
    refuse_recipient(desk, SELLER_ADDRESS)
    rule(desk, escrow, 100 * USDT, 150 * USDT)
    desk.settle()
    return escrow


def test_a_seller_whom_the_token_refuses_waits_and_blocks_nobody_else(desk: Desk) -> None:
    escrow = with_refused_seller(desk)
    assert desk.state(escrow) == "settled"
    assert desk.state(escrow.deal) == "completed"
    assert desk.balance(BUYER_ADDRESS) == 150 * USDT
    assert desk.balance(FEE_ADDRESS) == USDT
    assert ("release", 99 * USDT, "blocked") in desk.legs(escrow)
    assert balances.balance(escrow, AccountKind.OWED_SELLER) == 99 * USDT
    assert desk.balance(escrow.vault_address) == 99 * USDT
    visit = access.visit(desk.cast.buyer, escrow.deal_id)
    assert visit is not None
    facts = dict(receipts.of(visit, visit.escrow(escrow.pk)).facts)
    ruled = (facts["Ruled for the seller"], facts["Ruled for the buyer"])
    assert ruled == ("100.000000 USDT", "150.000000 USDT")
    assert facts["Hash of the ruling"].startswith("0x")


def test_a_blocked_leg_is_paid_once_after_the_seller_is_free_again(desk: Desk) -> None:
    escrow = with_refused_seller(desk)
    refuse_recipient(desk, None)
    retry(desk, escrow)
    with pytest.raises(Conflict, match="tried already"):
        retry(desk, escrow)
    desk.settle()
    assert desk.balance(SELLER_ADDRESS) == 99 * USDT
    assert balances.balance(escrow, AccountKind.OWED_SELLER) == 0
    leg = escrow.legs.get(kind="release", state="paid")
    with pytest.raises(Conflict):
        payouts.retry_leg(leg_id=leg.pk, acting=actor(desk.cast.seller))


def test_a_retry_that_is_refused_again_leaves_the_leg_waiting_for_the_next(desk: Desk) -> None:
    escrow = with_refused_seller(desk)
    order = retry(desk, escrow)
    desk.until(lambda: desk.state(order) == "failed")
    refuse_recipient(desk, None)
    desk.platform_travels(timedelta(hours=1))
    retry(desk, escrow)
    desk.settle()
    assert desk.balance(SELLER_ADDRESS) == 99 * USDT


def test_anyone_may_pay_an_owed_leg_on_chain(desk: Desk) -> None:
    escrow = with_refused_seller(desk)
    refuse_recipient(desk, None)
    desk.engine.chain.send(
        desk.engine.network.escrow_contract, calls.pay_leg(desk.terms(escrow), kind=LegKind.RELEASE)
    )
    desk.settle()
    assert desk.balance(SELLER_ADDRESS) == 99 * USDT
    assert escrow.legs.get(kind="release", state="paid").tx_hash
    assert not escrow.legs.filter(state="blocked").exists()


def test_while_the_token_is_paused_every_leg_waits_and_all_are_paid_after_it(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    token_owner(desk, "pause")
    release(desk, escrow)
    desk.settle()
    assert desk.state(escrow) == "released"
    assert desk.legs(escrow) == [("fee", 2_500_000, "blocked"), ("release", 247_500_000, "blocked")]
    token_owner(desk, "unpause")
    for kind in ("fee", "release"):
        retry(desk, escrow, kind)
    desk.settle()
    assert desk.balance(SELLER_ADDRESS) == 247_500_000
    assert desk.balance(FEE_ADDRESS) == 2_500_000


def test_f44_a_vault_on_the_tokens_blacklist_keeps_what_it_owes_until_it_is_free(desk: Desk) -> None:
    """F44: see `rules_off` for the rule that is switched off."""
    escrow = desk.funded(250 * USDT)
    token_owner(desk, "addBlackList", escrow.vault_address)
    refund(desk, escrow)
    desk.settle()
    assert (desk.state(escrow), desk.legs(escrow)) == ("refunded", [("refund", 250 * USDT, "blocked")])
    token_owner(desk, "removeBlackList", escrow.vault_address)
    retry(desk, escrow, "refund")
    desk.settle()
    assert desk.balance(BUYER_ADDRESS) == 250 * USDT


def test_f40_a_strangers_claim_after_a_delivery_decides_and_supersedes_ours(desk: Desk) -> None:
    """F40: escrow and legs follow the event, whoever sent the transaction."""
    escrow = desk.funded(250 * USDT)
    deliver(desk, escrow)
    desk.settle()
    desk.engine.chain.travel(15 * 86_400)  # the chain's inspection is over; the platform's clock is not
    release(desk, escrow)
    desk.engine.chain.send(desk.engine.network.escrow_contract, calls.claim_delivered(desk.terms(escrow)))
    desk.engine.mine()
    desk.settle()
    assert desk.state(escrow) == "released"
    assert desk.balance(SELLER_ADDRESS) == 247_500_000
    assert sorted(escrow.orders.filter(kind__in=["pay", "foreign"]).values_list("kind", "state")) == [
        ("foreign", "done"),
        ("pay", "superseded"),
    ]
    assert desk.legs(escrow) == [("fee", 2_500_000, "paid"), ("release", 247_500_000, "paid")]
    assert not Call.objects.filter(outcome__in=["waiting", "sent"]).exists()


def test_f40_a_strangers_claim_of_what_was_not_delivered_refunds(desk: Desk) -> None:
    """F40: see `rules_off` for the rule that is switched off."""
    escrow = desk.funded(250 * USDT)
    desk.engine.chain.travel(25 * 86_400)
    desk.engine.chain.send(desk.engine.network.escrow_contract, calls.claim_undelivered(desk.terms(escrow)))
    desk.settle()
    assert desk.state(escrow) == "refunded"
    assert desk.balance(BUYER_ADDRESS) == 250 * USDT
    assert escrow.orders.get().reason == "claim undelivered"


def test_f40_a_strangers_claim_of_a_part_payment_refunds_it(desk: Desk) -> None:
    """F40: see `rules_off` for the rule that is switched off."""
    escrow = desk.agreed(250 * USDT).escrows.get()
    desk.pay(escrow, 100 * USDT)
    desk.settle()
    desk.engine.chain.travel(2 * 86_400)
    desk.engine.chain.send(desk.engine.network.escrow_contract, calls.claim_unfunded(desk.terms(escrow)))
    desk.settle()
    assert desk.state(escrow) == "refunded"
    assert desk.balance(BUYER_ADDRESS) == 100 * USDT


def test_a_party_that_pays_with_its_wallet_needs_no_platform(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    desk.as_party(
        BUYER_ADDRESS, calls.pay(desk.terms(escrow), to_seller=escrow.amount, to_buyer=0, left=escrow.amount)
    )
    desk.settle()
    assert desk.state(escrow) == "released"


@pytest.mark.parametrize("whole", [True, False])
def test_a_part_given_back_on_chain_while_a_release_is_ordered_leaves_the_rest_to_the_release(
    desk: Desk, whole: bool
) -> None:
    escrow = desk.funded(250 * USDT)
    release(desk, escrow, None if whole else 100 * USDT)
    give = calls.pay(desk.terms(escrow), to_seller=0, to_buyer=30 * USDT, left=escrow.amount)
    desk.as_party(SELLER_ADDRESS, give)
    desk.engine.mine()
    desk.settle()
    assert desk.balance(BUYER_ADDRESS) == 30 * USDT
    if whole:
        assert desk.state(escrow) == "released"
        assert desk.balance(SELLER_ADDRESS) + desk.balance(FEE_ADDRESS) == 220 * USDT
    else:
        found = desk.fresh(escrow)
        assert (found.state, found.remainder) == ("funded", 120 * USDT)
        assert desk.balance(SELLER_ADDRESS) == 99 * USDT


def test_surplus_that_a_stranger_returned_is_not_returned_twice(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    desk.pay(escrow, 40 * USDT)
    desk.engine.mine(4)
    desk.duties()
    rescue = calls.rescue(desk.terms(escrow), token=desk.token.address)
    desk.engine.chain.send(desk.engine.network.escrow_contract, rescue)
    desk.engine.mine()
    desk.settle()
    assert desk.balance(BUYER_ADDRESS) == 40 * USDT
    assert desk.legs(escrow) == [("surplus", 40 * USDT, "paid")]
    refund(desk, escrow)
    desk.settle()
    assert desk.balance(BUYER_ADDRESS) == 290 * USDT


def test_a_mark_with_the_sellers_wallet_starts_the_inspection_here(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    desk.as_party(SELLER_ADDRESS, calls.mark_delivered(desk.terms(escrow)))
    desk.settle()
    assert desk.state(escrow) == "delivered"
    assert deadlines.waiting(escrow.pk).filter(kind=clocks.INSPECT).exists()
    request_changes(desk, escrow)
    desk.settle()
    assert desk.fresh(escrow).marked_until is None


def test_a_reopening_with_the_buyers_wallet_asks_for_changes_here(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    deliver(desk, escrow)
    desk.settle()
    desk.as_party(BUYER_ADDRESS, calls.reopen_delivery(desk.terms(escrow)))
    desk.settle()
    found = desk.fresh(escrow)
    assert (found.state, found.changes_requested) == ("funded", 1)
    desk.travel(8 * DAY)
    assert desk.state(escrow) == "funded"  # no silence is counted against the buyer


def test_f45_a_mark_that_we_signed_before_a_reopening_starts_no_inspection_after_it(desk: Desk) -> None:
    """F45: our bytes can not be called back. Mined after the buyer sent the delivery back, the mark is
    stopped again, and the seller's next delivery counts as one.

    Red when every mark that nobody waits for is taken for a delivery (rules_off)."""
    escrow = desk.funded(250 * USDT)
    chain = desk.engine.chain
    deliver(desk, escrow)
    desk.duties()
    assert escrow.orders.get(kind="mark").state == "live"
    desk.engine.send()
    mark = Attempt.objects.get(transaction__calls__group=escrow.orders.get(kind="mark").pk)
    chain.rpc("anvil_dropAllTransactions")
    for wallet, data in (
        (SELLER_ADDRESS, calls.mark_delivered(desk.terms(escrow))),
        (BUYER_ADDRESS, calls.reopen_delivery(desk.terms(escrow))),
    ):
        desk.as_party(wallet, data)
        desk.engine.mine(4)
        desk.duties()
    assert desk.state(escrow) == "funded"
    chain.rpc("eth_sendRawTransaction", "0x" + bytes(mark.raw).hex())
    desk.engine.mine()
    assert chain.receipt(mark.hash)["status"] == "0x1"
    desk.settle()
    found = desk.fresh(escrow)
    assert (found.state, found.marked_until, found.reopens) == ("funded", None, 2)
    assert not deadlines.waiting(escrow.pk).filter(kind=clocks.INSPECT).exists()
    assert deadlines.waiting(escrow.pk).filter(kind=clocks.DELIVER).exists()
    deliver(desk, escrow)
    desk.settle()
    assert desk.state(escrow) == "delivered"
    release(desk, escrow)
    desk.settle()
    assert desk.balance(SELLER_ADDRESS) == 247_500_000
