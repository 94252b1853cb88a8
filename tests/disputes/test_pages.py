"""The dispute room: who may enter, what it says, what its forms do."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from core import clock, deadlines
from disputes.models import Dispute, Evidence, EvidenceFile
from disputes.services import rulings
from payments.models import Escrow
from tests.browser import Browser
from tests.disputes import cast as stage
from tests.disputes.cast import Cast

NAMES = ("room", "live", "open", "evidence", "nothing_more", "withdraw")


def _client(user: Any) -> Client:
    client = Browser()
    client.force_login(user)
    return client


def _url(name: str, escrow: Escrow, *more: str) -> str:
    return reverse(f"disputes:{name}", args=[escrow.deal_id, escrow.pk, *more])


def _text(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def _with_file(dispute: Dispute, people: Cast) -> EvidenceFile:
    upload = SimpleUploadedFile("contract.txt", b"ten pages were agreed")
    data = {"text": "See this.", "files": [upload]}
    assert _client(people.buyer).post(_url("evidence", dispute.escrow), data).status_code == 302
    return EvidenceFile.objects.order_by("-pk")[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_stranger_gets_404_and_a_visitor_signs_in(people: Cast, opened: Dispute, name: str) -> None:
    url = _url(name, opened.escrow)
    for user in (people.stranger, people.arbitrator, people.lead):
        assert _client(user).get(url).status_code == 404
        assert _client(user).post(url).status_code == 404
    assert Browser().get(url).headers["Location"].startswith("/accounts/login/")
    assert Browser().post(url).status_code == 302


def test_a_file_is_a_download_for_parties_only(people: Cast, opened: Dispute) -> None:
    found = _with_file(opened, people)
    url = _url("file", opened.escrow, found.pk)
    for user in (people.buyer, people.seller):
        response = _client(user).get(url)
        assert response.status_code == 200
        assert response["Content-Disposition"] == 'attachment; filename="contract.txt"'
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert response.getvalue() == b"ten pages were agreed"
    assert _client(people.stranger).get(url).status_code == 404
    assert Browser().get(url).status_code == 302


def test_a_file_of_another_deal_is_not_found(people: Cast, opened: Dispute, token: Any) -> None:
    found = _with_file(opened, people)
    other = stage.funded(people, token)
    assert _client(people.buyer).get(_url("file", other, found.pk)).status_code == 404


def test_the_form_opens_a_dispute_with_files(people: Cast, escrow: Escrow) -> None:
    client = _client(people.buyer)
    page = client.get(_url("open", escrow))
    assert "2,500.00 USDT" in _text(page)
    assert "refused_release" not in page.content.decode()
    upload = SimpleUploadedFile("proof.txt", b"nothing in it")
    data = {"reason": "incomplete", "text": stage.STORY, "files": [upload], "nothing_more": "on"}
    response = client.post(_url("open", escrow), data)
    assert response.headers["Location"] == _url("room", escrow)
    dispute = Dispute.objects.get()
    assert dispute.buyer_done_at is not None
    assert dispute.evidence.get().files.get().name == "proof.txt"
    assert "on its way to the chain" in _text(client.get(_url("room", escrow)))


def test_what_was_typed_is_kept_when_the_form_is_refused(people: Cast, escrow: Escrow) -> None:
    upload = SimpleUploadedFile("page.html", b"<script>alert(1)</script>")
    data = {"reason": "other", "text": "A long story.", "files": [upload]}
    response = _client(people.buyer).post(_url("open", escrow), data)
    assert "A long story." in response.content.decode()
    assert "not accepted" in _text(response)
    assert not Dispute.objects.exists()


def test_the_other_side_is_asked_to_answer_and_its_answer_opens_the_evidence(
    people: Cast, opened: Dispute
) -> None:
    client = _client(people.seller)
    page = _text(client.get(_url("room", opened.escrow)))
    assert "Answer buyer’s dispute" in page
    assert "If you say nothing" in page
    response = client.post(_url("evidence", opened.escrow), {"text": "It was all there."})
    assert response.status_code == 302
    assert stage.reread(opened).state == "evidence"
    assert "Send what proves your side" in _text(client.get(_url("room", opened.escrow)))


def test_an_empty_item_is_refused_in_one_sentence(people: Cast, opened: Dispute) -> None:
    response = _client(people.seller).post(_url("evidence", opened.escrow), {"text": " "})
    assert response.status_code == 422
    assert "Write something or add a file." in _text(response)
    assert Evidence.objects.count() == 1


def test_a_flood_of_files_is_refused_before_any_is_kept(people: Cast, opened: Dispute) -> None:
    from core.models import StoredFile

    uploads = [SimpleUploadedFile(f"{number}.txt", b"file %d" % number) for number in range(11)]
    data = {"text": "Everything.", "files": uploads}
    response = _client(people.seller).post(_url("evidence", opened.escrow), data)
    assert response.status_code == 422
    assert "At most 10 files" in _text(response)
    assert not StoredFile.objects.exists()


def test_both_sides_see_every_item_with_hash_author_and_late_mark(
    people: Cast, under_review: Dispute
) -> None:
    _client(people.seller).post(_url("evidence", under_review.escrow), {"text": "Too late?"})
    item = under_review.evidence.get(text="Too late?")
    for user in (people.buyer, people.seller):
        page = _client(user).get(_url("room", under_review.escrow)).content.decode()
        assert item.hash in page
        assert "Late" in page
        assert "Too late?" in page


def test_markup_in_evidence_is_shown_not_run(people: Cast, opened: Dispute) -> None:
    evil = {"text": "<script>alert(1)</script> [x](javascript:alert(1))"}
    _client(people.buyer).post(_url("evidence", opened.escrow), evil)
    page = _client(people.seller).get(_url("room", opened.escrow)).content.decode()
    assert "<script>alert" not in page
    assert 'href="javascript' not in page


def test_a_proposed_ruling_is_not_shown_before_it_stands(people: Cast, under_review: Dispute) -> None:
    ruling = rulings.propose(
        dispute_id=under_review.pk,
        to_seller=1_000 * stage.USDT,
        to_buyer=1_500 * stage.USDT,
        reasons=stage.REASONS,
        person=people.arbitrator,
    )
    client = _client(people.buyer)
    page = _text(client.get(_url("room", under_review.escrow)))
    assert "Under review" in page
    assert stage.REASONS not in page
    assert ruling.hash not in page
    rulings.approve(ruling_id=ruling.pk, typed_amount="2500", person=people.lead)
    for user in (people.buyer, people.seller):
        page = _text(_client(user).get(_url("room", under_review.escrow)))
        assert "1,000.00 USDT" in page
        assert "1,500.00 USDT" in page
        assert stage.REASONS in page
        assert "Then the ruling is final" in page


def test_the_opener_takes_it_back_after_reading_what_that_means(people: Cast, opened: Dispute) -> None:
    client = _client(people.buyer)
    url = _url("withdraw", opened.escrow)
    assert "this one counts" in _text(client.get(url))
    assert _client(people.seller).get(url).status_code == 404
    client.post(url)
    assert stage.reread(opened).withdrawal_ordered_at is not None
    assert "took the dispute back" in _text(client.get(_url("room", opened.escrow)))


def test_the_other_side_cannot_take_it_back(people: Cast, opened: Dispute) -> None:
    _client(people.seller).post(_url("withdraw", opened.escrow))
    assert stage.reread(opened).withdrawal_ordered_at is None


def test_without_a_dispute_the_room_leads_to_the_form(people: Cast, escrow: Escrow) -> None:
    response = _client(people.buyer).get(_url("room", escrow))
    assert response.headers["Location"] == _url("open", escrow)


def test_every_state_of_a_case_has_a_page(people: Cast, opened: Dispute) -> None:
    buyer, seller = _client(people.buyer), _client(people.seller)
    seen = set()

    def look() -> None:
        seen.add(stage.reread(opened).state)
        for client in (buyer, seller):
            assert client.get(_url("room", opened.escrow)).status_code == 200

    look()
    for client in (buyer, seller):
        client.post(_url("nothing_more", opened.escrow))
        look()
    from disputes.services import execution, review

    review.claim(dispute_id=opened.pk, person=people.arbitrator)
    ruling = rulings.propose(
        dispute_id=opened.pk, to_seller=0, to_buyer=2_500 * stage.USDT, reasons=stage.REASONS,
        person=people.arbitrator,
    )  # fmt: skip
    look()
    rulings.approve(ruling_id=ruling.pk, typed_amount="2500", person=people.lead)
    look()
    with clock.travelled(timedelta(seconds=3)):
        deadlines.run_due()
    look()
    execution.execute(opened.pk)
    look()
    stage.chain_decides(opened.escrow, "settled", "ruling")
    look()
    assert seen == {
        "opened", "under_review", "ruling_proposed", "ruled", "final", "executing", "executed",
    }  # fmt: skip


def test_the_room_reads_the_same_number_of_rows_for_many_items(
    people: Cast, opened: Dispute, django_assert_max_num_queries: Any
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client = _client(people.buyer)
    url = _url("room", opened.escrow)
    _with_file(opened, people)
    with CaptureQueriesContext(connection) as few:
        client.get(url)
    count = len(few)  # while the log still has them: the next request empties it
    for _ in range(5):
        _with_file(opened, people)
    with django_assert_max_num_queries(count):
        client.get(url)
