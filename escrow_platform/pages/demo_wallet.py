"""Pay from the demo wallet: on the local chain a newcomer needs no wallet of their own.

This view exists only where `settings.DEMO` is on and acts only on a network marked as local.
"""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from chain.rpc.errors import RpcError
from payments.models import Role
from payments.pages import paying
from payments.pages.access import Visit, for_party, sent_from
from payments.services import demo_wallet


@for_party
@sent_from("deals:pay")
def pay(request: HttpRequest, visit: Visit, escrow_id: str) -> HttpResponse:
    """Send what is still due, or half of it, from the demo wallet to the escrow's address."""
    visit.only(Role.BUYER)
    escrow = visit.escrow(escrow_id)
    if not escrow.network.is_local or not escrow.vault_address:
        raise Http404
    due = paying.read(escrow).still_due
    part = due.share(5_000) if request.POST.get("part") == "half" else due
    if not part:
        messages.info(request, "Nothing is due any more.")
        return redirect("deals:pay", visit.deal.pk, escrow.pk)
    try:
        demo_wallet.pay(escrow, part.units)
    except RpcError:
        messages.error(request, "No money has moved: the demo chain did not answer. Try again.")
    else:
        messages.success(request, f"The demo wallet has sent {part}.")
    return redirect("deals:pay", visit.deal.pk, escrow.pk)
