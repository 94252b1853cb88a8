"""The page of one escrow: where the money is, what I can do, by when, and what happens if I don't."""

import hashlib
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.paginator import Paginator
from django.db.models import Max
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from chain import selectors as chain_reads
from core.models import OutboxEvent
from core.money import Amount
from core.presentation import Action
from payments import paid as payment
from payments.books import balances
from payments.models import DeliveryFile, Escrow, Incident, Role
from payments.pages import paying, situation, whatnow, words
from payments.pages.access import Visit, for_party
from payments.pages.deals import download
from payments.pages.history import Teller
from payments.paid import Paid
from payments.services import clocks, guarding, incidents, pausing, payouts
from payments.services.delivery import MAX_CHANGES
from payments.services.seen import RETRY, of_escrow, of_leg
from payments.states import HOLDING, UNPAID, EscrowState, LegState, OrderState

# On one page of the checkout.
_PAYMENTS = 20


@for_party
@require_safe
@never_cache
def page(request: HttpRequest, visit: Visit, escrow_id: str) -> HttpResponse:
    """The whole page; its live part comes from the same context as the fragment."""
    return render(request, "deals/escrow.html", _shown(visit, visit.escrow(escrow_id)))


@for_party
@require_safe
@never_cache
def live(request: HttpRequest, visit: Visit, escrow_id: str) -> HttpResponse:
    """The live part alone."""
    escrow = visit.escrow(escrow_id)
    if request.GET.get("v") == _version(
        escrow, _paid(escrow), None, paused_by(escrow), resting(visit, escrow)
    ):
        return HttpResponse(status=204)
    return render(request, "deals/parts/escrow_live.html", _shown(visit, escrow))


@for_party
@require_safe
@never_cache
def pay(request: HttpRequest, visit: Visit, escrow_id: str) -> HttpResponse:
    """The checkout. The seller may look at it too: it says the same to both."""
    shown = _checkout(visit, visit.escrow(escrow_id), request.GET.get("payments", ""))
    return render(request, "deals/pay.html", shown)


@for_party
@require_safe
@never_cache
def pay_live(request: HttpRequest, visit: Visit, escrow_id: str) -> HttpResponse:
    """The live part of the checkout alone."""
    escrow = visit.escrow(escrow_id)
    shown = _checkout(visit, escrow, request.GET.get("payments", ""))
    if request.GET.get("v") == shown["version"]:
        return HttpResponse(status=204)
    return render(request, "deals/parts/pay_live.html", shown)


@for_party
@require_safe
def terms_json(request: HttpRequest, visit: Visit, escrow_id: str) -> HttpResponse:
    """The on-chain terms with the list of seats: with this file the money can be had without Holdfast."""
    escrow = visit.escrow(escrow_id)
    if escrow.terms is None:
        raise Http404
    version = visit.deal.agreed_version
    body = {
        "escrow": escrow.pk,
        "escrow_contract": escrow.network.escrow_contract,
        "chain_id": escrow.network.chain_id,
        "chain_id_hash": escrow.chain_id_hash,
        "vault_address": escrow.vault_address,
        "terms": escrow.terms,
        "arbiters": escrow.arbiters,
        "arbiters_threshold": escrow.arbiters_threshold,
        "agreement": version.terms if version else None,
        "agreement_hash": version.hash if version else None,
    }
    answer = JsonResponse(body, json_dumps_params={"indent": 2})
    answer["Content-Disposition"] = f'attachment; filename="{escrow.pk}-terms.json"'
    return answer


@for_party
@require_safe
def delivery_file(request: HttpRequest, visit: Visit, escrow_id: str, file_id: str) -> HttpResponseBase:
    """A delivered file, always as a download."""
    files = DeliveryFile.objects.select_related("file")
    found = get_object_or_404(files, pk=file_id, delivery__escrow=visit.escrow(escrow_id))
    return download(found.file, found.name)


def situation_of(visit: Visit, escrow: Escrow) -> situation.Situation:
    """Where the escrow stands for the visiting side."""
    return situation.read([escrow], {visit.deal.pk: visit.role}, {visit.deal.pk: visit.other.name})[0]


def _shown(visit: Visit, escrow: Escrow) -> dict[str, Any]:
    incident = paused_by(escrow)
    now = situation_of(visit, escrow)
    banner = whatnow.for_escrow(now)
    offered = {action.url for action in banner.actions}
    rests = resting(visit, escrow)
    return {
        "visit": visit,
        "deal": visit.deal,
        "escrow": escrow,
        "several": visit.deal.escrows.count() > 1,
        "word": words.ESCROW[escrow.state],
        "banner": banner,
        "choices": [pair for pair in choices(now) if pair[0].url not in offered],
        "timeline": Teller(visit, now).tell(),
        "deliveries": escrow.deliveries.prefetch_related("files").order_by("-created"),
        "blocked": _blocked(escrow),
        "seen": of_escrow(escrow) if any(action.post for action in banner.actions) else "",
        "proof": _proof(escrow),
        "left": _left(now),
        "paid": now.paid,
        "on_hold": escrow.frozen or bool(escrow.held_reason),
        "incident": incident,
        "given": pausing.given_to(escrow.pk),
        "rests": rests,
        "live_url": whatnow.link("live", escrow),
        "version": _version(escrow, now.paid, None, incident, rests),
    }


def resting(visit: Visit, escrow: Escrow) -> list[str]:
    """Why money of a side rests after a change of how they sign in, for as long as it does."""
    return [] if escrow.closed_at else guarding.notes((visit.me, visit.other), visit.role)


def _left(now: situation.Situation) -> Amount:
    """What is in escrow, or what it is about: what is still to pay of a payment that came in part."""
    escrow = now.escrow
    if now.paid and now.paid.is_part:
        return now.paid.due
    held = bool(escrow.funded_at) and not escrow.closed_at
    return escrow.remainder_money if held else escrow.money


def _blocked(escrow: Escrow) -> list[dict[str, Any]]:
    """Payments that the token refused, each with what its button carries and from when it works; one query
    where there is none."""
    waiting = escrow.legs.filter(state=LegState.BLOCKED).select_related("token__network")
    tried = set(
        escrow.orders.filter(state__in=[OrderState.LIVE, OrderState.NEEDS_HUMAN], reason=RETRY).values_list(
            "payload__kind", flat=True
        )
        if waiting
        else ()
    )
    return [
        {
            "leg": leg,
            "amount": leg.money,
            "under_way": leg.kind in tried,
            "again_from": payouts.retry_from(leg),
            "seen": of_leg(leg),
        }
        for leg in waiting
    ]


def paused_by(escrow: Escrow) -> Incident | None:
    """The incident that stops the escrow's clocks, while one does and they would run."""
    return None if escrow.closed_at else incidents.covering(incidents.open_now(), escrow.network_id)


def choices(now: situation.Situation) -> list[tuple[Action, str]]:
    """What else can be done about the money, beside the banner, each with what it means."""
    escrow = now.escrow
    if escrow.state not in HOLDING or now.under_way:
        return []
    found = list(_buyers(now) if now.role == Role.BUYER else _sellers(now))
    room = whatnow.dispute_link(escrow)
    if room:
        dispute = Action("Dispute", room)
        found.append(
            (dispute, "Stops every timer at once. Both of you show evidence, and an arbitrator rules.")
        )
    return found


def _buyers(now: situation.Situation) -> list[tuple[Action, str]]:
    escrow, seller = now.escrow, now.seller
    release = Action("Release", whatnow.link("release", escrow))
    found = [(release, f"Pays {seller}, all or a part. It cannot be taken back.")]
    if escrow.state == EscrowState.DELIVERED and escrow.changes_requested < MAX_CHANGES:
        left = MAX_CHANGES - escrow.changes_requested
        changes = Action("Request changes", whatnow.link("changes", escrow))
        found.append(
            (changes, f"{seller} delivers again. You can do this {left} more time{'s' * (left != 1)}.")
        )
    if now.refund_request is None:
        ask = Action("Ask for everything back", whatnow.link("ask_refund", escrow))
        found.append((ask, f"{seller} has a week to answer; without an answer it goes back to you."))
    return found


def _sellers(now: situation.Situation) -> list[tuple[Action, str]]:
    refund = Action("Refund", whatnow.link("refund", now.escrow))
    return [(refund, f"Pays {now.buyer} back, all or a part. It cannot be taken back.")]


def _paid(escrow: Escrow) -> Paid | None:
    return payment.of(escrow) if escrow.state in UNPAID else None


def _version(
    escrow: Escrow,
    paid: Paid | None,
    checkout: paying.Checkout | None,
    incident: Incident | None,
    rests: Sequence[str] = (),
) -> str:
    """Changes whenever the live part would: a page that has this version is sent nothing.

    Replacing only what changed keeps focus, opened details and chosen tabs where they are.
    """
    newest = OutboxEvent.objects.filter(group_id=escrow.deal_id).aggregate(newest=Max("sequence"))["newest"]
    parts = [str(newest or 0), escrow.state, escrow.held_reason and "held", "frozen" * escrow.frozen]
    parts += [incident.pk if incident else "", *rests]
    parts.append(f"{paid.final}:{paid.coming}" if paid else "")
    if checkout:
        parts += [f"{item.confirmations}:{item.needed}:{item.final}" for item in checkout.transfers]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]


def _proof(escrow: Escrow) -> dict[str, Any] | None:
    """What anyone can check on the chain: address, balance by final events, block."""
    if not escrow.vault_address:
        return None
    final = chain_reads.final_head(escrow.network)
    explorer = escrow.network.explorer_url.rstrip("/")
    return {
        "address": escrow.vault_address,
        "balance": balances.in_vault(escrow),
        "block": final[0] if final else None,
        "url": f"{explorer}/address/{escrow.vault_address}" if explorer else "",
    }


def _checkout(visit: Visit, escrow: Escrow, page: str) -> dict[str, Any]:
    now = situation_of(visit, escrow)
    checkout = paying.read(escrow, now.paid) if escrow.vault_address else None
    incident = paused_by(escrow)
    shown: dict[str, Any] = {
        "visit": visit,
        "deal": visit.deal,
        "escrow": escrow,
        "checkout": checkout,
        "payments": Paginator(checkout.transfers[::-1], _PAYMENTS).get_page(page) if checkout else None,
        "word": words.ESCROW[escrow.state],
        "banner": whatnow.for_escrow(now),
        # Later than the chain's where paused time was given back.
        "pay_by": now.due(clocks.PAY) or escrow.fund_by,
        "demo_pay": settings.DEMO and escrow.network.is_local and visit.is_buyer,
        "live_url": whatnow.link("pay_live", escrow),
        "incident": incident,
        "given": pausing.given_to(escrow.pk),
        "version": _version(escrow, now.paid, checkout, incident),
    }
    if checkout and checkout.open:
        shown["address_qr"] = paying.qr(escrow.vault_address)
        shown["request_qr"] = paying.qr(paying.eip681(escrow, checkout.still_due))
        shown["request_uri"] = paying.eip681(escrow, checkout.still_due)
    return shown


def back_to(escrow: Escrow) -> HttpResponse:
    """To the page of the escrow."""
    return redirect("deals:escrow", escrow.deal_id, escrow.pk)
