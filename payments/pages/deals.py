"""My deals, one deal, its answer, its end."""

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db import transaction
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from accounts.models import User
from core import files as stored_files
from core import seen
from core.presentation import Banner
from payments.agreement import from_json
from payments.models import DealFile, DealVersion, Escrow, Party
from payments.pages import listing, rules, situation, whatnow, words
from payments.pages.access import Visit, for_party
from payments.pages.forms import AnswerForm
from payments.pages.outcome import carried_out, clicked
from payments.services import deals
from payments.services.seen import of_deal
from payments.states import TERMINAL, DealState


@login_required
@require_safe
def my_deals(request: HttpRequest) -> HttpResponse:
    """What needs me first, then everything else, newest first."""
    user = cast(User, request.user)
    page = Paginator(listing.of(user), 25).get_page(request.GET.get("page"))
    return render(request, "deals/list.html", {"page": page, "entries": listing.entries(user, page)})


@for_party
@require_safe
def detail(request: HttpRequest, visit: Visit) -> HttpResponse:
    """A draft goes on being written; one escrow is its own page; else the deal with its milestones."""
    deal = visit.deal
    if deal.state == DealState.DRAFT:
        return redirect("deals:edit", deal.pk)
    escrows = list(deal.escrows.select_related("token__network"))
    if len(escrows) == 1:
        return redirect("deals:escrow", deal.pk, escrows[0].pk)
    version = deals.current_version(deal)
    shown = {
        "visit": visit,
        "deal": deal,
        "word": words.DEAL[deal.state],
        "banner": _urgent(visit, escrows) or whatnow.for_deal(visit, version),
        "version": version,
        "terms": from_json(version.terms),
        "files": deal.files.order_by("created", "id"),
        "escrows": [(escrow, words.ESCROW[escrow.state]) for escrow in escrows],
        "invite_url": invite_url(request, visit.other),
        "can_cancel": deal.state in (DealState.PROPOSED, DealState.AGREED),
    }
    return render(request, "deals/detail.html", shown)


def _urgent(visit: Visit, escrows: list[Escrow]) -> Banner | None:
    """The first milestone about which the visiting side can do something now."""
    deal = visit.deal
    standing = situation.read(escrows, {deal.pk: visit.role}, {deal.pk: visit.other.name})
    banners = [whatnow.for_escrow(now) for now in standing if now.escrow.state not in TERMINAL]
    return next((banner for banner in banners if banner.tone != "wait"), None)


@for_party
@require_safe
def terms(request: HttpRequest, visit: Visit) -> HttpResponse:
    """The agreed text, every version of it, and its hash."""
    versions = list(visit.deal.versions.order_by("-number"))
    if not versions:
        raise Http404
    version = visit.deal.agreed_version or versions[0]
    shown = {
        "visit": visit,
        "deal": visit.deal,
        "version": version,
        "terms": from_json(version.terms),
        "files": visit.deal.files.order_by("created", "id"),
        "versions": versions,
        "dispute_rules": rules.dispute_rules(),
    }
    return render(request, "deals/terms.html", shown)


@for_party
def answer(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Accept one exact version with an address of one's own."""
    if visit.deal.state != DealState.PROPOSED:
        return redirect("deals:detail", visit.deal.pk)
    version = deals.current_version(visit.deal)
    form = AnswerForm(
        request.POST or None,
        role=visit.role,
        partner=visit.deal.partner_id is not None,
        initial={"address": visit.me.address},
    )
    if request.method == "POST":
        expected = seen.posted(request)
        if form.is_valid() and carried_out(
            form, lambda: _accept(visit, form, request.POST.get("version_hash", ""), expected)
        ):
            messages.success(request, "Accepted. These terms are sealed now.")
            return redirect("deals:detail", visit.deal.pk)
    shown = {
        "visit": visit,
        "deal": visit.deal,
        "form": form,
        "version": version,
        "terms": from_json(version.terms),
        "files": visit.deal.files.order_by("created", "id"),
        "changes": _changes(version),
        "seen": of_deal(visit.deal),
        "dispute_rules": rules.dispute_rules(),
    }
    return render(request, "deals/answer.html", shown)


@transaction.atomic
def _accept(visit: Visit, form: AnswerForm, version_hash: str, expected: str) -> None:
    data = form.cleaned_data
    if data["address"].strip() != visit.me.address:
        deals.set_address(deal_id=visit.deal.pk, party=visit.me, address=data["address"])
    deals.accept(
        deal_id=visit.deal.pk,
        party=visit.me,
        version_hash=version_hash,
        delegate=data.get("delegate", False),
        expected=expected,
    )


def _changes(version: DealVersion) -> list[dict[str, Any]]:
    """What a counter-proposal changed, line by line; empty for a first version."""
    before = version.deal.versions.filter(number=version.number - 1).first()
    if before is None:
        return []
    return listing.differences(from_json(before.terms), from_json(version.terms), version.deal.token)


@for_party
def cancel(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Drop a draft, decline or withdraw a proposal, or end an agreed deal that nobody paid."""
    if request.method != "POST":
        shown = {"visit": visit, "deal": visit.deal, "seen": of_deal(visit.deal)}
        return render(request, "deals/cancel.html", shown)
    done = clicked(
        request,
        lambda: deals.cancel(deal_id=visit.deal.pk, party=visit.me, expected=seen.posted(request)),
        "The deal is cancelled. No money was moved.",
    )
    return redirect("deals:list") if done else redirect("deals:detail", visit.deal.pk)


@require_safe
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Where an invitation link leads: what it is about, then sign in and take the seat."""
    party = get_object_or_404(
        Party.objects.select_related("deal__token__network").exclude(deal__state=DealState.DRAFT),
        invite_token=token,
    )
    if request.user.is_authenticated and party.user_id == request.user.pk:
        return redirect("deals:detail", party.deal_id)
    host = Party.objects.select_related("user").exclude(pk=party.pk).get(deal_id=party.deal_id)
    shown = {
        "party": party,
        "deal": party.deal,
        "host": host,
        "taken": party.user_id is not None,
        "seen": of_deal(party.deal),
    }
    return render(request, "deals/invitation.html", shown)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def join(request: HttpRequest, token: str) -> HttpResponse:
    """Take the seat; who comes by the address, having signed in in between, is led to the button."""
    if request.method != "POST":
        return redirect("deals:invitation", token)
    seats: list[Party] = []
    user, expected = cast(User, request.user), seen.posted(request)
    joined = clicked(
        request,
        lambda: seats.append(deals.join(invite_token=token, user=user, expected=expected)),
        "You are the other side of this deal now. Read the terms before you answer.",
    )
    return redirect("deals:detail", seats[0].deal_id) if joined else redirect("deals:invitation", token)


@for_party
@require_safe
def deal_file(request: HttpRequest, visit: Visit, file_id: str) -> HttpResponseBase:
    """A file of the agreement, always as a download."""
    found = get_object_or_404(DealFile.objects.select_related("file"), deal=visit.deal, pk=file_id)
    return download(found.file, found.name)


def download(stored: Any, name: str) -> FileResponse:
    """Never shown inside our own origin: sent as an attachment of no particular type."""
    return FileResponse(
        stored_files.open_file(stored),
        as_attachment=True,
        filename=name,
        content_type="application/octet-stream",
    )


def invite_url(request: HttpRequest, party: Party) -> str:
    """The link for a side that has not joined yet; empty once it has."""
    if party.user_id is not None:
        return ""
    from django.urls import reverse

    return request.build_absolute_uri(reverse("deals:invitation", args=[party.invite_token]))
