"""What the buttons and forms of a case page do: one service call each, then back to the page."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import quote
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts.models import User
from core import kept, seen
from core.errors import DomainError
from core.models import StoredFile
from disputes import downloads, legs
from disputes.console import case
from disputes.console.forms import ApprovalForm, AssignForm, ConfirmForm, RefusalForm, RulingForm
from disputes.models import Dispute, EvidenceFile, Ruling
from disputes.services import review, rulings
from disputes.services.base import note
from disputes.states import RulingState
from payments.models import DealFile, DeliveryFile
from payments.pages.outcome import carried_out

Page = Callable[..., TemplateResponse]


def page_url(dispute: Dispute) -> str:
    """The case page in the console."""
    return reverse("admin:disputes_dispute_change", args=[quote(dispute.pk)])


def show(request: HttpRequest, dispute: Dispute, page: Page, **forms: Any) -> TemplateResponse:
    """The case page; every view of it is in the audit log."""
    person = _person(request)
    note(dispute, person, "dispute.viewed")
    written = {
        verb: kept.again(request, reverse("admin:disputes_dispute_act", args=[quote(dispute.pk), verb]))
        for verb in ("rule", "refuse")
    }
    shown = case.context(dispute, person, written=written, **forms)
    response = page(request, "admin/disputes/case.html", shown)
    if forms:
        response.status_code = 422
    return response


def claim(request: HttpRequest, dispute: Dispute, page: Page) -> HttpResponse:
    person, expected = _person(request), seen.posted(request)
    do = lambda: review.claim(dispute_id=dispute.pk, person=person, expected=expected)  # noqa: E731
    return _click(request, dispute, do, "Yours now.")


def release(request: HttpRequest, dispute: Dispute, page: Page) -> HttpResponse:
    person, expected = _person(request), seen.posted(request)
    do = lambda: review.release(dispute_id=dispute.pk, person=person, expected=expected)  # noqa: E731
    return _click(request, dispute, do, "Given back to the queue.")


def conflict(request: HttpRequest, dispute: Dispute, page: Page) -> HttpResponse:
    person, expected = _person(request), seen.posted(request)
    do = lambda: review.declare_conflict(dispute_id=dispute.pk, person=person, expected=expected)  # noqa: E731
    return _click(request, dispute, do, "Noted. You will not be asked to act on this case again.")


def assign(request: HttpRequest, dispute: Dispute, page: Page) -> HttpResponse:
    form = AssignForm(request.POST)
    person, expected = _person(request), seen.posted(request)

    def do() -> None:
        chosen = form.cleaned_data["arbitrator"]
        review.assign(dispute_id=dispute.pk, arbitrator=chosen, person=person, expected=expected)

    if form.is_valid() and carried_out(form, do):
        return _done(request, dispute, "Assigned.")
    return show(request, dispute, page, assign=form)


def rule(request: HttpRequest, dispute: Dispute, page: Page) -> HttpResponse:
    """First the preview of what both sides will read and of the payout legs, then, with the password, the
    ruling itself."""
    form = RulingForm(request.POST, escrow=dispute.escrow)
    if not form.is_valid() or "edit" in request.POST:
        return show(request, dispute, page, ruling=form)
    data, person = form.cleaned_data, _person(request)
    split = legs.of(dispute.escrow, data["to_seller"], data["to_buyer"])
    asked = "confirm" in request.POST
    confirmed = ConfirmForm(request.POST if asked else None, user=person)
    if not confirmed.is_valid():
        shown = {
            "dispute": dispute,
            "escrow": dispute.escrow,
            "form": form,
            "data": data,
            "split": split,
            "parties": {party.role: party for party in dispute.escrow.deal.parties.select_related("user")},
            "needs_approval": rulings.needs_approval(dispute.escrow),
            "confirm_form": confirmed,
            # What the form showed when the split was chosen, not what holds by now.
            "seen": seen.posted(request),
        }
        preview = page(request, "admin/disputes/preview.html", shown)
        preview.status_code = 422 if asked else 200
        return preview

    def do() -> None:
        rulings.propose(
            dispute_id=dispute.pk,
            to_seller=data["to_seller"].units,
            to_buyer=data["to_buyer"].units,
            reasons=data["reasons"],
            person=person,
            expected=seen.posted(request),
        )

    if carried_out(form, do):
        return _done(request, dispute, "The ruling is written.")
    return show(request, dispute, page, ruling=form)


def approve(request: HttpRequest, dispute: Dispute, page: Page) -> HttpResponse:
    person = _person(request)
    form = ApprovalForm(request.POST, user=person)
    ruling = _waiting(dispute)
    if ruling is None:
        return _gone(request, dispute)

    def do() -> None:
        typed = form.cleaned_data["typed_amount"]
        rulings.approve(ruling_id=ruling.pk, typed_amount=typed, person=person, expected=seen.posted(request))

    if form.is_valid() and carried_out(form, do):
        return _done(request, dispute, "Approved. Both sides read the ruling now.")
    return show(request, dispute, page, approval=form)


def refuse(request: HttpRequest, dispute: Dispute, page: Page) -> HttpResponse:
    form, person = RefusalForm(request.POST), _person(request)
    ruling = _waiting(dispute)
    if ruling is None:
        return _gone(request, dispute)

    def do() -> None:
        why = form.cleaned_data["why"]
        rulings.refuse(ruling_id=ruling.pk, why=why, person=person, expected=seen.posted(request))

    if form.is_valid() and carried_out(form, do):
        return _done(request, dispute, "Sent back to its author.")
    return show(request, dispute, page, refusal=form)


def download(request: HttpRequest, dispute: Dispute, file_id: str) -> FileResponse:
    """A file of the evidence, the deal or a delivery of this case; every download is in the audit log."""
    stored, name = _file(dispute, file_id)
    person = _person(request)
    note(dispute, person, "dispute.downloaded", file=file_id, name=name, sha256=stored.sha256)
    return downloads.attachment(stored, name)


POSTS: dict[str, Callable[[HttpRequest, Dispute, Page], HttpResponse]] = {
    "claim": claim,
    "release": release,
    "conflict": conflict,
    "assign": assign,
    "rule": rule,
    "approve": approve,
    "refuse": refuse,
}


def _file(dispute: Dispute, file_id: str) -> tuple[StoredFile, str]:
    escrow = dispute.escrow
    found = (
        EvidenceFile.objects.select_related("file").filter(pk=file_id, evidence__dispute=dispute).first()
        or DeliveryFile.objects.select_related("file").filter(pk=file_id, delivery__escrow=escrow).first()
        or DealFile.objects.select_related("file").filter(pk=file_id, deal=escrow.deal_id).first()
    )
    if found is None:
        raise Http404
    return found.file, found.name


def _waiting(dispute: Dispute) -> Ruling | None:
    return dispute.rulings.filter(state=RulingState.PROPOSED).first()


def _gone(request: HttpRequest, dispute: Dispute) -> HttpResponse:
    """No ruling waits (any more): a second click, or somebody was faster."""
    messages.error(request, seen.STALE)
    return redirect(page_url(dispute))


def _click(request: HttpRequest, dispute: Dispute, do: Callable[[], object], success: str) -> HttpResponse:
    try:
        do()
    except DomainError as refused:
        messages.error(request, refused.message)
        return redirect(page_url(dispute))
    return _done(request, dispute, success)


def _done(request: HttpRequest, dispute: Dispute, message: str) -> HttpResponse:
    messages.success(request, message)
    return redirect(page_url(dispute))


def _person(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise TypeError("the console is for people who signed in")
    return request.user
