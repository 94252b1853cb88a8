"""What the checkout shows: what is due, what has come, how final it is, and the QR codes."""

from dataclasses import dataclass
from datetime import datetime

import segno
from django.utils.safestring import SafeString, mark_safe

from chain import selectors as chain_reads
from chain.models import Token
from chain.selectors import Sent
from core.models import OutboxEvent
from core.money import Amount
from payments import paid as payment
from payments.models import Escrow
from payments.movements import Small
from payments.paid import Paid
from payments.selectors import confirmations_needed
from payments.states import CLOSED, HOLDING, EscrowState


@dataclass(frozen=True, slots=True)
class Transfer:
    """What one transaction paid, final or still being confirmed; `confirmations` of `needed`."""

    amount: Amount
    tx_hash: str
    url: str
    at: datetime
    final: bool
    counts: bool
    confirmations: int = 0
    needed: int = 0


@dataclass(frozen=True, slots=True)
class Checkout:
    """Everything the live part of the pay page says. `small` is what is too little to be listed."""

    escrow: Escrow
    transfers: list[Transfer]
    small: list[Small]
    paid: Paid
    reversed: bool

    @property
    def due(self) -> Amount:
        """The agreed amount."""
        return self.escrow.money

    @property
    def still_due(self) -> Amount:
        return self.paid.due

    @property
    def open(self) -> bool:
        """Whether money should still be sent."""
        return self.escrow.state == EscrowState.AWAITING_DEPOSIT and bool(self.still_due)

    @property
    def confirming(self) -> bool:
        """Whether something is on its way: not final yet, or final and not booked yet."""
        return self.booking or any(not transfer.final for transfer in self.transfers)

    @property
    def booking(self) -> bool:
        """Whether all of it is final, and only the platform has to take note."""
        return self.moving and self.paid.final >= self.paid.asked

    @property
    def funded(self) -> bool:
        return self.escrow.state in (*HOLDING, *CLOSED) or self.escrow.funded_at is not None

    @property
    def moving(self) -> bool:
        """Whether the page has to look again by itself."""
        return self.escrow.state in (EscrowState.AWAITING_DEPOSIT, EscrowState.CONFIRMING)


def read(escrow: Escrow, paid: Paid | None = None) -> Checkout:
    """The state of payment of an opened escrow in a constant number of queries; `paid` if it was read."""
    listed = Token.objects.filter(network=escrow.network).select_related("network")
    tokens = {token.pk: token for token in listed}
    needed, head = confirmations_needed(escrow), chain_reads.head(escrow.network)
    top = head[0] if head else 0
    sent = chain_reads.sent_to(escrow.vault_address, tokens)
    paid = paid or payment.of(escrow)
    return Checkout(
        escrow=escrow,
        transfers=[_transfer(item, escrow, tokens[item.token_id], needed, top) for item in sent],
        small=_small(escrow, sent, tokens),
        paid=paid,
        reversed=not paid.coming and bool(paid.missing) and _last_was_reversed(escrow),
    )


def _transfer(item: Sent, escrow: Escrow, token: Token, needed: int, head: int) -> Transfer:
    confirmations = 0 if item.final else max(1, head - item.block_number + 1)
    return Transfer(
        amount=Amount(item.units, token.unit),
        tx_hash=item.tx_hash,
        url=_url(escrow, item.tx_hash),
        at=item.at,
        final=item.final,
        counts=item.token_id == escrow.token_id,
        confirmations=confirmations,
        # The final tag may trail further than usual; the count then never runs past its end.
        needed=max(needed, confirmations + 1),
    )


def _small(escrow: Escrow, sent: list[Sent], tokens: dict[int, Token]) -> list[Small]:
    """By token: all that came, less what is listed."""
    found = []
    for (_, key), here in sorted(chain_reads.arrived([escrow.vault_address], tokens).items()):
        listed = [item for item in sent if item.token_id == key]
        transfers = here.transfers - sum(item.transfers for item in listed)
        units = here.final + here.pending - sum(item.units for item in listed)
        if transfers > 0 and units > 0:
            token = tokens[key]
            found.append(Small(transfers, Amount(units, token.unit), token.least_amount_money, here.last))
    return found


def _last_was_reversed(escrow: Escrow) -> bool:
    newest = (
        OutboxEvent.objects.filter(subject_id=escrow.pk, type__startswith="deposit.")
        .order_by("-created", "-pk")
        .values_list("type", flat=True)
        .first()
    )
    return newest == "deposit.reversed"


def _url(escrow: Escrow, tx_hash: str) -> str:
    explorer = escrow.network.explorer_url.rstrip("/")
    return f"{explorer}/tx/{tx_hash}" if explorer else ""


def eip681(escrow: Escrow, due: Amount) -> str:
    """A payment request for wallets that read them: token, network, recipient, base units."""
    call = f"{escrow.token.address}@{escrow.network.chain_id}/transfer"
    return f"ethereum:{call}?address={escrow.vault_address}&uint256={due.units}"


def qr(text: str) -> SafeString:
    """An SVG without style or script, black on white whatever the page's colours."""
    code = segno.make_qr(text, error="m")
    return mark_safe(code.svg_inline(border=2, omitsize=True, svgclass=None, lineclass=None))  # noqa: S308  (segno writes paths only)
