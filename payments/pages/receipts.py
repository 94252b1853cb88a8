"""The receipt of an escrow: for the screen, the printer and as a PDF, from the same rows."""

from dataclasses import dataclass
from datetime import UTC, datetime

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from core import clock
from core.money import Amount
from payments import movements
from payments.models import Escrow, LegKind, OrderKind
from payments.pages import receipt_pdf, words
from payments.pages.access import Visit, for_party
from payments.states import OrderState

_WHAT = {
    movements.DEPOSIT: "Deposit",
    LegKind.RELEASE: "Paid to the seller",
    LegKind.REFUND: "Refunded to the buyer",
    LegKind.FEE: "Fee of Holdfast",
    LegKind.SURPLUS: "Surplus, back to the buyer",
}


@dataclass(frozen=True, slots=True)
class Movement:
    """One final transaction, in or out; or all that are too small to be told one by one, without a hash."""

    at: datetime
    what: str
    amount: Amount
    address: str
    tx_hash: str
    url: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """Everything a receipt says; amounts of the escrow's token."""

    escrow: Escrow
    title: str
    buyer: str
    seller: str
    outcome: str
    description: str
    terms_hash: str
    # What a final ruling said, if there was one.
    decided: list[tuple[str, str]]
    movements: list[Movement]
    printed: datetime

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Label and value, in the order of the page; what people wrote stands on lines of its own."""
        escrow = self.escrow
        terms = escrow.terms or {}
        closed = (
            f"{escrow.closed_at.astimezone(UTC):%d %B %Y %H:%M} UTC" if escrow.closed_at else "still open"
        )
        return [
            ("Deal", f"{self.title}\n{escrow.deal_id}"),
            ("Escrow", f"{escrow.title}\n{escrow.pk}"),
            ("Outcome", self.outcome),
            ("Closed", closed),
            ("Buyer", f"{self.buyer}\n{terms.get('buyer', '')}"),
            ("Seller", f"{self.seller}\n{terms.get('seller', '')}"),
            ("Agreed amount", f"{escrow.money.exact} on {escrow.network.name}"),
            *self.decided,
            ("Token", f"{escrow.token.symbol}\n{escrow.token.address}"),
            ("Escrow address", escrow.vault_address),
            ("Escrow id on chain", escrow.chain_id_hash),
            ("Hash of the agreed terms", self.terms_hash),
        ]


def of(visit: Visit, escrow: Escrow) -> Receipt:
    """The receipt as it stands; only final transactions are on it. 404 before the escrow opened."""
    if escrow.terms is None:
        raise Http404
    explorer = escrow.network.explorer_url.rstrip("/")

    def link(tx_hash: str) -> str:
        return f"{explorer}/tx/{tx_hash}" if explorer else ""

    moved = movements.of(escrow)
    listed = [
        Movement(
            item.place.at,
            _WHAT[item.kind] if item.transfers == 1 else f"{_WHAT[item.kind]}, {item.transfers} transfers",
            item.amount,
            item.address,
            item.tx_hash,
            link(item.tx_hash),
        )
        for item in moved.movements
    ]
    listed += [Movement(small.last, str(small), small.amount, "", "", "") for small in moved.small]
    version = visit.deal.agreed_version
    return Receipt(
        escrow=escrow,
        title=visit.deal.title,
        buyer=visit.buyer.plain_name,
        seller=visit.seller.plain_name,
        outcome=words.ESCROW[escrow.state][0],
        description=str(version.terms["description"]) if version else "",
        terms_hash=version.hash if version else "",
        decided=_ruled(escrow),
        movements=listed,
        printed=clock.now(),
    )


def _ruled(escrow: Escrow) -> list[tuple[str, str]]:
    """The ruling that the chain carried out, and the hash by which its text is known."""
    order = escrow.orders.filter(kind=OrderKind.RULE, state=OrderState.DONE).last()
    if order is None:
        return []
    order.escrow = escrow
    return [
        ("Ruled for the seller", order.to_seller_money.exact),
        ("Ruled for the buyer", order.to_buyer_money.exact),
        ("Hash of the ruling", str(order.payload["ruling_hash"])),
    ]


@for_party
@require_safe
def page(request: HttpRequest, visit: Visit, escrow_id: str) -> HttpResponse:
    """The printable receipt."""
    escrow = visit.escrow(escrow_id)
    shown = {"visit": visit, "deal": visit.deal, "escrow": escrow, "receipt": of(visit, escrow)}
    return render(request, "deals/receipt.html", shown)


@for_party
@require_safe
def pdf(request: HttpRequest, visit: Visit, escrow_id: str) -> HttpResponse:
    """The same as a file."""
    receipt = of(visit, visit.escrow(escrow_id))
    lines = [
        receipt_pdf.Line(
            f"{move.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
            move.what,
            move.amount.exact,
            move.address,
            move.tx_hash,
            move.url,
        )
        for move in receipt.movements
    ]
    document = receipt_pdf.Document(
        "Receipt", receipt.facts, lines, "What was agreed", receipt.description, receipt.printed
    )
    answer = HttpResponse(receipt_pdf.render(document), content_type="application/pdf")
    answer["Content-Disposition"] = f'attachment; filename="receipt-{receipt.escrow.pk}.pdf"'
    return answer
