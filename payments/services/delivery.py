"""Delivery: handed over, looked at, sent back; and its mark on the chain."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max

from core import clock, deadlines, seen
from core.actors import CHAIN, CLOCK, Actor
from core.errors import Conflict, FieldError, Forbidden, Invalid
from core.files import Saved
from core.models import Deadline
from payments.locks import live_orders, lock_escrow
from payments.models import Delivery, DeliveryFile, Escrow, OrderKind
from payments.services import chain_terms, clocks, events, orders
from payments.services.moves import move
from payments.services.seen import of_escrow
from payments.states import EscrowState

MAX_CHANGES = 3
# The contract's own limit, for changes and refund requests together.
MAX_REOPENS = 3


@transaction.atomic
def deliver(
    *,
    escrow_id: str,
    role: str,
    acting: Actor,
    note: str = "",
    files: Sequence[Saved] = (),
    expected: str | None = None,
) -> Delivery:
    """The seller hands over: a note, files, or both. Starts the inspection.

    Raises `Conflict` outside funded, while a payout of everything is under way, or past the last instant,
    or where the escrow is not what the caller saw (`expected`).
    """
    if role != "seller":
        raise Forbidden("seller_only", "Only the seller can deliver.")
    if not note.strip() and not files:
        message = "Add a note or a file that shows what you delivered."
        raise Invalid("delivery_empty", message, [FieldError("/note", "empty", message)])
    escrow = lock_escrow(escrow_id)
    seen.check(expected, of_escrow, escrow)
    if escrow.state != EscrowState.FUNDED:
        raise Conflict("escrow_state", f"Not possible while the escrow is {escrow.state.replace('_', ' ')}.")
    now = clock.now()
    if now > _last_instant(escrow) - clocks.SAFETY:
        raise Conflict("too_late", "The last instant for a delivery has passed.")
    delivery = Delivery.objects.create(escrow=escrow, note=note.strip()[:20_000], created=now)
    for saved in files:
        DeliveryFile.objects.create(delivery=delivery, file=saved.file, name=saved.name)
    handed_over(escrow, acting)
    events.of_escrow(escrow, "escrow.delivered", delivery=delivery.pk)
    return delivery


def handed_over(escrow: Escrow, acting: Actor, *, tx_hash: str = "") -> None:
    """funded -> delivered for a locked escrow; the inspection runs, unless a refund request is open."""
    escrow.delivered_at = clock.now()
    escrow.take_back_open = False
    fields = ("delivered_at", "take_back_open")
    move(escrow, EscrowState.DELIVERED, actor=acting, tx_hash=tx_hash, fields=fields)
    if escrow.refund_requests.filter(state="asked").exists():
        clocks.hold_inspection(escrow)
    else:
        clocks.start_inspecting(escrow)


@transaction.atomic
def request_changes(
    *, escrow_id: str, role: str, acting: Actor, note: str, expected: str | None = None
) -> Escrow:
    """The buyer sends the delivery back, at most three times; the seller gets the inspection time again.

    Raises `Conflict` outside delivered or when the three are used up.
    """
    if role != "buyer":
        raise Forbidden("buyer_only", "Only the buyer can request changes.")
    if not 10 <= len(note.strip()) <= 5_000:
        message = "Say in 10 to 5,000 characters what should change."
        raise Invalid("note_length", message, [FieldError("/note", "length", message)])
    escrow = lock_escrow(escrow_id)
    seen.check(expected, of_escrow, escrow)
    if escrow.state != EscrowState.DELIVERED:
        raise Conflict("escrow_state", "Changes can be requested after a delivery, before the money moves.")
    if escrow.changes_requested >= MAX_CHANGES:
        raise Conflict("changes_used_up", "Changes were requested three times. Release, refund or dispute.")
    check_reopening(escrow)
    sent_back(escrow, acting, why=f"changes: {note.strip()}")
    reopen_on_chain(escrow, acting)
    events.of_escrow(escrow, "escrow.changes_requested", note=note.strip())
    return escrow


def sent_back(escrow: Escrow, acting: Actor, *, why: str, tx_hash: str = "") -> None:
    """delivered -> funded for a locked escrow; the seller gets the inspection time again."""
    escrow.changes_requested += 1
    for kind in (clocks.INSPECT, clocks.MARK):
        deadlines.cancel(kind, escrow.pk)
    fields = ("changes_requested",)
    move(escrow, EscrowState.FUNDED, actor=acting, why=why, tx_hash=tx_hash, fields=fields)
    last = _last_instant(escrow)
    clocks.start_delivering(escrow, due=_again(escrow, last), last=last)


def check_reopening(escrow: Escrow) -> None:
    """Raise `Conflict` where the chain's inspection would have to stop and the chain stops it no more."""
    if _must_reopen(escrow) and escrow.reopens >= MAX_REOPENS:
        message = "The chain does not stop this inspection again. Release the money, or open a dispute."
        raise Conflict("reopenings_used_up", message)


def reopen_on_chain(escrow: Escrow, acting: Actor) -> None:
    """Stop the chain's inspection clock if a mark started it or is about to."""
    if _must_reopen(escrow):
        orders.place(
            escrow,
            OrderKind.REOPEN,
            reason="changes requested",
            acting=acting,
            must_be_final_by=escrow.marked_until and escrow.marked_until - clocks.BEFORE_CHAIN_END,
        )


def stop_inspection(escrow: Escrow, *, tx_hash: str) -> None:
    """Funded here, marked on chain: reopen it; where the chain does not any more, it counts as delivered."""
    if escrow.reopens < MAX_REOPENS:
        reopen_on_chain(escrow, CHAIN)
    else:
        handed_over(escrow, CHAIN, tx_hash=tx_hash)


def mark_due(deadline: Deadline) -> bool:
    """Deadline handler: the delivery must now be marked on chain, so that the seller's backstop exists."""
    with transaction.atomic():
        escrow = lock_escrow(deadline.subject_id)
        # A release that a hold keeps back may still have to be marked, or its money would go back.
        handed_over = escrow.state in (EscrowState.DELIVERED, EscrowState.RELEASING)
        if not handed_over or escrow.marked_until:
            return deadlines.claim(deadline)
        if live_orders(escrow, OrderKind.MARK, OrderKind.REOPEN) or not deadlines.claim(deadline):
            return False
        must_be_final_by = escrow.deliver_by and escrow.deliver_by - timedelta(hours=48)
        orders.place(
            escrow, OrderKind.MARK, reason="delivered", acting=CLOCK, must_be_final_by=must_be_final_by
        )
    return True


def _must_reopen(escrow: Escrow) -> bool:
    """Whether the chain's inspection runs, or is about to, and nothing stops it yet."""
    marked = escrow.marked_until or live_orders(escrow, OrderKind.MARK)
    return bool(marked) and not live_orders(escrow, OrderKind.REOPEN)


def _last_instant(escrow: Escrow) -> datetime:
    """The chain's last instant for a delivery. Where a mark is there or on its way that instant counts no
    more, and reopening makes it a whole inspection from then."""
    if escrow.deliver_by is None:
        raise Conflict("escrow_not_open", "This escrow has not been opened yet.")
    if not (escrow.marked_until or live_orders(escrow, OrderKind.MARK, OrderKind.REOPEN)):
        return escrow.deliver_by
    inspection = timedelta(seconds=chain_terms.of(escrow).inspection)
    return max(escrow.deliver_by, clock.now().replace(microsecond=0) + inspection)


def _again(escrow: Escrow, last: datetime) -> datetime:
    """The new date: the inspection time from now, not before the old one with all that was added to it, a day
    before the chain's end."""
    agreed = escrow.deliver_at + clocks.grace()
    before = Deadline.objects.filter(kind=clocks.DELIVER, subject_id=escrow.pk).aggregate(at=Max("due_at"))[
        "at"
    ]
    due = max(agreed, before or agreed, clock.now() + timedelta(seconds=escrow.inspect_seconds))
    return min(due, last - clocks.BEFORE_CHAIN_END)
