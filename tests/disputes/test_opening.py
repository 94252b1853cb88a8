"""Opening a dispute, answering it, taking it back."""

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from core import clock, deadlines, files
from core.errors import Conflict, Forbidden, Invalid
from core.models import OutboxEvent
from disputes import hashing, tasks
from disputes.models import Dispute, Evidence
from disputes.services import evidence, opening
from payments.models import Escrow
from tests.disputes import cast as stage
from tests.disputes.cast import Cast


def _waiting(dispute: Dispute) -> set[str]:
    return {row.kind for row in deadlines.waiting(dispute.pk)}


def test_opening_stops_the_timers_and_sends_the_hash_of_the_statement(people: Cast, escrow: Escrow) -> None:
    assert deadlines.waiting(escrow.pk).exists()
    dispute = stage.open_dispute(escrow, people.buyer)
    item = dispute.evidence.get()
    covered = hashing.evidence_item(role="buyer", text=stage.STORY, files=[])
    assert item.hash == dispute.evidence_hash == hashing.canonical_hash(covered)
    assert dispute.state == "opening"
    escrow = Escrow.objects.get(pk=escrow.pk)
    assert escrow.state == "disputing"
    assert not deadlines.waiting(escrow.pk).exists()
    assert escrow.orders.get(kind="dispute").payload["evidence_hash"] == dispute.evidence_hash


def test_a_case_is_open_only_when_the_chain_has_frozen_the_money(people: Cast, escrow: Escrow) -> None:
    dispute = stage.open_dispute(escrow, people.buyer)
    assert not _waiting(dispute)
    stage.chain_freezes(escrow, evidence_hash=dispute.evidence_hash)
    dispute = stage.reread(dispute)
    assert (dispute.state, dispute.disputed) == ("opened", 2_500 * stage.USDT)
    row = deadlines.waiting(dispute.pk).get()
    assert row.kind == "dispute_answer"
    assert row.backstop_at == dispute.escrow.fallback_after


def test_a_second_click_does_not_open_a_second_case(people: Cast, escrow: Escrow) -> None:
    stage.open_dispute(escrow, people.buyer)
    with pytest.raises(Conflict):
        stage.open_dispute(escrow, people.seller, "seller")
    assert Dispute.objects.count() == 1


@pytest.mark.parametrize("changes", [{"reason": "refused_release"}, {"reason": "on_chain"}, {"text": "  "}])
def test_a_reason_of_the_other_side_or_no_statement_is_refused(
    people: Cast, escrow: Escrow, changes: dict[str, str]
) -> None:
    with pytest.raises(Invalid):
        stage.open_dispute(escrow, people.buyer, **changes)
    assert Escrow.objects.get(pk=escrow.pk).state == "funded"


def test_an_unpaid_escrow_cannot_be_disputed(people: Cast, token: object) -> None:
    deal = stage.agreed(people, token, 100 * stage.USDT)
    with pytest.raises(Conflict):
        stage.open_dispute(deal.escrows.get(), people.buyer)
    assert not Dispute.objects.exists()


def test_a_dispute_the_chain_refused_is_closed_and_may_be_opened_again(people: Cast, escrow: Escrow) -> None:
    from payments.services import disputing

    dispute = stage.open_dispute(escrow, people.buyer)
    order = escrow.orders.get(kind="dispute")
    order.to_failed()
    order.save(update_fields=["state"])
    disputing.dispute_failed(Escrow.objects.get(pk=escrow.pk), order)
    stage.outbox.drain()
    dispute = stage.reread(dispute)
    assert (dispute.state, dispute.escrow.state) == ("closed", "funded")
    again = stage.open_dispute(escrow, people.buyer)
    assert again.n == 2


def test_a_dispute_raised_straight_on_the_chain_gets_its_case(people: Cast, escrow: Escrow) -> None:
    stage.chain_freezes(escrow, "seller", "0x" + "ab" * 32)
    dispute = Dispute.objects.get()
    assert (dispute.state, dispute.reason, dispute.opened_by) == ("opened", "on_chain", "seller")
    assert dispute.evidence_hash == "0x" + "ab" * 32
    assert not dispute.evidence.exists()


def test_a_sweep_after_the_event_adds_nothing(people: Cast, escrow: Escrow) -> None:
    stage.chain_freezes(escrow, "seller")
    assert tasks.sweep() == 0
    assert Dispute.objects.count() == 1


def test_the_sweep_opens_the_case_of_an_event_that_never_came(
    people: Cast, escrow: Escrow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage.outbox, "drain", lambda: 0)
    stage.chain_freezes(escrow, "seller")
    assert not Dispute.objects.exists()
    assert tasks.sweep() == 1
    assert Dispute.objects.get().state == "opened"


def test_when_both_sides_dispute_at_once_the_chains_opener_is_the_opener(
    people: Cast, escrow: Escrow
) -> None:
    dispute = stage.open_dispute(escrow, people.buyer)
    stage.chain_freezes(escrow, "seller", "0x" + "cd" * 32)
    dispute = stage.reread(dispute)
    assert (dispute.state, dispute.opened_by) == ("opened", "seller")


def test_the_first_item_of_the_other_side_is_its_answer(people: Cast, opened: Dispute) -> None:
    seller = stage.actor(people.seller)
    evidence.add_evidence(dispute_id=opened.pk, role="buyer", text="And a screenshot.", acting=seller)
    assert stage.reread(opened).state == "opened"
    evidence.add_evidence(dispute_id=opened.pk, role="seller", text="It was not empty.", acting=seller)
    dispute = stage.reread(opened)
    assert dispute.state == "evidence"
    assert dispute.answered_at is not None
    assert _waiting(dispute) == {"evidence"}


def test_silence_is_marked_and_the_case_goes_on(people: Cast, opened: Dispute) -> None:
    with clock.travelled(timedelta(days=5, minutes=1)):
        deadlines.run_due()
        dispute = stage.reread(opened)
        assert (dispute.state, dispute.answer_overdue) == ("evidence", True)
    with clock.travelled(timedelta(days=12, minutes=2)):
        deadlines.run_due()
        dispute = stage.reread(opened)
        assert dispute.state == "under_review"
        assert _waiting(dispute) == {"first_action", "ruling"}


def test_both_sides_done_begins_the_review_at_once(people: Cast, opened: Dispute) -> None:
    evidence.nothing_more(dispute_id=opened.pk, role="buyer", acting=stage.actor(people.buyer))
    assert stage.reread(opened).state == "opened"
    evidence.nothing_more(dispute_id=opened.pk, role="seller", acting=stage.actor(people.seller))
    assert stage.reread(opened).state == "under_review"


def test_late_evidence_is_marked_never_hidden(people: Cast, under_review: Dispute) -> None:
    item = evidence.add_evidence(
        dispute_id=under_review.pk, role="seller", text="One more thing.", acting=stage.actor(people.seller)
    )
    assert item.late
    assert item in under_review.evidence.all()
    assert stage.reread(under_review).state == "under_review"


def test_evidence_is_never_altered(people: Cast, opened: Dispute) -> None:
    from django.db import DatabaseError, transaction

    with pytest.raises(DatabaseError), transaction.atomic():
        Evidence.objects.update(text="I said something else")
    with pytest.raises(DatabaseError), transaction.atomic():
        Evidence.objects.all().delete()


def test_the_hash_covers_the_files(people: Cast, opened: Dispute) -> None:
    saved = files.save(SimpleUploadedFile("notes.txt", b"what was agreed"))
    item = evidence.add_evidence(
        dispute_id=opened.pk, role="buyer", text="", files=[saved], acting=stage.actor(people.buyer)
    )
    covered = hashing.evidence_item(role="buyer", text="", files=[("notes.txt", saved.file.sha256)])
    assert item.hash == hashing.canonical_hash(covered)
    assert item.files.get().file == saved.file


@pytest.mark.parametrize("text", ["", "x" * 10_001])
def test_an_empty_or_endless_item_is_refused(people: Cast, opened: Dispute, text: str) -> None:
    with pytest.raises(Invalid):
        evidence.add_evidence(dispute_id=opened.pk, role="buyer", text=text, acting=stage.actor(people.buyer))


def test_the_opener_takes_it_back_and_the_deal_goes_on(people: Cast, opened: Dispute) -> None:
    opening.withdraw(dispute_id=opened.pk, role="buyer", acting=stage.actor(people.buyer))
    assert stage.reread(opened).state == "opened"
    stage.chain_gives_back(opened.escrow)
    dispute = stage.reread(opened)
    assert (dispute.state, dispute.escrow.state) == ("withdrawn", "funded")
    assert not _waiting(dispute)
    assert OutboxEvent.objects.filter(type="dispute.withdrawn", group_id=dispute.escrow.deal_id).exists()


def test_only_the_opener_takes_it_back_and_only_before_the_review(
    people: Cast, under_review: Dispute
) -> None:
    with pytest.raises(Forbidden):
        opening.withdraw(dispute_id=under_review.pk, role="seller", acting=stage.actor(people.seller))
    with pytest.raises(Conflict):
        opening.withdraw(dispute_id=under_review.pk, role="buyer", acting=stage.actor(people.buyer))


def test_a_side_disputes_an_escrow_at_most_twice(people: Cast, escrow: Escrow) -> None:
    for _ in range(2):
        dispute = stage.open_dispute(escrow, people.buyer)
        stage.chain_freezes(escrow, evidence_hash=dispute.evidence_hash)
        opening.withdraw(dispute_id=dispute.pk, role="buyer", acting=stage.actor(people.buyer))
        stage.chain_gives_back(escrow)
    with pytest.raises(Conflict):
        stage.open_dispute(escrow, people.buyer)
    assert stage.open_dispute(escrow, people.seller, "seller").n == 1


def test_the_chain_ends_a_case_that_people_still_discuss(people: Cast, opened: Dispute) -> None:
    stage.chain_decides(opened.escrow, "released", "pay")
    dispute = stage.reread(opened)
    assert dispute.state == "closed"
    assert "released on the chain" in dispute.closed_why
    assert not _waiting(dispute)
