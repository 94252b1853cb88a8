"""Rulings: written by the arbitrator, approved by another person, final after the appeal window."""

from django.db import transaction

from accounts.models import User
from core import clock, deadlines, doorbell, money, seen
from core.actors import CLOCK, Actor
from core.errors import Conflict, FieldError, Forbidden, Invalid
from core.models import Deadline
from disputes import hashing, timing
from disputes.locks import lock_dispute
from disputes.models import Dispute, Involvement, Ruling
from disputes.services.base import (
    expect,
    involve,
    involved,
    move,
    move_ruling,
    note,
    require,
    staff,
    tell,
    tell_staff,
)
from disputes.services.seen import of_case
from disputes.states import DisputeState, RulingState
from payments.models import Escrow
from payments.services import chain_terms, events

SHORTEST_REASONS = 40
LONGEST_REASONS = 20_000


@transaction.atomic
def propose(
    *,
    dispute_id: str,
    to_seller: int,
    to_buyer: int,
    reasons: str,
    person: User,
    expected: str | None = None,
) -> Ruling:
    """Rule on one's own case: base units that sum to the disputed remainder exactly, and why.

    At or above the four-eyes amount the ruling waits for a second person, else it stands at once.
    Raises `Conflict` where the case is not what the caller saw (`expected`, here as below: `seen.of_case`).
    """
    dispute = lock_dispute(dispute_id)
    seen.check(expected, of_case, dispute)
    require(person, "rule_dispute", dispute)
    if dispute.arbitrator_id != person.pk:
        raise Forbidden("not_your_case", "Claim this case before you rule on it.")
    expect(dispute, DisputeState.UNDER_REVIEW, so_that="ruling")
    if dispute.withdrawal_ordered_at is not None:
        raise Conflict("withdrawal_ordered", "The opener took this dispute back; wait for the chain.")
    reasons = check(dispute.escrow, to_seller=to_seller, to_buyer=to_buyer, reasons=reasons)
    ruling = _write(dispute, to_seller, to_buyer, reasons, person)
    involve(dispute, person, Involvement.What.RULED, **_facts(ruling))
    move(dispute, DisputeState.RULING_PROPOSED, actor=staff(person))
    if not ruling.needs_approval:
        _stand(dispute, ruling, staff(person), why="below the four-eyes amount")
    return ruling


@transaction.atomic
def approve(*, ruling_id: str, typed_amount: str, person: User, expected: str | None = None) -> Ruling:
    """The second pair of eyes. `typed_amount` is the escrow's amount as a decimal, typed by hand.

    Raises `Forbidden` for the author and for anyone who touched the case.
    """
    dispute, ruling = _locked(ruling_id, expected)
    check_second_person(dispute, ruling, person)
    _check_typed(dispute.escrow, typed_amount)
    if dispute.escrow.remainder != ruling.disputed:
        raise Conflict("remainder_changed", "The disputed amount changed since; refuse it and rule anew.")
    note(dispute, person, "ruling.approved", **_facts(ruling))
    _stand(dispute, ruling, staff(person), why="approved", approver=person)
    return ruling


@transaction.atomic
def refuse(*, ruling_id: str, why: str, person: User, expected: str | None = None) -> Ruling:
    """Send the ruling back to its author with reasons; the review goes on."""
    dispute, ruling = _locked(ruling_id, expected)
    check_second_person(dispute, ruling, person)
    why = why.strip()
    if len(why) < SHORTEST_REASONS:
        raise _wrong("/why", "reasons_too_short", f"Say why in at least {SHORTEST_REASONS} characters.")
    facts = {"approver": person, "refusal": why, "decided_at": clock.now()}
    move_ruling(ruling, RulingState.REFUSED, actor=staff(person), why=why, **facts)
    move(dispute, DisputeState.UNDER_REVIEW, actor=staff(person), why="ruling refused")
    note(dispute, person, "ruling.refused", ruling=ruling.pk, why=why)
    # The parties never learn that there was a proposal: to them the review just goes on.
    tell_staff(dispute, "dispute.ruling_refused", ruling=ruling.pk)
    return ruling


def appeal_over(deadline: Deadline) -> bool:
    """Deadline handler: nobody may change the ruling any more; seats may sign."""
    from disputes import tasks

    with transaction.atomic():
        dispute = lock_dispute(deadline.subject_id)
        if not deadlines.claim(deadline):
            return False
        if dispute.state == DisputeState.RULED:
            ruling = standing(dispute)
            move_ruling(ruling, RulingState.FINAL, actor=CLOCK)
            move(dispute, DisputeState.FINAL, actor=CLOCK, why="the appeal window is over")
            tell(dispute, "dispute.final", ruling=ruling.pk)
            doorbell.on_commit(tasks.execute.delay, dispute.pk)
    return True


def standing(dispute: Dispute) -> Ruling:
    """The approved or final ruling of a dispute that has one."""
    return dispute.rulings.get(state__in=[RulingState.APPROVED, RulingState.FINAL])


def check(escrow: Escrow, *, to_seller: int, to_buyer: int, reasons: str) -> str:
    """The cleaned reasons. Raises `Invalid` for parts that do not sum, or too short reasons."""
    if min(to_seller, to_buyer) < 0 or to_seller + to_buyer != escrow.remainder:
        total = escrow.remainder_money
        message = f"Both parts must sum to exactly {total} ({total.units} base units)."
        raise _wrong("/to_seller", "split_does_not_sum", message)
    reasons = reasons.replace("\r\n", "\n").strip()
    if len(reasons) < SHORTEST_REASONS:
        raise _wrong(
            "/reasons", "reasons_too_short", f"Write at least {SHORTEST_REASONS} characters of reasons."
        )
    if len(reasons) > LONGEST_REASONS:
        raise _wrong(
            "/reasons", "reasons_too_long", f"Write at most {LONGEST_REASONS:,} characters of reasons."
        )
    return reasons


def needs_approval(escrow: Escrow) -> bool:
    """Whether a second person must approve: the amount rule by which the terms ask for two seats."""
    return escrow.amount >= chain_terms.four_eyes_from(escrow.token.decimals)


def _write(dispute: Dispute, to_seller: int, to_buyer: int, reasons: str, person: User) -> Ruling:
    body = hashing.ruling_body(dispute=dispute.pk, to_seller=to_seller, to_buyer=to_buyer, reasons=reasons)
    return Ruling.objects.create(
        dispute=dispute,
        author=person,
        to_seller=to_seller,
        to_buyer=to_buyer,
        disputed=to_seller + to_buyer,
        reasons=reasons,
        hash=hashing.canonical_hash(body),
        needs_approval=needs_approval(dispute.escrow),
        created=clock.now(),
    )


def _stand(dispute: Dispute, ruling: Ruling, actor: Actor, *, why: str, approver: User | None = None) -> None:
    """The ruling is given to both sides; the appeal window opens."""
    deadlines.cancel(timing.RULING, dispute.pk)
    deadlines.cancel(timing.FIRST_ACTION, dispute.pk)
    until = timing.start(timing.APPEAL, dispute)
    facts = {"approver": approver, "decided_at": clock.now(), "appeal_until": until}
    move_ruling(ruling, RulingState.APPROVED, actor=actor, why=why, **facts)
    move(dispute, DisputeState.APPROVED, actor=actor, why=why)
    move(dispute, DisputeState.RULED, actor=actor)
    tell(
        dispute,
        "dispute.ruled",
        ruling=ruling.pk,
        to_seller=events.amount_json(ruling.to_seller_money),
        to_buyer=events.amount_json(ruling.to_buyer_money),
        ruling_hash=ruling.hash,
        reasons=ruling.reasons,
        final_at=until.isoformat(),
    )


def _locked(ruling_id: str, expected: str | None) -> tuple[Dispute, Ruling]:
    found = Ruling.objects.filter(pk=ruling_id).values_list("dispute_id", flat=True).first()
    dispute = lock_dispute(found or "")
    seen.check(expected, of_case, dispute)
    ruling = Ruling.objects.select_for_update().get(pk=ruling_id)
    if ruling.state != RulingState.PROPOSED or dispute.state != DisputeState.RULING_PROPOSED:
        raise Conflict("ruling_decided", f"This ruling is {ruling.state} already.")
    return dispute, ruling


def check_second_person(dispute: Dispute, ruling: Ruling, person: User) -> None:
    """Raise `Forbidden` for the author, a party, and anyone who touched the case."""
    require(person, "approve_ruling", dispute)
    if person.pk in (ruling.author_id, dispute.arbitrator_id):
        raise Forbidden("own_ruling", "Somebody else has to decide on your ruling.")
    if involved(dispute, person):
        raise Forbidden("touched_the_case", "You have worked on this case; somebody else has to decide.")


def _check_typed(escrow: Escrow, typed: str) -> None:
    message = f"Type the amount of this escrow, {escrow.money}, to confirm."
    if not money.is_typed(typed, escrow.money):
        raise _wrong("/typed_amount", "confirmation_differs", message)


def _facts(ruling: Ruling) -> dict[str, str]:
    return {
        "ruling": ruling.pk,
        "to_seller": str(ruling.to_seller),
        "to_buyer": str(ruling.to_buyer),
        "hash": ruling.hash,
    }


def _wrong(pointer: str, code: str, message: str) -> Invalid:
    return Invalid(code, message, [FieldError(pointer, code, message)])
