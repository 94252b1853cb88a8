"""Disputes on a real chain: what the pages say is what the contract does."""

from datetime import timedelta
from typing import Any

import pytest

from contracts import calls
from core import clock
from disputes import tasks
from disputes.models import Dispute
from disputes.services import evidence, opening, review, rulings
from payments.models import Escrow, Order
from tests.chain.fixtures import USDT
from tests.disputes import cast as stage
from tests.disputes.cast import REASONS, STORY
from tests.payments.fixtures import BUYER_ADDRESS, FEE_ADDRESS, SELLER_ADDRESS, Desk

WINDOW = timedelta(hours=72)


@pytest.fixture
def people(cast: Any) -> stage.Cast:
    """The staff beside the desk's own buyer and seller."""
    return stage.with_staff(cast.buyer, cast.seller, cast.stranger)


def settle(desk: Desk) -> None:
    """The desk's duties and the sweep of disputes, until nothing is under way."""
    desk.engine.settle(also=lambda: desk.duties() + tasks.sweep())


@pytest.fixture(autouse=True)
def window(settings: Any) -> None:
    """The published window for appeals: no test falls out of it by being slow."""
    settings.CLOCKS = settings.CLOCKS | {"appeal": int(WINDOW.total_seconds())}


def appeal_passes(desk: Desk) -> None:
    """For the platform and, wherever the node's clock stood, for the chain."""
    desk.platform_travels(WINDOW + timedelta(minutes=1))
    desk.engine.chain.travel(max(0, int(clock.now().timestamp()) - desk.engine.chain.now) + 1)
    settle(desk)


def opened(desk: Desk, escrow: Escrow, people: stage.Cast) -> Dispute:
    dispute = opening.open_dispute(
        escrow_id=escrow.pk,
        role="buyer",
        reason="incomplete",
        text=STORY,
        acting=stage.actor(people.buyer),
        user=people.buyer,
    )
    settle(desk)
    return stage.reread(dispute)


def under_review(desk: Desk, escrow: Escrow, people: stage.Cast) -> Dispute:
    dispute = opened(desk, escrow, people)
    for role, user in (("buyer", people.buyer), ("seller", people.seller)):
        evidence.nothing_more(dispute_id=dispute.pk, role=role, acting=stage.actor(user))
    review.claim(dispute_id=dispute.pk, person=people.arbitrator)
    return stage.reread(dispute)


def test_a_disputed_deal_is_split_to_the_last_unit_as_two_people_ruled(
    desk: Desk, people: stage.Cast
) -> None:
    escrow = desk.funded(2_500 * USDT)
    dispute = under_review(desk, escrow, people)
    assert dispute.opened_tx_hash
    assert dispute.escrow.state == "disputed"
    ruling = rulings.propose(
        dispute_id=dispute.pk,
        to_seller=1_000 * USDT + 1,
        to_buyer=1_500 * USDT - 1,
        reasons=REASONS,
        person=people.arbitrator,
    )
    settle(desk)
    assert not Order.objects.filter(kind="rule").exists()
    rulings.approve(ruling_id=ruling.pk, typed_amount="2500", person=people.lead)
    settle(desk)
    appeal_passes(desk)
    dispute = stage.reread(dispute)
    assert (dispute.state, dispute.escrow.state) == ("executed", "settled")
    assert desk.balance(SELLER_ADDRESS) == 990 * USDT + 1
    assert desk.balance(BUYER_ADDRESS) == 1_500 * USDT - 1
    assert desk.balance(FEE_ADDRESS) == 10 * USDT
    assert dispute.closed_tx_hash == escrow.legs.get(kind="release").tx_hash


def test_the_opener_takes_it_back_on_the_chain_as_well(desk: Desk, people: stage.Cast) -> None:
    escrow = desk.funded()
    dispute = opened(desk, escrow, people)
    assert dispute.state == "opened"
    opening.withdraw(dispute_id=dispute.pk, role="buyer", acting=stage.actor(people.buyer))
    settle(desk)
    dispute = stage.reread(dispute)
    assert (dispute.state, dispute.escrow.state) == ("withdrawn", "funded")


def test_a_dispute_from_the_sellers_own_wallet_gets_a_case_that_can_be_ruled(
    desk: Desk, people: stage.Cast
) -> None:
    escrow = desk.funded(250 * USDT)
    data = calls.dispute(desk.terms(escrow), side=calls.Side.SELLER, evidence_hash=b"\x07" * 32)
    desk.as_party(SELLER_ADDRESS, data)
    settle(desk)
    dispute = Dispute.objects.get(escrow=escrow)
    assert (dispute.state, dispute.opened_by, dispute.reason) == ("opened", "seller", "on_chain")
    assert dispute.evidence_hash == "0x" + "07" * 32
    for role, user in (("buyer", people.buyer), ("seller", people.seller)):
        evidence.nothing_more(dispute_id=dispute.pk, role=role, acting=stage.actor(user))
    review.claim(dispute_id=dispute.pk, person=people.arbitrator)
    rulings.propose(
        dispute_id=dispute.pk, to_seller=0, to_buyer=250 * USDT, reasons=REASONS, person=people.arbitrator
    )
    appeal_passes(desk)
    assert stage.reread(dispute).state == "executed"
    assert desk.balance(BUYER_ADDRESS) == 250 * USDT


def test_a_buyer_who_gives_in_with_an_own_wallet_ends_the_case(desk: Desk, people: stage.Cast) -> None:
    escrow = desk.funded(2_500 * USDT)
    dispute = under_review(desk, escrow, people)
    left = 2_500 * USDT
    desk.as_party(BUYER_ADDRESS, calls.pay(desk.terms(escrow), to_seller=left, to_buyer=0, left=left))
    settle(desk)
    dispute = stage.reread(dispute)
    assert (dispute.state, dispute.escrow.state) == ("closed", "released")


def test_what_a_party_conceded_meanwhile_is_not_paid_twice(desk: Desk, people: stage.Cast) -> None:
    escrow = desk.funded(2_500 * USDT)
    dispute = under_review(desk, escrow, people)
    ruling = rulings.propose(
        dispute_id=dispute.pk,
        to_seller=1_250 * USDT,
        to_buyer=1_250 * USDT,
        reasons=REASONS,
        person=people.arbitrator,
    )
    rulings.approve(ruling_id=ruling.pk, typed_amount="2500", person=people.lead)
    data = calls.pay(desk.terms(escrow), to_seller=500 * USDT, to_buyer=0, left=2_500 * USDT)
    desk.as_party(BUYER_ADDRESS, data)
    settle(desk)
    assert stage.reread(dispute).escrow.remainder == 2_000 * USDT
    appeal_passes(desk)
    assert stage.reread(dispute).state == "executed"
    assert desk.balance(BUYER_ADDRESS) == 1_000 * USDT
    assert desk.balance(SELLER_ADDRESS) + desk.balance(FEE_ADDRESS) == 1_500 * USDT


def test_without_any_ruling_the_fallback_ends_the_case(desk: Desk, people: stage.Cast) -> None:
    escrow = desk.funded(2_500 * USDT)
    dispute = under_review(desk, escrow, people)
    ends = dispute.escrow.fallback_after
    assert ends is not None
    desk.travel(ends - clock.now() + timedelta(minutes=1))
    desk.as_party(SELLER_ADDRESS, calls.claim_fallback(desk.terms(escrow)))
    settle(desk)
    dispute = stage.reread(dispute)
    assert (dispute.state, dispute.escrow.state) == ("closed", "settled")
