"""Appeals that a wallet makes on the chain: a ruling for an older round is void, others rule once more."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from chain.models import Call
from contracts import calls
from contracts.calls import Side
from core.errors import Forbidden, Invalid
from disputes import tasks
from disputes.models import Dispute
from disputes.services import execution, following, review, rulings
from payments.models import Escrow, Order
from tests.chain.fixtures import USDT
from tests.disputes import cast as stage
from tests.disputes.cast import REASONS
from tests.disputes.test_on_chain import WINDOW, people, settle, under_review, window
from tests.payments.fixtures import BUYER_ADDRESS, SELLER_ADDRESS, Desk

__all__ = ["people", "window"]


def ruled(desk: Desk, people: stage.Cast, to_seller: int = 250 * USDT) -> Dispute:
    """250 USDT, below the four-eyes amount: the ruling stands at once."""
    dispute = under_review(desk, desk.funded(250 * USDT), people)
    propose(dispute, people.arbitrator, to_seller)
    settle(desk)
    dispute = stage.reread(dispute)
    assert dispute.state == "ruled"
    return dispute


def propose(dispute: Dispute, person: Any, to_seller: int) -> None:
    rulings.propose(
        dispute_id=dispute.pk,
        to_seller=to_seller,
        to_buyer=250 * USDT - to_seller,
        reasons=REASONS,
        person=person,
    )


def appeal(desk: Desk, escrow: Escrow, side: Side) -> None:
    address = BUYER_ADDRESS if side == Side.BUYER else SELLER_ADDRESS
    desk.as_party(address, calls.appeal(desk.terms(escrow), side=side))


def window_passes(desk: Desk) -> None:
    desk.platform_travels(WINDOW + timedelta(minutes=1))
    desk.engine.chain.travel(int(WINDOW.total_seconds()) + 60)


def as_it_stands(_: Desk, dispute: Dispute) -> Dispute:
    """Within the window."""
    return dispute


def final_in_the_tables(desk: Desk, dispute: Dispute) -> Dispute:
    """The window is over, and nothing was signed yet."""
    window_passes(desk)
    desk.duties()
    dispute = stage.reread(dispute)
    assert dispute.state == "final"
    return dispute


def executing(desk: Desk, dispute: Dispute) -> Dispute:
    """Signed and ordered, not sent."""
    dispute = final_in_the_tables(desk, dispute)
    assert tasks.execute(dispute.pk)
    return stage.reread(dispute)


@pytest.mark.parametrize(
    "reach", [as_it_stands, final_in_the_tables, executing], ids=["ruled", "final", "signed"]
)
def test_an_appeal_on_the_chain_has_a_ruled_case_reviewed_by_other_people(
    desk: Desk, people: stage.Cast, reach: Callable[[Desk, Dispute], Dispute]
) -> None:
    dispute = reach(desk, ruled(desk, people))
    appeal(desk, dispute.escrow, Side.BUYER)
    desk.engine.mine()
    settle(desk)
    dispute = stage.reread(dispute)
    assert (dispute.state, dispute.round, dispute.arbitrator) == ("under_review", 2, None)
    assert dispute.escrow.state == "disputed"
    assert dispute.rulings.get().state == "superseded"
    assert not Order.objects.filter(kind="rule", state__in=["live", "done"]).exists()
    assert desk.balance(SELLER_ADDRESS) == 0
    for attempt in (
        lambda: review.claim(dispute_id=dispute.pk, person=people.arbitrator),
        lambda: review.assign(dispute_id=dispute.pk, arbitrator=people.arbitrator, person=people.lead),
    ):
        with pytest.raises((Forbidden, Invalid)):
            attempt()
    review.claim(dispute_id=dispute.pk, person=people.colleague)
    propose(dispute, people.colleague, 100 * USDT)
    settle(desk)
    window_passes(desk)
    settle(desk)
    assert stage.reread(dispute).state == "executed"
    assert desk.balance(BUYER_ADDRESS) == 150 * USDT


def test_the_second_appeal_brings_no_third_review_but_new_signatures(desk: Desk, people: stage.Cast) -> None:
    dispute = ruled(desk, people)
    appeal(desk, dispute.escrow, Side.BUYER)
    settle(desk)
    review.claim(dispute_id=dispute.pk, person=people.colleague)
    propose(dispute, people.colleague, 100 * USDT)
    settle(desk)
    dispute = executing(desk, dispute)
    first = Order.objects.get(kind="rule", state="live")
    appeal(desk, dispute.escrow, Side.SELLER)
    desk.engine.mine()
    settle(desk)
    dispute = stage.reread(dispute)
    assert (dispute.state, dispute.round) == ("executed", 3)
    first.refresh_from_db()
    assert first.state == "superseded"
    assert desk.balance(BUYER_ADDRESS) == 150 * USDT
    assert not Call.objects.filter(outcome__in=["waiting", "sent"]).exists()


def test_an_appeal_before_anything_was_ruled_only_begins_a_round(desk: Desk, people: stage.Cast) -> None:
    dispute = under_review(desk, desk.funded(250 * USDT), people)
    appeal(desk, dispute.escrow, Side.SELLER)
    settle(desk)
    dispute = stage.reread(dispute)
    assert (dispute.state, dispute.round, dispute.raised_round) == ("under_review", 2, 1)
    assert dispute.arbitrator == people.arbitrator
    propose(dispute, people.arbitrator, 0)
    settle(desk)
    window_passes(desk)
    settle(desk)
    assert stage.reread(dispute).state == "executed"
    assert desk.balance(BUYER_ADDRESS) == 250 * USDT


def test_seats_do_not_sign_for_a_round_that_is_over(desk: Desk, people: stage.Cast) -> None:
    dispute = final_in_the_tables(desk, ruled(desk, people))
    Escrow.objects.filter(pk=dispute.escrow_id).update(dispute_round=2)
    dispute = stage.reread(dispute)
    with pytest.raises(execution.SeatsMissing, match="round 2"):
        execution.sign(dispute, rulings.standing(dispute))
    assert not tasks.execute(dispute.pk)
    Escrow.objects.filter(pk=dispute.escrow_id).update(dispute_round=1)


def test_an_appeal_whose_event_was_lost_is_found_by_the_sweep(desk: Desk, people: stage.Cast) -> None:
    from core.models import OutboxEvent

    dispute = ruled(desk, people)
    appeal(desk, dispute.escrow, Side.BUYER)
    desk.engine.mine(5)
    from payments.services import projection

    projection.project(desk.engine.network)
    assert OutboxEvent.objects.filter(type="escrow.appealed").exists()
    assert dispute.escrow_id in set(following.behind())
    tasks.sweep()
    assert stage.reread(dispute).state == "under_review"


def test_a_dispute_raised_anew_after_an_appeal_is_another_case(desk: Desk, people: stage.Cast) -> None:
    escrow = desk.funded(250 * USDT)
    raised = calls.dispute(desk.terms(escrow), side=Side.SELLER, evidence_hash=bytes(32))
    desk.as_party(SELLER_ADDRESS, raised)
    settle(desk)
    appeal(desk, escrow, Side.BUYER)
    settle(desk)
    desk.as_party(SELLER_ADDRESS, calls.withdraw_dispute(desk.terms(escrow)))
    desk.engine.chain.mine()
    desk.as_party(SELLER_ADDRESS, raised)
    settle(desk)
    first, second = Dispute.objects.filter(escrow=escrow).order_by("created")
    assert (first.state, first.raised_round, first.round) == ("withdrawn", 1, 2)
    assert (second.state, second.raised_round, second.round) == ("opened", 3, 3)


def test_who_approved_the_appealed_ruling_does_not_approve_the_next(desk: Desk, people: stage.Cast) -> None:
    dispute = under_review(desk, desk.funded(2_500 * USDT), people)

    def proposal(person: Any) -> Any:
        return rulings.propose(
            dispute_id=dispute.pk,
            to_seller=2_000 * USDT,
            to_buyer=500 * USDT,
            reasons=REASONS,
            person=person,
        )

    first = proposal(people.arbitrator)
    rulings.approve(ruling_id=first.pk, typed_amount="2500", person=people.lead)
    appeal(desk, dispute.escrow, Side.BUYER)
    settle(desk)
    review.claim(dispute_id=dispute.pk, person=people.colleague)
    second = proposal(people.colleague)
    with pytest.raises(Forbidden, match="after an appeal"):
        rulings.approve(ruling_id=second.pk, typed_amount="2500", person=people.lead)
    rulings.approve(ruling_id=second.pk, typed_amount="2500", person=people.other_lead)
    assert stage.reread(dispute).state == "ruled"


def test_a_seller_who_cancels_the_escrow_ends_the_case(desk: Desk, people: stage.Cast) -> None:
    dispute = under_review(desk, desk.funded(250 * USDT), people)
    desk.as_party(SELLER_ADDRESS, calls.cancel(desk.terms(dispute.escrow)))
    settle(desk)
    dispute = stage.reread(dispute)
    assert (dispute.state, dispute.escrow.state) == ("closed", "refunded")


def test_a_case_that_no_ruling_ended_is_closed_by_the_fallback(desk: Desk, people: stage.Cast) -> None:
    dispute = under_review(desk, desk.funded(250 * USDT), people)
    settle(desk)
    desk.platform_travels(timedelta(days=121))
    desk.engine.chain.travel(121 * 86_400)
    settle(desk)
    dispute = stage.reread(dispute)
    assert (dispute.state, dispute.escrow.state) == ("closed", "settled")
    assert desk.balance(BUYER_ADDRESS) == 125 * USDT
