"""What a person wrote is not lost: signed out in between, on a page too old, while too much happens."""

import re
from datetime import timedelta
from typing import Any

from django import forms
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection, transaction
from django.test import Client
from django.urls import get_resolver

from core import clock, kept
from core.models import KeptForm, OutboxEvent
from disputes.models import Dispute
from payments.models import Order
from payments.services import delivery
from tests.browser import Browser
from tests.disputes import cast as stage
from tests.disputes.cast import Cast

TEXT = "Ten pages with all the dates, written for an hour: ‘Ünïcode’ & <b>markup</b>."


def _text(response: Any) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def _urls(case: Dispute) -> dict[str, tuple[str, str, str]]:
    """Every form with a text area: who writes, where it is sent, and what the text is called there."""
    base = f"/deals/{case.escrow.deal_id}/escrows/{case.escrow_id}/"
    console = f"/admin/disputes/dispute/{case.pk.replace('_', '_5F')}/do/"
    return {
        "DeliverForm": ("seller", f"{base}deliver/", "note"),
        "ChangesForm": ("buyer", f"{base}changes/", "note"),
        "RefundRequestForm": ("buyer", f"{base}refund-request/", "reason"),
        "AnswerRefundForm": ("seller", f"{base}refund-answer/", "answer"),
        "EvidenceForm": ("buyer", f"{base}dispute/evidence/", "text"),
        "RulingForm": ("arbitrator", f"{console}rule/", "reasons"),
        "DealForm": ("buyer", "/deals/new/", "description"),
    }


# Shown at another stage of the deal than the others; their pages fill them in the same way.
ELSEWHERE = {"OpenForm", "TermsForm", "CounterForm", "RefusalForm"}


def _with_text_areas() -> set[str]:
    assert get_resolver().url_patterns  # reads every module with a form
    found, waiting = set(), [forms.Form]
    while waiting:
        for form in waiting.pop().__subclasses__():
            waiting.append(form)
            fields = getattr(form, "base_fields", {}).values()
            ours = form.__module__.startswith(("payments.pages", "disputes.pages", "disputes.console"))
            if ours and any(isinstance(field.widget, forms.Textarea) for field in fields):
                found.add(form.__name__)
    return found


def _sign_in(client: Client, user: Any) -> None:
    form = {"login": user.email, "password": stage.PASSWORD}
    user.emailaddress_set.get_or_create(email=user.email, verified=True, primary=True)
    Client.post(client, "/accounts/login/", form)


def test_every_form_with_a_text_area_keeps_it_over_signing_in(
    people: Cast,
    under_review: Dispute,
    settings: Any,
) -> None:
    settings.STAFF_NEED_SECOND_FACTOR = False
    urls = _urls(under_review)
    assert set(urls) | ELSEWHERE == _with_text_areas()
    for name, (who, path, field) in urls.items():
        before = (Order.objects.count(), OutboxEvent.objects.count())
        client = Client()  # its session has ended
        upload = SimpleUploadedFile("plan.txt", b"the plan")
        answer = client.post(path, {field: TEXT, "password": "a secret", "files": [upload]})
        assert answer.status_code == 302, name
        assert "your text is kept" in _text(client.get("/accounts/login/")), name
        _sign_in(client, getattr(people, who))
        page = client.get(path, follow=True)
        shown = _text(page)
        assert page.status_code == 200, name
        assert "Ten pages with all the dates" in shown, name
        assert "&lt;b&gt;markup" in shown, name
        assert "nothing was moved" in shown, name
        assert "Choose the files again: plan.txt" in shown, name
        assert "a secret" not in shown, name
        assert (Order.objects.count(), OutboxEvent.objects.count()) == before, name
    assert not any("password" in row.typed for row in KeptForm.objects.all())


def test_a_kept_text_is_sent_again_by_its_person_and_forgotten_then(
    people: Cast,
    opened: Dispute,
) -> None:
    path = _urls(opened)["EvidenceForm"][1]
    browser = Browser()
    Client.post(browser, path, {"text": TEXT})
    browser.force_login(people.seller)
    assert "Ten pages" in _text(browser.get(path, follow=True))
    assert opened.evidence.count() == 1
    assert browser.post(path, {"text": TEXT}).status_code == 302
    assert opened.evidence.count() == 2
    assert not KeptForm.objects.exists()
    assert "Ten pages with all the dates, written" in _text(browser.get(path, follow=True))  # as evidence
    assert "What you wrote is here again" not in _text(browser.get(path, follow=True))


def test_nobody_else_reads_it_and_not_for_longer_than_an_hour(
    people: Cast,
    opened: Dispute,
) -> None:
    path = _urls(opened)["EvidenceForm"][1]
    writer = Client()
    writer.post(path, {"text": TEXT})
    other = Client()
    other.force_login(people.buyer)
    assert TEXT[:20] not in _text(other.get(path, follow=True))
    assert writer.cookies[kept.COOKIE]["httponly"]
    assert not KeptForm.objects.filter(key__contains=writer.cookies[kept.COOKIE].value).exists()
    with clock.travelled(timedelta(minutes=61)):
        writer.force_login(people.seller)
        assert TEXT[:20] not in _text(writer.get(path, follow=True))
        kept.forget_old()
    assert not KeptForm.objects.exists()
    writer.logout()
    writer.post(path, {"text": TEXT})
    writer.force_login(people.seller)
    assert TEXT[:20] in _text(writer.get(path, follow=True))
    key = writer.cookies[kept.COOKIE].value
    other.cookies[kept.COOKIE] = key  # the same browser, the other account
    assert TEXT[:20] not in _text(other.get(path, follow=True))


def test_where_money_goes_is_not_kept(people: Cast) -> None:
    browser = Client()
    address = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    browser.post("/deals/new/", {"description": TEXT, "own_address": address, "address": address})
    browser.force_login(people.buyer)  # who may be another than the one who wrote
    shown = _text(browser.get("/deals/new/"))
    assert "Ten pages with all the dates" in shown and address not in shown


def test_what_is_kept_is_bounded(people: Cast, opened: Dispute, monkeypatch: Any) -> None:
    path = _urls(opened)["EvidenceForm"][1]
    Client().post(path, {"text": "x" * (kept.MOST_BYTES + 1)})
    assert not KeptForm.objects.exists()
    assert Client().post(path, {"text": "a\x00b"}).status_code == 302
    assert KeptForm.objects.get().typed == {"text": ["ab"]}
    monkeypatch.setattr(kept, "MOST_ROWS", 3)
    for _ in range(6):
        Client().post(path, {"text": TEXT})
    assert KeptForm.objects.count() <= 3
    Client().post("/accounts/login/", {"login": "a@example.org", "password": "x"})
    assert not KeptForm.objects.filter(path__startswith="/accounts").exists()


def test_a_page_that_was_too_old_leads_back_to_the_text_and_another_site_puts_none_there(
    people: Cast,
    opened: Dispute,
) -> None:
    path = _urls(opened)["EvidenceForm"][1]
    client = Client(enforce_csrf_checks=True)
    client.force_login(people.seller)
    foreign = client.post(path, {"text": "I give in."}, headers={"Origin": "https://evil.example"})
    assert (foreign.status_code, KeptForm.objects.count()) == (403, 0)
    refused = client.post(path, {"text": TEXT}, headers={"Origin": "http://testserver"})
    assert refused.status_code == 403
    assert f'href="{path}"' in refused.content.decode()
    assert "What you wrote is kept for an hour" in _text(refused)
    assert "Ten pages with all the dates" in _text(client.get(path, follow=True))
    assert opened.evidence.count() == 1


def test_too_much_at_once_is_a_calm_page_that_keeps_the_text(
    people: Cast,
    escrow: Any,
    monkeypatch: Any,
) -> None:
    path = f"/deals/{escrow.deal_id}/escrows/{escrow.pk}/deliver/"
    browser = Browser()
    browser.force_login(people.seller)

    def gives_up(**_: Any) -> None:
        with transaction.atomic(), connection.cursor() as cursor:  # what PostgreSQL says when a wait is over
            cursor.execute("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '55P03'; END $$")

    sent = browser.opened(path) | {"note": TEXT}
    monkeypatch.setattr(delivery, "deliver", gives_up)
    answer = browser.post(path, sent)
    assert (answer.status_code, answer["Retry-After"]) == (503, "3")
    assert "Nothing was moved. Try again in a few seconds" in _text(answer)
    assert "Ten pages with all the dates" in _text(browser.get(path))


def test_another_error_of_the_database_is_not_taken_for_contention(rf: Any) -> None:
    from escrow_platform.middleware import Contention

    assert Contention(lambda _: None).process_exception(rf.get("/"), OperationalError("gone")) is None  # type: ignore[arg-type,return-value]
