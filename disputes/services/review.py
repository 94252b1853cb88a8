"""Who works on a case: claim, give back, assign, declare a conflict.

`expected` is what the caller saw of the case (`seen.of_case`); each raises `Conflict` where it has changed.
"""

from django.db import transaction
from django.db.models import Exists, OuterRef

from accounts.models import User
from core import audit, deadlines, seen
from core.actors import SYSTEM
from core.errors import Conflict, Forbidden, Invalid
from disputes import timing
from disputes.locks import lock_dispute
from disputes.models import Dispute, Involvement, Ruling
from disputes.services.base import involve, involved, is_party, may, require, ruled_before, tell_staff
from disputes.services.seen import of_case
from disputes.states import BEFORE_REVIEW, WITH_ARBITRATOR, RulingState

ASSIGNABLE = (*BEFORE_REVIEW, *WITH_ARBITRATOR)


@transaction.atomic
def claim(*, dispute_id: str, person: User, expected: str | None = None) -> Dispute:
    """Take an unassigned case. Raises `Conflict` when somebody else has it."""
    dispute = lock_dispute(dispute_id)
    seen.check(expected, of_case, dispute)
    require(person, "claim_dispute", dispute)
    _expect_assignable(dispute)
    if dispute.arbitrator_id == person.pk:
        return dispute
    if dispute.arbitrator is not None:
        raise Conflict("already_claimed", f"{dispute.arbitrator.name} has this case.")
    _set(dispute, person)
    involve(dispute, person, Involvement.What.CLAIMED)
    return dispute


@transaction.atomic
def release(*, dispute_id: str, person: User, expected: str | None = None) -> Dispute:
    """Give the case back to the queue."""
    dispute = lock_dispute(dispute_id)
    seen.check(expected, of_case, dispute)
    _expect_own(dispute, person)
    _expect_no_proposal(dispute)
    _set(dispute, None)
    involve(dispute, person, Involvement.What.RELEASED)
    return dispute


@transaction.atomic
def declare_conflict(*, dispute_id: str, person: User, expected: str | None = None) -> Dispute:
    """Give the case back for good: this person may never act on it again."""
    dispute = lock_dispute(dispute_id)
    seen.check(expected, of_case, dispute)
    require(person, "claim_dispute", dispute)
    if dispute.arbitrator_id == person.pk:
        _expect_no_proposal(dispute)
        _set(dispute, None)
    involve(dispute, person, Involvement.What.CONFLICT)
    return dispute


@transaction.atomic
def assign(*, dispute_id: str, arbitrator: User, person: User, expected: str | None = None) -> Dispute:
    """A lead gives the case to an arbitrator, also one that somebody else had."""
    dispute = lock_dispute(dispute_id)
    seen.check(expected, of_case, dispute)
    require(person, "assign_dispute", dispute)
    _expect_assignable(dispute)
    _expect_no_proposal(dispute)
    conflict = involved(dispute, arbitrator, Involvement.What.CONFLICT) or ruled_before(arbitrator, dispute)
    if is_party(arbitrator, dispute) or conflict or not may(arbitrator, "rule_dispute"):
        raise Invalid("not_an_arbitrator", f"{arbitrator.name} may not rule on this case.")
    _set(dispute, arbitrator)
    involve(dispute, person, Involvement.What.ASSIGNED, arbitrator=arbitrator.pk)
    involve(dispute, arbitrator, Involvement.What.GIVEN, by=person.pk)
    return dispute


def unclaim_absent() -> int:
    """Put the cases of arbitrators who may rule no more back into the queue: switched off, out of the group
    or not staff any longer. Returns how many. A ruling of theirs that waits is decided first."""
    taken = Dispute.objects.filter(arbitrator__isnull=False, state__in=ASSIGNABLE)
    people = User.objects.filter(pk__in=taken.values("arbitrator"))
    gone = [person.pk for person in people if not may(person, "rule_dispute")]
    proposed = Ruling.objects.filter(dispute=OuterRef("pk"), state=RulingState.PROPOSED)
    cases = taken.filter(~Exists(proposed), arbitrator__in=gone).values_list("pk", flat=True)
    return sum(_unclaim(dispute_id) for dispute_id in list(cases))


@transaction.atomic
def _unclaim(dispute_id: str) -> bool:
    dispute = lock_dispute(dispute_id)
    gone = dispute.arbitrator
    waits = Ruling.objects.filter(dispute=dispute, state=RulingState.PROPOSED).exists()
    if gone is None or may(gone, "rule_dispute") or waits or dispute.state not in ASSIGNABLE:
        return False
    _set(dispute, None)
    data = {"arbitrator": gone.pk, "why": "may not rule any more"}
    audit.write(
        "dispute.unclaimed", subject_id=dispute.pk, actor_id=SYSTEM.id, actor_label=SYSTEM.label, data=data
    )
    return True


def _set(dispute: Dispute, arbitrator: User | None) -> None:
    dispute.arbitrator = arbitrator
    dispute.save(update_fields=["arbitrator"])
    if arbitrator is not None:
        deadlines.cancel(timing.FIRST_ACTION, dispute.pk)
    elif dispute.state in WITH_ARBITRATOR:
        timing.start(timing.FIRST_ACTION, dispute)
    tell_staff(dispute, "dispute.assigned" if arbitrator else "dispute.unassigned")


def _expect_assignable(dispute: Dispute) -> None:
    if dispute.state not in ASSIGNABLE:
        raise Conflict(
            "not_assignable", f"This dispute is {dispute.state.replace('_', ' ')}; nobody need take it."
        )


def _expect_own(dispute: Dispute, person: User) -> None:
    if dispute.arbitrator_id != person.pk:
        raise Forbidden("not_your_case", "Somebody else has this case.")


def _expect_no_proposal(dispute: Dispute) -> None:
    if Ruling.objects.filter(dispute=dispute, state=RulingState.PROPOSED).exists():
        raise Conflict("ruling_proposed", "A ruling waits for its approval; it has to be decided first.")
