"""Opening a dispute, and taking it back before the review began."""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Max

from accounts.models import User
from core import clock, seen, transitions
from core.actors import Actor
from core.errors import Conflict, FieldError, Forbidden, Invalid
from core.files import Saved
from disputes import reasons
from disputes.locks import lock_dispute
from disputes.models import Dispute
from disputes.services.base import expect, tell
from disputes.services.evidence import prepare, store
from disputes.services.seen import of_side
from disputes.states import BEFORE_REVIEW, LIVE
from payments.models import Role
from payments.services.disputing import order_dispute, order_withdrawal

MOST_PER_SIDE = 2


@transaction.atomic
def open_dispute(
    *,
    escrow_id: str,
    role: str,
    reason: str,
    text: str,
    files: Sequence[Saved] = (),
    nothing_more: bool = False,
    acting: Actor,
    user: User | None = None,
    expected: str | None = None,
) -> Dispute:
    """Dispute an escrow for one side: every off-chain timer stops at once, the chain is told.

    `nothing_more`: the opener has no further evidence. Raises `Invalid` for a reason that this side may
    not choose or an empty statement, `Conflict` where the escrow is not disputable, disputed already, or not
    what the caller saw of it (`expected`, of `payments.services.seen.of_escrow`).
    """
    chosen = reasons.REASONS.get(reason)
    if chosen is None or role not in chosen.roles:
        message = "Choose one of the reasons."
        raise Invalid("reason_unknown", message, [FieldError("/reason", "reason_unknown", message)])
    item = prepare(role, text, files)
    if not item.text:
        message = "Say in your own words what happened."
        raise Invalid("statement_missing", message, [FieldError("/text", "statement_missing", message)])
    # Locks the escrow first, so that two clicks at once meet here and the second is refused.
    order_dispute(escrow_id=escrow_id, role=role, evidence_hash=item.hash, acting=acting, expected=expected)
    check_openable(escrow_id, role)
    dispute = create(escrow_id=escrow_id, role=role, reason=reason, evidence_hash=item.hash, actor=acting)
    store(dispute, item, acting=acting, user=user)
    if nothing_more:
        name = "buyer_done_at" if role == Role.BUYER else "seller_done_at"
        setattr(dispute, name, clock.now())
        dispute.save(update_fields=[name])
    tell(dispute, "dispute.opening", reason=reason, evidence_hash=item.hash)
    return dispute


def check_openable(escrow_id: str, role: str) -> None:
    """Raise `Conflict` while another dispute of the escrow lives, and after this side's second one."""
    rows = Dispute.objects.filter(escrow_id=escrow_id)
    if rows.filter(state__in=LIVE).exists():
        raise Conflict("already_disputed", "This escrow is disputed already.")
    if rows.filter(opened_by=role, opened_at__isnull=False).count() >= MOST_PER_SIDE:
        raise Conflict("too_many_disputes", f"Each side may dispute an escrow {MOST_PER_SIDE} times.")


def create(*, escrow_id: str, role: str, reason: str, evidence_hash: str, actor: Actor) -> Dispute:
    """Write a new case in state opening; the caller holds the escrow's lock or follows the chain."""
    dispute = Dispute.objects.create(
        escrow_id=escrow_id,
        opened_by=role,
        n=next_number(escrow_id, role),
        reason=reason,
        evidence_hash=evidence_hash,
        created=clock.now(),
    )
    transitions.record(dispute, source="", target=dispute.state, actor=actor)
    return Dispute.objects.select_related("escrow__deal", "escrow__token__network").get(pk=dispute.pk)


def next_number(escrow_id: str, role: str) -> int:
    """The number of this side's next dispute; one that never reached the chain keeps its number."""
    rows = Dispute.objects.filter(escrow_id=escrow_id, opened_by=role)
    return (rows.aggregate(last=Max("n"))["last"] or 0) + 1


@transaction.atomic
def withdraw(*, dispute_id: str, role: str, acting: Actor, expected: str | None = None) -> Dispute:
    """The opener takes the dispute back; it ends when the chain shows that. Not once the review began."""
    dispute = lock_dispute(dispute_id)
    seen.check(expected, lambda locked: of_side(locked, role), dispute)
    if role != dispute.opened_by:
        raise Forbidden("opener_only", "Only the side that opened the dispute may take it back.")
    expect(dispute, *BEFORE_REVIEW, so_that="taking it back")
    if dispute.withdrawal_ordered_at is not None:
        raise Conflict("withdrawal_ordered", "You have taken it back; the chain is about to confirm.")
    order_withdrawal(escrow_id=dispute.escrow_id, role=role, acting=acting)
    dispute.withdrawal_ordered_at = clock.now()
    dispute.save(update_fields=["withdrawal_ordered_at"])
    tell(dispute, "dispute.withdrawing")
    return dispute
