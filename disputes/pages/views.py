"""The dispute room. Views are thin: form, service, message."""

from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from core import kept, seen
from core.actors import Actor
from disputes import downloads, legs, reasons, words
from disputes.models import Dispute, EvidenceFile
from disputes.pages import room as rooms
from disputes.pages.forms import EvidenceForm, OpenForm
from disputes.services import evidence, opening
from disputes.services.seen import of_side
from disputes.states import LIVE
from payments.models import Escrow
from payments.pages.access import Visit, for_party, sent_from
from payments.pages.escrows import situation_of
from payments.pages.history import Teller
from payments.pages.outcome import carried_out, clicked
from payments.pages.rules import length
from payments.services.seen import of_escrow
from payments.states import HOLDING, EscrowState

_DISPUTABLE = (*HOLDING, EscrowState.RELEASING, EscrowState.REFUNDING)


@for_party
@require_GET
def room(request: HttpRequest, visit: Visit, escrow_id: str) -> HttpResponse:
    """The newest dispute of the escrow, and links to what was before it."""
    escrow = visit.escrow(escrow_id)
    dispute = _newest(escrow)
    if dispute is None:
        if escrow.state in _DISPUTABLE:
            return redirect("disputes:open", visit.deal.pk, escrow.pk)
        raise Http404
    written = kept.again(request, reverse("disputes:evidence", args=[visit.deal.pk, escrow.pk]))
    return _show(request, visit, dispute, EvidenceForm(initial=written))


@for_party
@require_GET
def live(request: HttpRequest, visit: Visit, escrow_id: str) -> HttpResponse:
    """The part of the room that changes by itself; what somebody is typing stays."""
    dispute = _found(visit, escrow_id)
    return render(request, "disputes/parts/room_live.html", _shown(visit, dispute))


@for_party
@require_http_methods(["GET", "POST"])
def open_form(request: HttpRequest, visit: Visit, escrow_id: str) -> HttpResponse:
    """Say what is wrong; the chain freezes the money."""
    escrow = visit.escrow(escrow_id)
    if Dispute.objects.filter(escrow=escrow, state__in=LIVE).exists():
        return redirect("disputes:room", visit.deal.pk, escrow.pk)
    form = OpenForm(request.POST or None, request.FILES or None, role=visit.role, initial=kept.again(request))
    if request.method == "POST":
        expected = seen.posted(request)
        if form.is_valid() and carried_out(form, lambda: _open(visit, escrow, form, expected)):
            messages.success(request, "The dispute is opened. Every timer has stopped.")
            return redirect("disputes:room", visit.deal.pk, escrow.pk)
        escrow = visit.escrow(escrow.pk)
    context = {
        "visit": visit,
        "escrow": escrow,
        "form": form,
        "reasons": reasons.for_role(visit.role),
        "clocks": {name: length(seconds) for name, seconds in settings.CLOCKS.items()},
        "possible": escrow.state in _DISPUTABLE,
        "frozen": escrow.remainder_money,
        "seen": of_escrow(escrow),
    }
    return render(request, "disputes/open.html", context)


@for_party
@sent_from("disputes:room")
def add_evidence(request: HttpRequest, visit: Visit, escrow_id: str) -> HttpResponse:
    """One more item; the first of the other side is its answer."""
    dispute = _found(visit, escrow_id)
    form = EvidenceForm(request.POST, request.FILES)
    expected = seen.posted(request)
    if form.is_valid() and carried_out(form, lambda: _add(visit, dispute, form, expected)):
        messages.success(request, "Sent. Both sides and the arbitrator see it.")
        return redirect("disputes:room", visit.deal.pk, dispute.escrow_id)
    return _show(request, visit, _found(visit, escrow_id), form)


@for_party
@sent_from("disputes:room")
def nothing_more(request: HttpRequest, visit: Visit, escrow_id: str) -> HttpResponse:
    """This side is done; when both are, the review begins."""
    dispute = _found(visit, escrow_id)
    clicked(
        request,
        lambda: evidence.nothing_more(
            dispute_id=dispute.pk, role=visit.role, acting=_actor(visit), expected=seen.posted(request)
        ),
        "Noted. When both sides have nothing more to add, the review begins.",
    )
    return redirect("disputes:room", visit.deal.pk, dispute.escrow_id)


@for_party
@require_http_methods(["GET", "POST"])
def withdraw(request: HttpRequest, visit: Visit, escrow_id: str) -> HttpResponse:
    """The opener takes the dispute back, after reading what that means."""
    dispute = _found(visit, escrow_id)
    if request.method == "POST":
        clicked(
            request,
            lambda: opening.withdraw(
                dispute_id=dispute.pk, role=visit.role, acting=_actor(visit), expected=seen.posted(request)
            ),
            "Taken back. The deal goes on when the chain has confirmed.",
        )
        return redirect("disputes:room", visit.deal.pk, dispute.escrow_id)
    if dispute.opened_by != visit.role:
        raise Http404
    shown = {"visit": visit, "dispute": dispute, "seen": of_side(dispute, visit.role)}
    return render(request, "disputes/withdraw.html", shown)


@for_party
@require_GET
def download(request: HttpRequest, visit: Visit, escrow_id: str, file_id: str) -> HttpResponse:
    """A file of either side, as a download."""
    found = (
        EvidenceFile.objects.select_related("file")
        .filter(
            pk=file_id, evidence__dispute__escrow_id=escrow_id, evidence__dispute__escrow__deal=visit.deal
        )
        .first()
    )
    if found is None:
        raise Http404
    return cast(HttpResponse, downloads.attachment(found.file, found.name))


def _show(request: HttpRequest, visit: Visit, dispute: Dispute, form: EvidenceForm) -> HttpResponse:
    earlier = dispute.escrow.disputes.exclude(pk=dispute.pk).order_by("created")
    context = _shown(visit, dispute) | {
        "form": form,
        "seen": of_side(dispute, visit.role),
        "earlier": [(old, words.for_parties(old.state)) for old in earlier],
        "facts": Teller(visit, situation_of(visit, dispute.escrow)).tell(),
    }
    status = 422 if form.errors else 200
    return render(request, "disputes/room.html", context, status=status)


def _shown(visit: Visit, dispute: Dispute) -> dict[str, Any]:
    escrow, shown = dispute.escrow, rooms.of(dispute, visit)
    ruling = shown.ruling
    return {
        "visit": visit,
        "escrow": escrow,
        "dispute": dispute,
        "room": shown,
        "split": ruling and legs.of(escrow, ruling.to_seller_money, ruling.to_buyer_money),
        "disputed": dispute.at_stake,
    }


def _newest(escrow: Escrow) -> Dispute | None:
    rows = Dispute.objects.select_related("escrow__deal", "escrow__token__network", "escrow__network")
    return rows.filter(escrow=escrow).order_by("-created", "-id").first()


def _found(visit: Visit, escrow_id: str) -> Dispute:
    dispute = _newest(visit.escrow(escrow_id))
    if dispute is None:
        raise Http404
    return dispute


def _actor(visit: Visit) -> Actor:
    return Actor("person", visit.user.pk, visit.user.name)


def _open(visit: Visit, escrow: Escrow, form: OpenForm, expected: str) -> None:
    data = form.cleaned_data
    opening.open_dispute(
        escrow_id=escrow.pk,
        role=visit.role,
        reason=data["reason"],
        text=data["text"],
        files=data["files"],
        nothing_more=data["nothing_more"],
        acting=_actor(visit),
        user=visit.user,
        expected=expected,
    )


def _add(visit: Visit, dispute: Dispute, form: EvidenceForm, expected: str) -> None:
    evidence.add_evidence(
        dispute_id=dispute.pk,
        role=visit.role,
        text=form.cleaned_data["text"],
        files=form.cleaned_data["files"],
        acting=_actor(visit),
        user=visit.user,
        expected=expected,
    )
