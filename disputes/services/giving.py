"""Time given back to the deadlines of a dispute after an incident that stopped the clocks."""

from collections.abc import Collection
from datetime import timedelta

from django.db import transaction

from chain.services.alarms import raise_alarm
from core import clock, deadlines
from core.models import Deadline
from disputes import timing
from disputes.locks import lock_dispute
from disputes.models import Dispute
from disputes.services.base import tell
from disputes.services.rulings import standing
from disputes.states import DisputeState
from payments.services import clocks, disputing, giving, pausing

KINDS = (timing.ANSWER, timing.EVIDENCE, timing.FIRST_ACTION, timing.RULING, timing.APPEAL)
_STAFF = (timing.FIRST_ACTION, timing.RULING)
_NOTHING = timedelta()


def register() -> None:
    """All deadlines of a dispute stand still in an incident of its escrow's network."""
    pausing.register(KINDS, pausing.Clock(_networks_of, _give))


def _give(wait: Deadline) -> None:
    """Move one deadline of a dispute by what it lost, to at most a day before the arbitration ends on the
    chain, which nobody can extend; the appeal window to a week before, when its ruling has to be there."""
    with transaction.atomic():
        dispute = lock_dispute(wait.subject_id)
        network_id = dispute.escrow.network_id
        found = Deadline.objects.filter(pk=wait.pk, state=Deadline.State.WAITING).first()
        if found is None or not deadlines.stands_still(found):
            return
        if pausing.is_open(network_id):
            _call(dispute, found)
            return
        missed = pausing.lost(found, network_id)
        given = _within_arbitration(found, missed)
        if not pausing.note(found, network_id, missed, given):
            return
        if given < missed:
            giving.note_short(dispute.escrow, found, missed, given)
        _follow(dispute, found, given)


def _within_arbitration(wait: Deadline, missed: timedelta) -> timedelta:
    if wait.backstop_at is None:
        return missed
    room = wait.backstop_at - _before_end(wait) - wait.due_at
    return max(_NOTHING, min(missed, room))


def _before_end(wait: Deadline) -> timedelta:
    """A ruling still has to be executed; nobody can appeal on the chain so late."""
    return disputing.RULE_MARGIN if wait.kind == timing.APPEAL else clocks.BEFORE_CHAIN_END


def _call(dispute: Dispute, wait: Deadline) -> None:
    """A ruling that stands still for too long is never executed: anyone may then take the fallback split."""
    end = wait.backstop_at
    if wait.kind == timing.APPEAL and end and clock.now() > end - _before_end(wait):
        detail = f"a ruling stands still, and the arbitration ends at {end:%Y-%m-%d %H:%M} UTC"
        raise_alarm(dispute.escrow.network, giving.UNPROTECTED, dispute.escrow_id, detail)


def _follow(dispute: Dispute, wait: Deadline, given: timedelta) -> None:
    due = wait.due_at + given
    if wait.kind == timing.APPEAL and dispute.state == DisputeState.RULED:
        # The seats sign this instant: nobody may execute the ruling before it.
        ruling = standing(dispute)
        ruling.appeal_until = due
        ruling.save(update_fields=["appeal_until"])
    if wait.kind not in _STAFF:
        tell(dispute, "dispute.time_given_back", kind=wait.kind, due_at=due.isoformat())


def _networks_of(subjects: Collection[str]) -> dict[str, int]:
    return dict(Dispute.objects.filter(pk__in=subjects).values_list("pk", "escrow__network"))
