"""What the forms of a deal and of an escrow show, as the fingerprints that they carry."""

from django.db.models import QuerySet

from core import seen
from payments.books import balances
from payments.models import DECIDING, Deal, Escrow, Order, PayoutLeg
from payments.states import ENDED_UNPAID, DealState

# The reason of an order that tries a refused payment again.
RETRY = "retry"


def of_deal(deal: Deal) -> str:
    """State, turn, newest version, who accepted what; of a draft also its text, files and addresses."""
    newest = deal.versions.order_by("-number").values_list("hash", flat=True).first()
    sides = deal.parties.order_by("role").values_list("role", "accepted_hash", "user_id")
    facts: list[object] = [deal.pk, deal.state, deal.turn, newest, list(sides)]
    if deal.state == DealState.DRAFT:
        facts += [
            sorted(deal.draft.items()),
            list(deal.parties.order_by("role").values_list("email", "address")),
        ]
        facts.append(list(deal.files.order_by("pk").values_list("pk", flat=True)))
    return seen.fingerprint(*facts)


def of_escrow(escrow: Escrow) -> str:
    """State, what is undecided, and every decision, delivery and request so far.

    An order counts from the moment it is placed, so that a form of before it is refused even if the chain
    never carried it out. What the clock does on the chain by itself (a mark, more time) does not count; of
    late money only whether it is any, and all: whoever adds a little to it makes no form out of date.
    """
    requests = escrow.refund_requests.order_by("created", "pk").values_list("pk", "state")
    late = balances.money(escrow) if escrow.state in ENDED_UNPAID else 0
    return seen.fingerprint(
        escrow.pk,
        escrow.state,
        escrow.remainder,
        escrow.take_back_open,
        escrow.changes_requested,
        escrow.dispute_round,
        escrow.orders.filter(kind__in=DECIDING).count(),
        escrow.deliveries.count(),
        list(requests),
        late > 0,
        late >= escrow.remainder,
    )


def of_hold(escrow: Escrow) -> str:
    """What stops its payouts. Nothing else: an operator who stops money is not sent back for a delivery."""
    return seen.fingerprint(escrow.pk, escrow.held_reason, escrow.frozen)


def of_leg(leg: PayoutLeg) -> str:
    """Where one payment stands, and how often somebody asked to have it tried again."""
    return seen.fingerprint(leg.pk, leg.state, leg.amount, retries(leg).count())


def retries(leg: PayoutLeg) -> QuerySet[Order]:
    """The orders that tried a payment again, for which somebody asked."""
    return Order.objects.filter(escrow=leg.escrow_id, reason=RETRY, payload__kind=leg.kind)
