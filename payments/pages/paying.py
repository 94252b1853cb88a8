"""What the checkout shows: what is due, what has come, how final it is, and the QR codes."""

from dataclasses import dataclass
from datetime import datetime

import segno
from django.utils.safestring import SafeString, mark_safe

from chain import selectors as chain_reads
from chain.selectors import PendingTransfer
from core.models import OutboxEvent
from core.money import Amount, total
from payments.models import Deposit, Escrow
from payments.selectors import confirmations_needed
from payments.states import CLOSED, HOLDING, EscrowState


@dataclass(frozen=True, slots=True)
class Transfer:
    """One payment, final or still being confirmed; `confirmations` of `needed`."""

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
    """Everything the live part of the pay page says."""

    escrow: Escrow
    transfers: list[Transfer]
    due: Amount
    received: Amount
    coming: Amount
    still_due: Amount
    reversed: bool

    @property
    def open(self) -> bool:
        """Whether money should still be sent."""
        return self.escrow.state == EscrowState.AWAITING_DEPOSIT and bool(self.still_due)

    @property
    def confirming(self) -> bool:
        return any(not transfer.final for transfer in self.transfers)

    @property
    def funded(self) -> bool:
        return self.escrow.state in (*HOLDING, *CLOSED) or self.escrow.funded_at is not None

    @property
    def moving(self) -> bool:
        """Whether the page has to look again by itself."""
        return self.escrow.state in (EscrowState.AWAITING_DEPOSIT, EscrowState.CONFIRMING)


def read(escrow: Escrow) -> Checkout:
    """The state of payment of an opened escrow; a constant number of queries."""
    final = [_final(deposit, escrow) for deposit in escrow.deposits.select_related("token__network")]
    needed = confirmations_needed(escrow)
    pending = [
        _pending(item, escrow, needed) for item in chain_reads.pending_transfers(escrow.network, [escrow.pk])
    ]
    due, nothing = escrow.money, total((), escrow.token.unit)
    received = total((item.amount for item in final if item.counts), due.unit)
    coming = total((item.amount for item in pending if item.counts), due.unit)
    return Checkout(
        escrow=escrow,
        transfers=[*final, *pending],
        due=due,
        received=received,
        coming=coming,
        still_due=max(nothing, due - received - coming),
        reversed=not coming and _last_was_reversed(escrow),
    )


def _final(deposit: Deposit, escrow: Escrow) -> Transfer:
    return Transfer(
        amount=deposit.money,
        tx_hash=deposit.tx_hash,
        url=_url(escrow, deposit.tx_hash),
        at=deposit.block_time,
        final=True,
        counts=deposit.token_id == escrow.token_id,
    )


def _pending(item: PendingTransfer, escrow: Escrow, needed: int) -> Transfer:
    return Transfer(
        amount=item.transfer.money,
        tx_hash=item.transfer.tx_hash,
        url=_url(escrow, item.transfer.tx_hash),
        at=item.block_timestamp,
        final=False,
        counts=item.transfer.token_id == escrow.token_id,
        confirmations=item.confirmations,
        # The final tag may trail further than usual; the count then never runs past its end.
        needed=max(needed, item.confirmations + 1),
    )


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
