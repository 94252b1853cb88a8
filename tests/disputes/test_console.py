"""The arbitrator console: who may look, who may act, and that everything is written down."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.utils import quote, unquote
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.services import access
from core import audit, clock, deadlines, files
from core.models import AuditEntry
from disputes import timing
from disputes.admin import DisputeAdmin
from disputes.models import Dispute, Ruling
from disputes.services import evidence, review
from payments.models import Escrow
from tests.browser import Browser, hidden_fields
from tests.disputes import cast as stage
from tests.disputes.cast import REASONS, Cast

VERBS = ("claim", "release", "conflict", "assign", "rule", "approve", "refuse")
LIST = "/admin/disputes/dispute/"


def _client(user: Any) -> Client:
    client = Browser()
    client.force_login(user)
    return client


def _case(dispute: Dispute) -> str:
    return reverse("admin:disputes_dispute_change", args=[quote(dispute.pk)])


def _do(dispute: Dispute, verb: str) -> str:
    return reverse("admin:disputes_dispute_act", args=[quote(dispute.pk), verb])


def _text(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def _ruled(dispute: Dispute, people: Cast) -> Ruling:
    data = {"preset": "half", "reasons": REASONS, "confirm": "1", "password": stage.PASSWORD}
    response = _client(people.arbitrator).post(_do(dispute, "rule"), data)
    assert response.status_code == 302
    return Ruling.objects.get(state__in=["proposed", "approved"])


def test_parties_and_strangers_never_enter(people: Cast, opened: Dispute) -> None:
    for user in (people.buyer, people.seller, people.stranger):
        client = _client(user)
        assert client.get(LIST).status_code == 302
        assert client.get(_case(opened)).status_code == 302
        for verb in VERBS:
            assert client.post(_do(opened, verb)).status_code == 302
    assert stage.reread(opened).arbitrator is None


def test_staff_without_the_right_is_refused(people: Cast, opened: Dispute) -> None:
    people.stranger.is_staff = True
    people.stranger.save()
    client = _client(people.stranger)
    assert client.get(LIST).status_code == 403
    assert client.get(_case(opened)).status_code == 403
    for verb in VERBS:
        assert client.post(_do(opened, verb)).status_code == 403


def test_arbitrators_and_leads_read_every_case(people: Cast, opened: Dispute) -> None:
    for user in (people.arbitrator, people.colleague, people.lead):
        assert "What was delivered is not what was agreed" in _text(_client(user).get(LIST))
        page = _text(_client(user).get(_case(opened)))
        assert stage.STORY in page
        assert "Ten pages, delivered as an archive." in page
        assert "2 of 3 sign" in page


def test_an_arbitrator_does_not_see_the_disputes_of_their_own_deals(people: Cast, opened: Dispute) -> None:
    opened.escrow.deal.parties.filter(role="buyer").update(user=people.arbitrator)
    client = _client(people.arbitrator)
    assert "2,500" not in _text(client.get(LIST))
    assert client.get(_case(opened)).status_code == 404
    assert client.post(_do(opened, "claim")).status_code == 404


def test_no_row_can_be_added_edited_or_deleted_and_no_bulk_action_exists(
    people: Cast, opened: Dispute, rf: Any
) -> None:
    people.lead.is_superuser = True
    people.lead.save()
    client = _client(people.lead)
    assert client.get(f"{LIST}add/").status_code == 403
    assert client.get(f"{LIST}{opened.pk}/delete/").status_code == 403
    assert client.post(_case(opened), {"state": "executed"}).status_code == 405
    data = {"action": "delete_selected", "_selected_action": opened.pk}
    client.post(LIST, data)
    assert Dispute.objects.count() == 1
    request = rf.get(LIST)
    request.user = people.lead
    assert DisputeAdmin(Dispute, admin.site).get_actions(request) == {}
    assert Dispute in admin.site._registry
    assert Ruling not in admin.site._registry


def test_a_case_is_claimed_ruled_and_approved_in_the_console(people: Cast, under_review: Dispute) -> None:
    client = _client(people.arbitrator)
    assert "Your ruling" in _text(client.get(_case(under_review)))
    data = {
        "preset": "custom",
        "seller_part": "1000.000001",
        "buyer_part": "1,499.999999",
        "reasons": REASONS,
    }
    preview = client.post(_do(under_review, "rule"), data)
    assert "Read it once more" in _text(preview)
    assert "990.00" in _text(preview)
    assert not Ruling.objects.exists()
    for proof in ({}, {"password": "a guess"}):
        refused = client.post(_do(under_review, "rule"), data | {"confirm": "1"} | proof)
        assert refused.status_code == 422 and not Ruling.objects.exists()
    assert "No money has moved" in _text(refused)
    client.post(_do(under_review, "rule"), data | {"confirm": "1", "password": stage.PASSWORD})
    ruling = Ruling.objects.get()
    assert (ruling.to_seller, ruling.to_buyer) == (1_000_000_001, 1_499_999_999)

    lead = _client(people.lead)
    assert "A ruling waits for a second person" in _text(lead.get(_case(under_review)))
    wrong = lead.post(_do(under_review, "approve"), {"typed_amount": "2,500.01", "password": stage.PASSWORD})
    assert wrong.status_code == 422
    assert "Type the amount of this escrow" in _text(wrong)
    unproven = lead.post(_do(under_review, "approve"), {"typed_amount": "2500", "password": "a guess"})
    assert unproven.status_code == 422 and "No money has moved" in _text(unproven)
    assert (
        lead.post(
            _do(under_review, "approve"), {"typed_amount": "2500", "password": stage.PASSWORD}
        ).status_code
        == 302
    )
    assert stage.reread(under_review).state == "ruled"


@pytest.mark.parametrize(
    ("preset", "seller"), [("seller", 2_500_000_000), ("half", 1_250_000_000), ("buyer", 0)]
)
def test_presets_sum_to_the_last_base_unit(
    people: Cast, under_review: Dispute, preset: str, seller: int
) -> None:
    data = {"preset": preset, "reasons": REASONS, "confirm": "1", "password": stage.PASSWORD}
    _client(people.arbitrator).post(_do(under_review, "rule"), data)
    ruling = Ruling.objects.get()
    assert (ruling.to_seller, ruling.to_seller + ruling.to_buyer) == (seller, 2_500_000_000)


@pytest.mark.parametrize(
    "data",
    [
        {"preset": "custom", "seller_part": "1250", "buyer_part": "1249.999999", "reasons": REASONS},
        {"preset": "custom", "seller_part": "2500", "buyer_part": "", "reasons": REASONS},
        {"preset": "custom", "seller_part": "-1", "buyer_part": "2501", "reasons": REASONS},
        {"preset": "custom", "seller_part": "1250.0000001", "buyer_part": "1249.9999999", "reasons": REASONS},
        {"preset": "half", "reasons": "Too short."},
        {"reasons": REASONS},
    ],
)
def test_a_ruling_that_does_not_add_up_is_refused_and_nothing_typed_is_lost(
    people: Cast, under_review: Dispute, data: dict[str, str]
) -> None:
    response = _client(people.arbitrator).post(
        _do(under_review, "rule"), data | {"confirm": "1", "password": stage.PASSWORD}
    )
    assert response.status_code == 422
    assert data["reasons"] in response.content.decode()
    assert not Ruling.objects.exists()


def test_the_author_reads_why_somebody_else_has_to_decide(people: Cast, under_review: Dispute) -> None:
    ruling = _ruled(under_review, people)
    client = _client(people.arbitrator)
    page = _text(client.get(_case(under_review)))
    assert "Approve the ruling" not in page
    client.post(_do(under_review, "approve"), {"typed_amount": "2500", "password": stage.PASSWORD})
    assert Ruling.objects.get(pk=ruling.pk).state == "proposed"


def test_a_lead_sends_a_ruling_back(people: Cast, under_review: Dispute) -> None:
    _ruled(under_review, people)
    lead = _client(people.lead)
    assert lead.post(_do(under_review, "refuse"), {"why": "no"}).status_code == 422
    lead.post(_do(under_review, "refuse"), {"why": "The page count of the archive is not established."})
    assert stage.reread(under_review).state == "under_review"
    assert "page count of the archive" in _text(_client(people.arbitrator).get(_case(under_review)))


def test_a_case_without_a_ruling_has_nothing_to_approve(people: Cast, under_review: Dispute) -> None:
    for verb in ("approve", "refuse"):
        answer = _client(people.lead).post(_do(under_review, verb), follow=True)
        assert "Nothing was moved by this click" in _text(answer)


def test_a_lead_assigns_only_to_people_who_may_rule(people: Cast, opened: Dispute) -> None:
    lead = _client(people.lead)
    assert lead.post(_do(opened, "assign"), {"arbitrator": people.stranger.pk}).status_code == 422
    assert lead.post(_do(opened, "assign"), {"arbitrator": people.colleague.pk}).status_code == 302
    assert stage.reread(opened).arbitrator == people.colleague
    arbitrator = _client(people.arbitrator)
    arbitrator.post(_do(opened, "assign"), {"arbitrator": people.arbitrator.pk})
    assert stage.reread(opened).arbitrator == people.colleague


def test_buttons_are_posts_only(people: Cast, opened: Dispute) -> None:
    for verb in VERBS:
        led = _client(people.lead).get(_do(opened, verb))
        assert (led.status_code, led["Location"]) == (302, _case(opened))
        assert _client(people.lead).put(_do(opened, verb)).status_code == 405
    assert _client(people.lead).post(_do(opened, "nothing")).status_code == 404


def test_the_queue_is_sorted_by_deadline_and_filtered(people: Cast, token: Any, escrow: Escrow) -> None:
    cases = []
    for _ in range(3):
        escrow = stage.funded(people, token)
        dispute = stage.open_dispute(escrow, people.buyer)
        stage.chain_freezes(escrow, evidence_hash=dispute.evidence_hash)
        cases.append(dispute)
    for role, user in (("buyer", people.buyer), ("seller", people.seller)):
        evidence.nothing_more(dispute_id=cases[2].pk, role=role, acting=stage.actor(user))
    review.claim(dispute_id=cases[1].pk, person=people.arbitrator)
    client = _client(people.arbitrator)

    def listed(query: str = "") -> list[str]:
        page = client.get(LIST + query).content.decode()
        found = re.findall(r"/admin/disputes/dispute/(dsp_\w+)/change/", page)
        return list(dict.fromkeys(unquote(key) for key in found))

    assert set(listed("?queue=mine")) == {cases[1].pk}
    assert set(listed("?queue=unassigned")) == {cases[0].pk, cases[2].pk}
    assert listed("?queue=overdue") == []
    assert listed("?queue=over") == []
    assert len(listed()) == 3
    with clock.travelled(timedelta(days=7)):
        evidence_first = listed()
        deadlines.run_due()
        assert listed("?queue=overdue") == [cases[2].pk]
        assert listed()[0] == cases[2].pk
    assert set(evidence_first) == {case.pk for case in cases}


def test_every_view_and_download_is_in_the_audit_chain(people: Cast, opened: Dispute) -> None:
    saved = files.save(SimpleUploadedFile("proof.txt", b"nothing in it"))
    item = evidence.add_evidence(
        dispute_id=opened.pk, role="buyer", text="", files=[saved], acting=stage.actor(people.buyer)
    )
    client = _client(people.arbitrator)
    client.get(LIST)
    page = client.get(_case(opened)).content.decode()
    response = client.get(reverse("admin:disputes_dispute_file", args=[opened.pk, item.files.get().pk]))
    assert response["Content-Disposition"] == 'attachment; filename="proof.txt"'
    assert response["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert response.getvalue() == b"nothing in it"
    client.post(_do(opened, "claim"), hidden_fields(page, _do(opened, "claim")))
    actions = [entry.action for entry in AuditEntry.objects.order_by("id")]
    assert actions == ["disputes.listed", "dispute.viewed", "dispute.downloaded", "dispute.claimed"]
    assert audit.first_broken(AuditEntry.objects.order_by("id")) is None


def test_a_file_of_another_case_is_not_found(people: Cast, opened: Dispute, token: Any) -> None:
    escrow = stage.funded(people, token)
    other = stage.open_dispute(escrow, people.buyer)
    saved = files.save(SimpleUploadedFile("other.txt", b"something else"))
    item = evidence.add_evidence(
        dispute_id=other.pk, role="buyer", text="", files=[saved], acting=stage.actor(people.buyer)
    )
    url = reverse("admin:disputes_dispute_file", args=[opened.pk, item.files.get().pk])
    assert _client(people.arbitrator).get(url).status_code == 404


def test_the_queue_costs_the_same_for_many_cases(people: Cast, token: Any) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def one() -> None:
        escrow = stage.funded(people, token)
        stage.chain_freezes(escrow)

    client = _client(people.arbitrator)
    one()
    with CaptureQueriesContext(connection) as few:
        client.get(LIST)
    for _ in range(4):
        one()
    with CaptureQueriesContext(connection) as many:
        client.get(LIST)
    assert len(many) == len(few)


@pytest.mark.parametrize("how", ["switched off", "out of the group"])
def test_the_case_of_an_arbitrator_who_left_goes_back_to_the_queue(
    people: Cast, under_review: Dispute, how: str
) -> None:
    assert under_review.arbitrator == people.arbitrator
    assert review.unclaim_absent() == 0
    if how == "switched off":
        access.disable(people.arbitrator.pk, people.lead)
    else:
        people.arbitrator.groups.clear()
    assert review.unclaim_absent() == 1
    found = Dispute.objects.get(pk=under_review.pk)
    assert (found.arbitrator, found.state) == (None, under_review.state)
    assert deadlines.waiting(found.pk).filter(kind=timing.FIRST_ACTION).exists()
    assert AuditEntry.objects.get(action="dispute.unclaimed").data["arbitrator"] == people.arbitrator.pk
    review.claim(dispute_id=found.pk, person=people.colleague)
    assert review.unclaim_absent() == 0
