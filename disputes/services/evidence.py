"""What the parties say and send. Items are hashed, seen by both sides, and never altered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from accounts.models import User
from core import clock, deadlines, seen
from core.actors import CLOCK, Actor
from core.errors import Conflict, FieldError, Invalid
from core.files import Saved
from core.models import Deadline
from disputes import hashing, timing
from disputes.locks import lock_dispute
from disputes.models import Dispute, Evidence, EvidenceFile
from disputes.services.base import expect, move, tell
from disputes.services.seen import of_side
from disputes.states import BEFORE_REVIEW, TAKES_EVIDENCE, DisputeState
from payments.models import Role

LONGEST_TEXT = 10_000
MOST_FILES = 10
# Of one side in one dispute; more is a flood, not evidence.
MOST_ITEMS = 50
_OPEN = (DisputeState.OPENING, *BEFORE_REVIEW)


@dataclass(frozen=True, slots=True)
class Item:
    """What a side is about to submit, checked, with the hash that it will carry."""

    role: str
    text: str
    files: Sequence[Saved]
    hash: str


def prepare(role: str, text: str, files: Sequence[Saved]) -> Item:
    """Check an item. Raises `Invalid` when it is empty, too long, or has too many files."""
    text = text.replace("\r\n", "\n").strip()
    if not text and not files:
        raise _wrong("/text", "evidence_empty", "Write something or add a file.")
    if len(text) > LONGEST_TEXT:
        raise _wrong(
            "/text", "evidence_too_long", f"At most {LONGEST_TEXT:,} characters. Add the rest as a file."
        )
    check_count(files)
    pairs = [(saved.name, saved.file.sha256) for saved in files]
    digest = hashing.canonical_hash(hashing.evidence_item(role=role, text=text, files=pairs))
    return Item(role, text, files, digest)


def check_count(files: Sequence[object]) -> None:
    """Raise `Invalid` for more files than an item may have."""
    if len(files) > MOST_FILES:
        raise _wrong("/files", "too_many_files", f"At most {MOST_FILES} files at once.")


@transaction.atomic
def add_evidence(
    *,
    dispute_id: str,
    role: str,
    text: str,
    files: Sequence[Saved] = (),
    acting: Actor,
    user: User | None = None,
    expected: str | None = None,
) -> Evidence:
    """Submit an item for one side. The first item of the side that did not open is its answer.

    After the evidence closed it is marked late. Raises `Conflict` once there is a ruling, or where the room
    is not what the caller saw of it (`expected`, here as below: `seen.of_side`).
    """
    item = prepare(role, text, files)
    dispute = lock_dispute(dispute_id)
    seen.check(expected, lambda locked: of_side(locked, role), dispute)
    expect(dispute, *TAKES_EVIDENCE, so_that="adding evidence")
    if dispute.evidence.filter(role=role).count() >= MOST_ITEMS:
        raise Conflict(
            "too_much_evidence", f"A side may send {MOST_ITEMS} items; put the rest into one file."
        )
    evidence = store(dispute, item, acting=acting, user=user)
    tell(
        dispute, "dispute.evidence_added", evidence=evidence.pk, role=role, hash=item.hash, late=evidence.late
    )
    if role == dispute.answering_role:
        _answered(dispute, acting)
    return evidence


@transaction.atomic
def nothing_more(*, dispute_id: str, role: str, acting: Actor, expected: str | None = None) -> Dispute:
    """A side has nothing more to add; when both said so the review begins before the deadline."""
    dispute = lock_dispute(dispute_id)
    seen.check(expected, lambda locked: of_side(locked, role), dispute)
    expect(dispute, *_OPEN, so_that="closing your evidence")
    if dispute.done_at(role):
        return dispute
    _set_done(dispute, role, clock.now())
    if role == dispute.answering_role:
        _answered(dispute, acting)
    close_if_both_done(dispute, acting)
    return dispute


def store(dispute: Dispute, item: Item, *, acting: Actor, user: User | None) -> Evidence:
    """Write a prepared item of a locked (or just created) dispute."""
    evidence = Evidence.objects.create(
        dispute=dispute,
        role=item.role,
        author=user,
        author_label=(acting.label or acting.id)[:120],
        text=item.text,
        late=dispute.state not in _OPEN,
        hash=item.hash,
        created=clock.now(),
    )
    for saved in item.files:
        EvidenceFile.objects.create(evidence=evidence, file=saved.file, name=saved.name)
    return evidence


def begin_evidence(dispute: Dispute, actor: Actor, why: str) -> None:
    """From opened to evidence: its deadline starts, unless both sides are done already."""
    deadlines.cancel(timing.ANSWER, dispute.pk)
    move(dispute, DisputeState.EVIDENCE, actor=actor, why=why)
    timing.start(timing.EVIDENCE, dispute)
    close_if_both_done(dispute, actor)


def close_if_both_done(dispute: Dispute, actor: Actor) -> None:
    """Begin the review of a locked dispute in evidence when neither side wants to add anything."""
    both = dispute.buyer_done_at and dispute.seller_done_at
    if dispute.state == DisputeState.EVIDENCE and both:
        _close(dispute, actor, "both sides have nothing more to add")


def answer_overdue(deadline: Deadline) -> bool:
    """Deadline handler: the other side kept silent; the case goes on with that marked."""
    with transaction.atomic():
        dispute = lock_dispute(deadline.subject_id)
        if not deadlines.claim(deadline):
            return False
        if dispute.state == DisputeState.OPENED:
            dispute.answer_overdue = True
            dispute.save(update_fields=["answer_overdue"])
            begin_evidence(dispute, CLOCK, "no answer in time")
            tell(dispute, "dispute.unanswered")
    return True


def evidence_over(deadline: Deadline) -> bool:
    """Deadline handler: the evidence closes and the review begins."""
    with transaction.atomic():
        dispute = lock_dispute(deadline.subject_id)
        if not deadlines.claim(deadline):
            return False
        if dispute.state == DisputeState.EVIDENCE:
            _close(dispute, CLOCK, "the time for evidence is over")
    return True


def _answered(dispute: Dispute, acting: Actor) -> None:
    if dispute.answered_at is None:
        dispute.answered_at = clock.now()
        dispute.save(update_fields=["answered_at"])
        tell(dispute, "dispute.answered")
    if dispute.state == DisputeState.OPENED:
        begin_evidence(dispute, acting, "answered")


def _close(dispute: Dispute, actor: Actor, why: str) -> None:
    deadlines.cancel(timing.EVIDENCE, dispute.pk)
    move(dispute, DisputeState.UNDER_REVIEW, actor=actor, why=why, review_at=clock.now())
    if dispute.arbitrator_id is None:
        timing.start(timing.FIRST_ACTION, dispute)
    timing.start(timing.RULING, dispute)
    tell(dispute, "dispute.under_review")


def _set_done(dispute: Dispute, role: str, at: datetime) -> None:
    name = "buyer_done_at" if role == Role.BUYER else "seller_done_at"
    setattr(dispute, name, at)
    dispute.save(update_fields=[name])


def _wrong(pointer: str, code: str, message: str) -> Invalid:
    return Invalid(code, message, [FieldError(pointer, code, message)])
