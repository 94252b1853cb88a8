"""What a party does about an escrow: form, service, back to the escrow. Nothing is decided here."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from core import kept, seen
from payments.models import Escrow, Role
from payments.pages import action_forms, whatnow
from payments.pages.access import Visit, for_party, sent_from
from payments.pages.escrows import back_to
from payments.pages.outcome import carried_out, clicked
from payments.services import delivery, escrows, payouts
from payments.services.deals import person
from payments.services.seen import of_escrow


def _act(
    request: HttpRequest,
    visit: Visit,
    escrow: Escrow,
    form: forms.Form,
    do: Callable[[dict[str, Any], str], Any],
    *,
    title: str,
    text: str,
    submit: str,
    done: str,
) -> HttpResponse:
    """One page for every action: what it does in words, the form, and the outcome as a message.

    `do` gets what was typed and what the form showed of the escrow. After a refusal the page shows the escrow
    as it is now, and so does the form.
    """
    if request.method == "POST":
        expected = seen.posted(request)
        if form.is_valid() and carried_out(form, lambda: do(form.cleaned_data, expected)):
            messages.success(request, done)
            return back_to(escrow)
        escrow = visit.escrow(escrow.pk)
    shown = {
        "visit": visit,
        "deal": visit.deal,
        "escrow": escrow,
        "form": form,
        "title": title,
        "text": text,
        "submit": submit,
        "back": whatnow.link("escrow", escrow),
        "seen": of_escrow(escrow),
    }
    return render(request, "deals/action.html", shown)


@for_party
@sent_from("deals:escrow")
def open_now(request: HttpRequest, visit: Visit, escrow_id: str) -> HttpResponse:
    """The buyer opens the next milestone without waiting for the one before."""
    visit.only(Role.BUYER)
    escrow = visit.escrow(escrow_id)
    clicked(
        request,
        lambda: escrows.open_escrow(
            escrow_id=escrow.pk, acting=person(visit.user), expected=seen.posted(request)
        ),
        "The milestone is open and can be paid.",
    )
    return back_to(escrow)


@for_party
def deliver(request: HttpRequest, visit: Visit, escrow_id: str) -> HttpResponse:
    """The seller hands over a note, files, or both."""
    visit.only(Role.SELLER)
    escrow = visit.escrow(escrow_id)
    form = action_forms.DeliverForm(request.POST or None, request.FILES or None, initial=kept.again(request))

    def hand_over(data: dict[str, Any], expected: str) -> None:
        delivery.deliver(
            escrow_id=escrow.pk,
            role=visit.role,
            acting=person(visit.user),
            note=data["note"],
            files=data["files"],
            expected=expected,
        )

    return _act(
        request,
        visit,
        escrow,
        form,
        hand_over,
        title="Hand in the delivery",
        text=f"{visit.other.name} inspects it. Without an objection in time, the money is released to you.",
        submit="Deliver",
        done="Delivered. The inspection has begun.",
    )


@for_party
def changes(request: HttpRequest, visit: Visit, escrow_id: str) -> HttpResponse:
    """The buyer sends the delivery back."""
    visit.only(Role.BUYER)
    escrow = visit.escrow(escrow_id)
    form = action_forms.ChangesForm(request.POST or None, initial=kept.again(request))
    return _act(
        request,
        visit,
        escrow,
        form,
        lambda data, expected: delivery.request_changes(
            escrow_id=escrow.pk,
            role=visit.role,
            acting=person(visit.user),
            note=data["note"],
            expected=expected,
        ),
        title="Request changes",
        text=f"The inspection stops and {visit.other.name} delivers again. At most three times.",
        submit="Send it back",
        done=f"Asked. {visit.other.name} sees it on this page and delivers again.",
    )


@for_party
def release(request: HttpRequest, visit: Visit, escrow_id: str) -> HttpResponse:
    """The buyer pays the seller, all or a part; the password is asked for again."""
    visit.only(Role.BUYER)
    escrow = visit.escrow(escrow_id)
    form = action_forms.PartForm(
        request.POST or None, initial=kept.again(request), user=visit.user, escrow=escrow, verb="release"
    )
    return _act(
        request,
        visit,
        escrow,
        form,
        lambda data, expected: payouts.release(
            escrow_id=escrow.pk,
            role=visit.role,
            acting=person(visit.user),
            units=data["units"],
            expected=expected,
        ),
        title=f"Release money to {visit.other.name}",
        text="It is paid to the seller’s address in the terms. Nobody can take it back afterwards.",
        submit="Release",
        done="Ordered. The payment is on its way; this page follows it.",
    )


@for_party
def refund(request: HttpRequest, visit: Visit, escrow_id: str) -> HttpResponse:
    """The seller pays the buyer back, all or a part."""
    visit.only(Role.SELLER)
    escrow = visit.escrow(escrow_id)
    form = action_forms.PartForm(
        request.POST or None, initial=kept.again(request), user=visit.user, escrow=escrow, verb="refund"
    )
    return _act(
        request,
        visit,
        escrow,
        form,
        lambda data, expected: payouts.refund(
            escrow_id=escrow.pk,
            role=visit.role,
            acting=person(visit.user),
            units=data["units"],
            expected=expected,
        ),
        title=f"Refund {visit.other.name}",
        text="It goes to the buyer’s refund address in the terms, without a fee. It cannot be taken back.",
        submit="Refund",
        done="Ordered. The refund is on its way; this page follows it.",
    )


@for_party
def take_back(request: HttpRequest, visit: Visit, escrow_id: str) -> HttpResponse:
    """The buyer takes everything back after the delivery date."""
    visit.only(Role.BUYER)
    escrow = visit.escrow(escrow_id)
    form = action_forms.ConfirmForm(request.POST or None, user=visit.user)
    return _act(
        request,
        visit,
        escrow,
        form,
        lambda _, expected: payouts.take_back(
            escrow_id=escrow.pk, role=visit.role, acting=person(visit.user), expected=expected
        ),
        title="Take everything back",
        text=f"{escrow.remainder_money} goes to your refund address. This ends the escrow.",
        submit="Take it back",
        done="Ordered. The refund is on its way; this page follows it.",
    )


@for_party
def return_late(request: HttpRequest, visit: Visit, escrow_id: str) -> HttpResponse:
    """The buyer takes back money that reached an expired or cancelled escrow."""
    visit.only(Role.BUYER)
    escrow = visit.escrow(escrow_id)
    form = action_forms.ConfirmForm(request.POST or None, user=visit.user)
    return _act(
        request,
        visit,
        escrow,
        form,
        lambda _, expected: payouts.return_late_money(
            escrow_id=escrow.pk, role=visit.role, acting=person(visit.user), expected=expected
        ),
        title="Take late money back",
        text="Whatever lies at the escrow’s address goes to your refund address.",
        submit="Take it back",
        done="It goes back as soon as the network allows; this page follows it.",
    )


@for_party
def ask_refund(request: HttpRequest, visit: Visit, escrow_id: str) -> HttpResponse:
    """The buyer asks the seller for everything."""
    visit.only(Role.BUYER)
    escrow = visit.escrow(escrow_id)
    form = action_forms.RefundRequestForm(request.POST or None, initial=kept.again(request))
    return _act(
        request,
        visit,
        escrow,
        form,
        lambda data, expected: payouts.ask_refund(
            escrow_id=escrow.pk,
            role=visit.role,
            party_id=visit.me.pk,
            reason=data["reason"],
            acting=person(visit.user),
            expected=expected,
        ),
        title="Ask for everything back",
        text=f"{visit.other.name} agrees or declines. Without an answer in time everything goes back to you.",
        submit="Ask",
        done=f"Asked. {visit.other.name} has to answer.",
    )


@for_party
def answer_refund(request: HttpRequest, visit: Visit, escrow_id: str) -> HttpResponse:
    """The seller agrees to a refund request or declines it."""
    visit.only(Role.SELLER)
    escrow = visit.escrow(escrow_id)
    form = action_forms.AnswerRefundForm(request.POST or None, initial=kept.again(request), user=visit.user)
    return _act(
        request,
        visit,
        escrow,
        form,
        lambda data, expected: payouts.answer_refund(
            escrow_id=escrow.pk,
            role=visit.role,
            accept=data["verdict"] == "yes",
            answer=data["answer"],
            acting=person(visit.user),
            expected=expected,
        ),
        title=f"{visit.other.name} asks for everything back",
        text="If you do not agree, everything stays as it was, and the buyer may dispute.",
        submit="Send the answer",
        done="Answered.",
    )


@for_party
@sent_from("deals:escrow")
def retry(request: HttpRequest, visit: Visit, escrow_id: str, leg_id: str) -> HttpResponse:
    """Either side has a payment that the token refused tried again."""
    escrow = visit.escrow(escrow_id)
    leg = get_object_or_404(escrow.legs, pk=leg_id)
    clicked(
        request,
        lambda: payouts.retry_leg(leg_id=leg.pk, acting=person(visit.user), expected=seen.posted(request)),
        "It is being tried again; this page follows it.",
    )
    return back_to(escrow)
