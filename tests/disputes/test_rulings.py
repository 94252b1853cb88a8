"""Who may rule, who may approve, what a ruling must say, and when it reaches the chain."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from eth_account import Account

from contracts import rulings as messages
from core import clock, deadlines
from core.errors import Conflict, Forbidden, Held, Invalid
from core.models import AuditEntry, OutboxEvent
from disputes import tasks
from disputes.models import Dispute, Ruling
from disputes.services import evidence, execution, review, rulings
from payments.models import Escrow, Order
from payments.services import chain_terms, controls
from tests.disputes import cast as stage
from tests.disputes.cast import REASONS, USDT, Cast

HALF = 1_250 * USDT


def propose(dispute: Dispute, people: Cast, **changes: Any) -> Ruling:
    values = {"to_seller": HALF, "to_buyer": HALF, "reasons": REASONS, "person": people.arbitrator}
    return rulings.propose(dispute_id=dispute.pk, **(values | changes))


def approve(ruling: Ruling, people: Cast, **changes: Any) -> Ruling:
    values = {"typed_amount": "2,500.00", "person": people.lead}
    return rulings.approve(ruling_id=ruling.pk, **(values | changes))


def finally_(dispute: Dispute) -> Dispute:
    """The appeal window passes."""
    with clock.travelled(timedelta(seconds=3)):
        deadlines.run_due()
    return stage.reread(dispute)


def test_a_split_goes_from_proposal_to_the_chain(people: Cast, under_review: Dispute) -> None:
    ruling = propose(under_review, people, to_seller=HALF + 1, to_buyer=HALF - 1)
    assert stage.reread(under_review).state == "ruling_proposed"
    assert not OutboxEvent.objects.filter(type="dispute.ruled").exists()
    approve(ruling, people)
    assert stage.reread(under_review).state == "ruled"
    assert not Order.objects.filter(kind="rule").exists()
    dispute = finally_(under_review)
    assert (dispute.state, dispute.escrow.state) == ("final", "disputed")
    assert tasks.sweep() == 1
    order = Order.objects.get(kind="rule")
    assert (order.to_seller, order.to_buyer) == (HALF + 1, HALF - 1)
    assert order.payload["ruling_hash"] == ruling.hash
    dispute = stage.reread(dispute)
    assert (dispute.state, dispute.escrow.state) == ("executing", "settling")
    stage.chain_decides(dispute.escrow, "settled", "ruling")
    assert stage.reread(dispute).state == "executed"


def test_the_signatures_are_those_of_enough_seats_over_exactly_this_ruling(
    people: Cast, under_review: Dispute
) -> None:
    ruling = approve(propose(under_review, people), people)
    dispute = finally_(under_review)
    ruling = Ruling.objects.get(pk=ruling.pk)
    signed = execution.sign(dispute, ruling)
    digest = messages.ruling_digest(
        chain_terms.of(dispute.escrow),
        to_seller=HALF,
        to_buyer=HALF,
        ruling_hash=bytes.fromhex(ruling.hash[2:]),
        round=dispute.escrow.dispute_round,
        not_before=int(ruling.appeal_until.timestamp()),
        deadline=int(dispute.escrow.fallback_after.timestamp()),
    )
    recovered = [
        Account._recover_hash(digest, signature=signature) if signature else ""
        for signature in signed.signatures
    ]
    assert sorted(signed.signers, key=lambda seat: int(seat, 16)) == signed.signers
    assert [seat for seat in recovered if seat] == [
        seat for seat, signature in zip(signed.signers, signed.signatures, strict=True) if signature
    ]
    assert sum(bool(seat) for seat in recovered) == dispute.escrow.arbiters_threshold == 2


def test_no_seat_signs_before_the_ruling_is_final(people: Cast, under_review: Dispute) -> None:
    ruling = approve(propose(under_review, people), people)
    dispute = stage.reread(under_review)
    with pytest.raises(execution.SeatsMissing):
        execution.sign(dispute, ruling)
    assert execution.execute(dispute.pk) is False
    assert not Order.objects.filter(kind="rule").exists()


def test_executing_twice_orders_once(people: Cast, under_review: Dispute) -> None:
    approve(propose(under_review, people), people)
    dispute = finally_(under_review)
    assert execution.execute(dispute.pk) is True
    assert execution.execute(dispute.pk) is False
    assert Order.objects.filter(kind="rule").count() == 1


def test_a_hold_keeps_a_final_ruling_waiting_and_the_sweep_orders_it_later(
    people: Cast, under_review: Dispute
) -> None:
    approve(propose(under_review, people), people)
    dispute = finally_(under_review)
    lead = stage.actor(people.lead)
    controls.place_hold(escrow_id=dispute.escrow_id, reason="looking", acting=lead)
    with pytest.raises(Held):
        execution.execute(dispute.pk)
    tasks.sweep()
    assert stage.reread(dispute).state == "final"
    controls.lift_hold(escrow_id=dispute.escrow_id, acting=lead)
    tasks.sweep()
    assert stage.reread(dispute).state == "executing"


def test_a_part_conceded_after_the_ruling_leaves_its_proportion(people: Cast, under_review: Dispute) -> None:
    approve(propose(under_review, people, to_seller=1_500 * USDT, to_buyer=1_000 * USDT), people)
    dispute = finally_(under_review)
    Escrow.objects.filter(pk=dispute.escrow_id).update(remainder=100 * USDT + 1)
    assert execution.execute(dispute.pk) is True
    order = Order.objects.get(kind="rule")
    assert (order.to_seller, order.to_buyer) == (60 * USDT, 40 * USDT + 1)


@pytest.mark.parametrize(
    ("seller", "buyer"), [(HALF, HALF - 1), (HALF, HALF + 1), (-1, 2 * HALF + 1), (0, 0)]
)
def test_parts_that_do_not_sum_are_refused(
    people: Cast, under_review: Dispute, seller: int, buyer: int
) -> None:
    with pytest.raises(Invalid):
        propose(under_review, people, to_seller=seller, to_buyer=buyer)
    assert stage.reread(under_review).state == "under_review"


def test_the_database_itself_refuses_parts_that_do_not_sum(people: Cast, under_review: Dispute) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        Ruling.objects.create(
            dispute=under_review,
            author=people.arbitrator,
            to_seller=1,
            to_buyer=1,
            disputed=3,
            reasons=REASONS,
            hash="0x" + "00" * 32,
            needs_approval=True,
            created=clock.now(),
        )


def test_a_written_ruling_cannot_be_changed(people: Cast, under_review: Dispute) -> None:
    propose(under_review, people)
    for change in ({"to_seller": 0, "to_buyer": 2 * HALF}, {"reasons": "because"}):
        with pytest.raises(DatabaseError), transaction.atomic():
            Ruling.objects.update(**change)
    with pytest.raises(DatabaseError), transaction.atomic():
        Ruling.objects.update(approver=people.arbitrator)


def test_reasons_of_a_few_words_are_refused(people: Cast, under_review: Dispute) -> None:
    with pytest.raises(Invalid):
        propose(under_review, people, reasons="The buyer is right." + " " * 40)


def test_only_the_one_who_has_the_case_rules(people: Cast, under_review: Dispute) -> None:
    for person in (people.colleague, people.lead, people.buyer, people.stranger):
        with pytest.raises(Forbidden):
            propose(under_review, people, person=person)


def test_no_ruling_while_evidence_is_open(people: Cast, opened: Dispute) -> None:
    review.claim(dispute_id=opened.pk, person=people.arbitrator)
    with pytest.raises(Conflict):
        propose(opened, people)


def test_author_arbitrator_party_and_everyone_without_the_right_cannot_approve(
    people: Cast, under_review: Dispute
) -> None:
    ruling = propose(under_review, people)
    for person in (people.arbitrator, people.colleague, people.buyer, people.seller, people.stranger):
        with pytest.raises(Forbidden):
            approve(ruling, people, person=person)
    assert Ruling.objects.get(pk=ruling.pk).state == "proposed"


def test_the_author_cannot_approve_even_with_every_right(people: Cast, under_review: Dispute) -> None:
    people.arbitrator.is_superuser = True
    people.arbitrator.save()
    ruling = propose(under_review, people)
    with pytest.raises(Forbidden):
        approve(ruling, people, person=people.arbitrator)


def test_a_lead_who_touched_the_case_cannot_approve(people: Cast, opened: Dispute) -> None:
    review.assign(dispute_id=opened.pk, arbitrator=people.arbitrator, person=people.lead)
    for role, user in (("buyer", people.buyer), ("seller", people.seller)):
        evidence.nothing_more(dispute_id=opened.pk, role=role, acting=stage.actor(user))
    ruling = propose(opened, people)
    with pytest.raises(Forbidden):
        approve(ruling, people)
    assert approve(ruling, people, person=people.other_lead).state == "approved"


def test_the_lead_who_is_a_party_can_never_act(people: Cast, under_review: Dispute) -> None:
    party = under_review.escrow.deal.parties.get(role="seller")
    party.user, party.email = None, people.lead.email.upper()
    party.save()
    ruling = propose(under_review, people)
    with pytest.raises(Forbidden):
        approve(ruling, people)
    with pytest.raises(Forbidden):
        rulings.refuse(ruling_id=ruling.pk, why=REASONS, person=people.lead)


@pytest.mark.parametrize("typed", ["", "2500.01", "1250", "yes", "-2500"])
def test_approval_needs_the_amount_typed_by_hand(people: Cast, under_review: Dispute, typed: str) -> None:
    ruling = propose(under_review, people)
    with pytest.raises(Invalid):
        approve(ruling, people, typed_amount=typed)


def test_a_ruling_is_approved_once(people: Cast, under_review: Dispute) -> None:
    ruling = approve(propose(under_review, people), people)
    with pytest.raises(Conflict):
        approve(ruling, people)
    with pytest.raises(Conflict):
        approve(ruling, people, person=people.other_lead)
    with pytest.raises(Conflict):
        rulings.refuse(ruling_id=ruling.pk, why=REASONS, person=people.other_lead)


def test_a_refused_ruling_goes_back_with_reasons(people: Cast, under_review: Dispute) -> None:
    ruling = propose(under_review, people)
    with pytest.raises(Invalid):
        rulings.refuse(ruling_id=ruling.pk, why="no", person=people.lead)
    rulings.refuse(ruling_id=ruling.pk, why="The agreed page count was not looked at.", person=people.lead)
    assert stage.reread(under_review).state == "under_review"
    again = propose(under_review, people, to_seller=0, to_buyer=2 * HALF)
    assert approve(again, people).state == "approved"


def test_no_event_tells_the_parties_that_a_ruling_was_proposed_or_refused(
    people: Cast, under_review: Dispute
) -> None:
    told = OutboxEvent.objects.filter(group_id=under_review.escrow.deal_id)
    before = list(told.values_list("pk", flat=True))
    ruling = propose(under_review, people)
    rulings.refuse(ruling_id=ruling.pk, why=REASONS, person=people.lead)
    assert list(told.values_list("pk", flat=True)) == before
    assert OutboxEvent.objects.get(type="dispute.ruling_refused").owner_id == ""


def test_below_the_four_eyes_amount_one_person_and_one_seat_suffice(
    people: Cast, small_under_review: Dispute
) -> None:
    ruling = rulings.propose(
        dispute_id=small_under_review.pk,
        to_seller=0,
        to_buyer=250 * USDT,
        reasons=REASONS,
        person=people.arbitrator,
    )
    assert (ruling.state, ruling.needs_approval) == ("approved", False)
    dispute = finally_(small_under_review)
    signed = execution.sign(dispute, Ruling.objects.get(pk=ruling.pk))
    assert sum(bool(signature) for signature in signed.signatures) == 1


def test_a_case_is_claimed_by_one_and_given_back(people: Cast, opened: Dispute) -> None:
    review.claim(dispute_id=opened.pk, person=people.arbitrator)
    with pytest.raises(Conflict):
        review.claim(dispute_id=opened.pk, person=people.colleague)
    review.release(dispute_id=opened.pk, person=people.arbitrator)
    review.claim(dispute_id=opened.pk, person=people.colleague)
    assert stage.reread(opened).arbitrator == people.colleague


def test_a_declared_conflict_is_for_good(people: Cast, opened: Dispute) -> None:
    review.claim(dispute_id=opened.pk, person=people.arbitrator)
    review.declare_conflict(dispute_id=opened.pk, person=people.arbitrator)
    assert stage.reread(opened).arbitrator is None
    with pytest.raises(Forbidden):
        review.claim(dispute_id=opened.pk, person=people.arbitrator)
    with pytest.raises(Invalid):
        review.assign(dispute_id=opened.pk, arbitrator=people.arbitrator, person=people.lead)


def test_a_withdrawal_on_the_chain_after_the_ruling_closes_the_case(
    people: Cast, under_review: Dispute
) -> None:
    ruling = approve(propose(under_review, people), people)
    stage.chain_gives_back(under_review.escrow)
    dispute = stage.reread(under_review)
    assert (dispute.state, dispute.escrow.state) == ("closed", "funded")
    assert Ruling.objects.get(pk=ruling.pk).state == "superseded"
    assert not deadlines.waiting(dispute.pk).exists()


def test_a_dispute_raised_anew_before_anyone_looked_has_a_case_of_its_own(
    people: Cast, under_review: Dispute, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Withdrawn and raised by the other side in one batch of final events, while a ruling is on its way."""
    ruling = approve(propose(under_review, people), people)
    assert execution.execute(finally_(under_review).pk) is True
    assert stage.reread(under_review).state == "executing"
    with monkeypatch.context() as nobody_told:
        nobody_told.setattr(stage.outbox, "drain", lambda: 0)
        stage.chain_gives_back(under_review.escrow)
        stage.chain_freezes(under_review.escrow, "seller")
    assert tasks.sweep() == 1
    assert stage.reread(under_review).state == "closed"
    assert Ruling.objects.get(pk=ruling.pk).state == "superseded"
    anew = Dispute.objects.exclude(pk=under_review.pk).get()
    assert (anew.state, anew.opened_by, anew.round) == ("opened", "seller", 2)
    stage.outbox.drain()
    assert tasks.sweep() == 0
    assert Dispute.objects.count() == 2


def test_a_party_who_is_an_arbitrator_cannot_claim(people: Cast, opened: Dispute) -> None:
    opened.escrow.deal.parties.filter(role="buyer").update(user=people.colleague)
    with pytest.raises(Forbidden):
        review.claim(dispute_id=opened.pk, person=people.colleague)


def test_a_passed_deadline_alerts_and_never_rules(people: Cast, under_review: Dispute) -> None:
    # Ten business days end before this, on whatever day of the week they begin.
    with clock.travelled(timedelta(days=17)):
        deadlines.run_due()
        deadlines.run_due()
        assert stage.reread(under_review).state == "under_review"
        events = OutboxEvent.objects.filter(type="dispute.overdue", subject_id=under_review.pk)
        assert [event.payload["what"] for event in events] == ["ruling"]
        assert {event.group_id for event in events} == {""}
        assert deadlines.waiting(under_review.pk).get().due_at > clock.now()


def test_a_withdrawal_under_way_stops_a_ruling(people: Cast, opened: Dispute) -> None:
    from disputes.services import opening

    opening.withdraw(dispute_id=opened.pk, role="buyer", acting=stage.actor(people.buyer))
    for role, user in (("buyer", people.buyer), ("seller", people.seller)):
        evidence.nothing_more(dispute_id=opened.pk, role=role, acting=stage.actor(user))
    review.claim(dispute_id=opened.pk, person=people.arbitrator)
    with pytest.raises(Conflict):
        propose(opened, people)


def test_the_chain_overtakes_a_ruling(people: Cast, under_review: Dispute) -> None:
    ruling = approve(propose(under_review, people), people)
    stage.chain_decides(under_review.escrow, "settled", "fallback")
    assert stage.reread(under_review).state == "closed"
    assert Ruling.objects.get(pk=ruling.pk).state == "superseded"
    with clock.travelled(timedelta(seconds=3)):
        deadlines.run_due()
    assert stage.reread(under_review).state == "closed"


def test_a_fallback_that_came_first_is_not_an_executed_ruling(people: Cast, under_review: Dispute) -> None:
    approve(propose(under_review, people), people)
    dispute = finally_(under_review)
    execution.execute(dispute.pk)
    stage.chain_decides(dispute.escrow, "settled", "fallback")
    assert stage.reread(dispute).state == "closed"


def test_every_act_on_a_case_is_in_the_audit_log(people: Cast, under_review: Dispute) -> None:
    approve(propose(under_review, people), people)
    actions = AuditEntry.objects.filter(subject_id=under_review.pk).values_list("action", "actor_id")
    assert list(actions) == [
        ("dispute.claimed", people.arbitrator.pk),
        ("dispute.ruled", people.arbitrator.pk),
        ("ruling.approved", people.lead.pk),
    ]


def test_no_event_tells_the_parties_of_a_ruling_that_waits(people: Cast, under_review: Dispute) -> None:
    propose(under_review, people)
    evidence.add_evidence(
        dispute_id=under_review.pk, role="buyer", text="More.", acting=stage.actor(people.buyer)
    )
    event = OutboxEvent.objects.filter(type="dispute.evidence_added").latest("sequence")
    assert event.payload["status"] == "under_review"
