"""Writing a deal: new, edit, preview, counter-proposal."""

from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.models import User
from core import kept, seen
from core.errors import DomainError
from payments.agreement import MAX_MILESTONES, Agreement, check, from_json
from payments.models import Deal, Party, Role
from payments.pages import rules
from payments.pages.access import Visit, for_party
from payments.pages.forms import (
    CounterForm,
    DealForm,
    MilestoneForms,
    TermsForm,
    agreement_of,
    default_delivery,
    initial_of,
    place_errors,
)
from payments.pages.outcome import clicked, show_on
from payments.services import addresses, deals
from payments.services.seen import of_deal
from payments.states import DealState


@login_required
def new(request: HttpRequest) -> HttpResponse:
    """Start a draft."""
    role = request.GET.get("role", "buyer")
    written = kept.again(request)
    form = DealForm(request.POST or None, request.FILES or None, initial={"role": role} | written)
    first = [{"deliver_at": default_delivery()}]
    rows = MilestoneForms(_with_extra_row(request), prefix="m", initial=_rows_of(written) or first)
    if request.method == "POST" and _readable(request, form, rows):
        deal = _saved(request, form, rows, None)
        if deal is not None:
            return _onwards(request, deal, form, rows)
    return _editor(request, form, rows, None)


@for_party
def edit(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Go on with a draft."""
    if visit.deal.state != DealState.DRAFT:
        return redirect("deals:detail", visit.deal.pk)
    values, row_values = initial_of(from_json(visit.deal.draft), visit.deal.token)
    values |= {
        "role": visit.me.role,
        "own_address": visit.me.address,
        "counterparty_email": visit.other.email,
    }
    written = kept.again(request)
    form = DealForm(request.POST or None, request.FILES or None, initial=values | written)
    # The sides are fixed when the draft is made; another role is another draft.
    form.fields["role"].disabled = True
    rows = MilestoneForms(_with_extra_row(request), prefix="m", initial=_rows_of(written) or row_values)
    if request.method == "POST" and _readable(request, form, rows):
        deal = _saved(request, form, rows, visit)
        if deal is not None:
            return _onwards(request, deal, form, rows)
    return _editor(request, form, rows, visit.deal)


@for_party
def preview(request: HttpRequest, visit: Visit) -> HttpResponse:
    """The deal as the other side will see it; sending it is the next step."""
    if visit.deal.state != DealState.DRAFT:
        return redirect("deals:detail", visit.deal.pk)
    if request.method == "POST":
        sent = clicked(
            request,
            lambda: deals.propose(deal_id=visit.deal.pk, party=visit.me, expected=seen.posted(request)),
            _sealed(visit.other),
        )
        return redirect("deals:detail" if sent else "deals:preview", visit.deal.pk)
    agreement = from_json(visit.deal.draft)
    shown = {
        "visit": visit,
        "deal": visit.deal,
        "terms": agreement,
        "files": visit.deal.files.order_by("created", "id"),
        "problems": problems(visit.deal, visit.me, agreement),
        "dispute_rules": rules.dispute_rules(),
        "seen": of_deal(visit.deal),
    }
    return render(request, "deals/preview.html", shown)


def _sealed(other: Party) -> str:
    """What has happened, and what nobody does for the author: no e-mail carries an invitation."""
    if other.user_id is not None:
        return f"Sealed. {other.name} sees the terms on the page of this deal and has to answer."
    return "Sealed. Now send the other side the link below: no e-mail is sent by itself."


@for_party
def counter(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Answer a proposal with other terms."""
    if visit.deal.state != DealState.PROPOSED:
        return redirect("deals:detail", visit.deal.pk)
    before = from_json(deals.current_version(visit.deal).terms)
    values, row_values = initial_of(before, visit.deal.token)
    written = kept.again(request)
    mine = {"address": visit.me.address}
    form = CounterForm(request.POST or None, initial=values | mine | written, role=visit.role)
    rows = MilestoneForms(_with_extra_row(request), prefix="m", initial=_rows_of(written) or row_values)
    if request.method == "POST" and _readable(request, form, rows):
        try:
            agreement = agreement_of(form, rows, before=before)
            deals.counter(
                deal_id=visit.deal.pk,
                party=visit.me,
                agreement=agreement,
                address=form.cleaned_data["address"],
                expected=seen.posted(request),
            )
        except DomainError as refused:
            _show(form, rows, refused)
        else:
            messages.success(
                request,
                "Proposed. The other side sees your terms on the page of this deal and has to answer.",
            )
            return redirect("deals:detail", visit.deal.pk)
    shown = {
        "form": form,
        "rows": rows,
        "deal": visit.deal,
        "accept_time": _accept_time(),
        "seen": of_deal(visit.deal),
    }
    return render(request, "deals/counter.html", shown)


def problems(deal: Deal, me: Party, agreement: Agreement) -> list[str]:
    """Everything that would keep the draft from being sent, in sentences."""
    found = []
    try:
        check(agreement, minimum=deal.token.min_amount)
    except DomainError as refused:
        found += [error.message for error in refused.errors]
    try:
        addresses.read(deal.network, me.address)
    except DomainError as refused:
        found.append(refused.message)
    return list(dict.fromkeys(found))


def _rows_of(written: dict[str, Any]) -> list[dict[str, Any]]:
    """The milestones of a form whose text was kept."""
    total = str(written.get("m-TOTAL_FORMS", ""))
    count = min(int(total[:4]), MAX_MILESTONES) if total.isascii() and total.isdigit() else 0
    names = ("title", "amount", "deliver_at")
    return [{name: written.get(f"m-{place}-{name}", "") for name in names} for place in range(count)]


def _with_extra_row(request: HttpRequest) -> Any:
    """The posted rows; the button that adds a row works without scripts by posting."""
    if request.method != "POST":
        return None
    if request.POST.get("action") != "add_row":
        return request.POST
    data = request.POST.copy()
    total = data.get("m-TOTAL_FORMS", "")
    # What is no number here is told by the forms themselves.
    if total.isascii() and total.isdigit() and int(total[:4]) <= MAX_MILESTONES:
        data["m-TOTAL_FORMS"] = str(int(total[:4]) + 1)
    return data


def _readable(request: HttpRequest, form: TermsForm, rows: Any) -> bool:
    readable = form.is_valid() & rows.is_valid()
    return readable and request.POST.get("action") != "add_row"


def _saved(request: HttpRequest, form: DealForm, rows: Any, visit: Visit | None) -> Deal | None:
    """Write the draft, new or old; None if the service refuses it, with the reasons on the forms."""
    data = form.cleaned_data
    try:
        agreement = agreement_of(form, rows, before=from_json(visit.deal.draft) if visit else None)
        if visit is None:
            deal = deals.create_draft(
                user=cast(User, request.user),
                role=data["role"],
                agreement=agreement,
                own_address=data["own_address"],
                counterparty_email=data["counterparty_email"],
            )
        else:
            deal = deals.update_draft(
                deal_id=visit.deal.pk,
                party=visit.me,
                agreement=agreement,
                own_address=data["own_address"],
                counterparty_email=data["counterparty_email"],
                expected=seen.posted(request),
            )
        me = deal.parties.get(role=Role(data["role"]))
        for saved in data["files"]:
            deals.attach_file(deal_id=deal.pk, party=me, saved=saved)
    except DomainError as refused:
        _show(form, rows, refused)
        return None
    return deal


def _onwards(request: HttpRequest, deal: Deal, form: DealForm, rows: Any) -> HttpResponse:
    """Draft: back to the list. Preview: there, unless something is missing."""
    if request.POST.get("action") == "draft":
        messages.success(request, "The draft is saved. Only you see it.")
        return redirect("deals:edit", deal.pk)
    try:
        check(from_json(deal.draft), minimum=deal.token.min_amount)
        addresses.read(deal.network, form.cleaned_data["own_address"])
    except DomainError as refused:
        _show(form, rows, refused)
        # The draft exists now, with its files: what is typed next belongs to it.
        form.fields["files"].widget.kept = []
        return _editor(request, form, rows, deal)
    return redirect("deals:preview", deal.pk)


def _show(form: TermsForm, rows: Any, refused: DomainError) -> None:
    if any("/milestones/" in error.pointer for error in refused.errors):
        already = any(row.errors for row in rows)
        place_errors(form, rows, [] if already else refused.errors)
    elif refused.errors:
        place_errors(form, rows, refused.errors)
    else:
        show_on(form, refused)


def _editor(request: HttpRequest, form: DealForm, rows: Any, deal: Deal | None) -> HttpResponse:
    shown = {
        "form": form,
        "rows": rows,
        "deal": deal,
        "files": deal.files.order_by("created", "id") if deal else [],
        "accept_time": _accept_time(),
        "seen": of_deal(Deal.objects.get(pk=deal.pk)) if deal else "",
    }
    return render(request, "deals/edit.html", shown)


def _accept_time() -> str:
    return rules.length(settings.CLOCKS["accept"])
