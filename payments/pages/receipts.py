"""The receipt of an escrow: for the screen, the printer and as a PDF, from the same rows."""

from dataclasses import dataclass
from datetime import UTC, datetime

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from core import clock
from core.money import Amount
from payments import movements
from payments.models import Escrow, LegKind
from payments.pages import receipt_pdf, words
from payments.pages.access import Visit, for_party

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
    terms_hash: str
    movements: list[Movement]
    printed: datetime

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Label and value, in the order of the page."""
        escrow = self.escrow
        terms = escrow.terms or {}
        closed = (
            f"{escrow.closed_at.astimezone(UTC):%d %B %Y %H:%M} UTC" if escrow.closed_at else "still open"
        )
        return [
            ("Deal", f"{self.title} ({escrow.deal_id})"),
            ("Escrow", f"{escrow.title} ({escrow.pk})"),
            ("Outcome", self.outcome),
            ("Closed", closed),
            ("Buyer", f"{self.buyer}, {terms.get('buyer', '')}"),
            ("Seller", f"{self.seller}, {terms.get('seller', '')}"),
            ("Agreed amount", f"{escrow.money.exact} on {escrow.network.name}"),
            ("Token", f"{escrow.token.symbol} {escrow.token.address}"),
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
        terms_hash=version.hash if version else "",
        movements=listed,
        printed=clock.now(),
    )


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
        (
            f"{move.at.astimezone(UTC):%Y-%m-%d %H:%M}",
            move.what,
            move.amount.exact,
            move.address,
            move.tx_hash,
        )
        for move in receipt.movements
    ]
    body = receipt_pdf.render("Receipt", receipt.facts, lines, receipt.printed)
    answer = HttpResponse(body, content_type="application/pdf")
    answer["Content-Disposition"] = f'attachment; filename="receipt-{receipt.escrow.pk}.pdf"'
    return answer
