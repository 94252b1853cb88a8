"""One table of deadlines, one duty that runs what is due, one handler for each kind.

A handler runs a service that locks its subject first and then calls `claim`: only the one who moves the
row from waiting to passed acts, so a rival click and a timer that runs twice are both harmless. While clocks
stand still nothing can be claimed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import models

from core import clock
from core.models import Deadline

log = structlog.get_logger(__name__)

Handler = Callable[[Deadline], bool]
_handlers: dict[str, Handler] = {}
_ASK_AGAIN = timedelta(seconds=5)
_STANDING_ASK_AGAIN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Pause:
    """Who knows whether a wait stands still, and gives it what it lost.

    `kinds()` are those that may. `stands(wait)` is asked inside the transaction that would act and holds
    until its end. `settle(wait)` runs for one that is due and stands still, outside a transaction.
    """

    kinds: Callable[[], list[str]]
    stands: Handler
    settle: Callable[[Deadline], None]


_pauses: list[Pause] = []


def register_handler(kind: str, handler: Handler) -> None:
    """`handler(deadline)` does what was published; False means "not yet, ask again soon"."""
    _handlers[kind] = handler


def kinds() -> list[str]:
    """Every kind that has a handler."""
    return list(_handlers)


def register_pause(pause: Pause) -> None:
    """Have `pause` asked before a default happens. One for the whole platform; a later one replaces it."""
    _pauses[:] = [pause]


def stands_still(deadline: Deadline) -> bool:
    """Whether the clock of this wait is stopped, or it has not been given yet what it lost."""
    return any(pause.stands(deadline) for pause in _pauses)


def start(kind: str, subject_id: str, due_at: datetime, *, backstop_at: datetime | None = None) -> Deadline:
    """Store the instant at which the default of `kind` happens; replaces one that still waits."""
    cancel(kind, subject_id)
    return Deadline.objects.create(
        kind=kind,
        subject_id=subject_id,
        due_at=due_at,
        backstop_at=backstop_at,
        next_try_at=due_at,
        created=clock.now(),
    )


def cancel(kind: str, subject_id: str) -> None:
    """Stop the waiting deadline of this kind, if there is one."""
    Deadline.objects.filter(kind=kind, subject_id=subject_id, state=Deadline.State.WAITING).update(
        state=Deadline.State.CANCELLED
    )


def cancel_all(subject_id: str) -> None:
    """Stop every waiting deadline of a subject."""
    Deadline.objects.filter(subject_id=subject_id, state=Deadline.State.WAITING).update(
        state=Deadline.State.CANCELLED
    )


def waiting(subject_id: str) -> models.QuerySet[Deadline]:
    """The deadlines of a subject that still run, soonest first."""
    return Deadline.objects.filter(subject_id=subject_id, state=Deadline.State.WAITING).order_by("due_at")


def overdue() -> models.QuerySet[Deadline]:
    """What should have happened and did not: it waits for something (a final block, a hold), or fails."""
    now = clock.now()
    # Asked again soon, so it stands near the front of the index.
    soon = now + _ASK_AGAIN
    return Deadline.objects.filter(state=Deadline.State.WAITING, next_try_at__lte=soon, due_at__lte=now)


def claim(deadline: Deadline) -> bool:
    """Mark as passed; False if somebody else did, cancelled it, or moved it, or while clocks stand still.
    Lock the subject before."""
    if stands_still(deadline):
        return False
    return bool(
        Deadline.objects.filter(pk=deadline.pk, state=Deadline.State.WAITING, due_at__lte=clock.now()).update(
            state=Deadline.State.PASSED
        )
    )


def run_due(limit: int = 200) -> int:
    """Run the handlers of what is due; returns how many acted. One failing handler stops no other.

    Many may be due while clocks stand still: what goes on all the same does not wait behind them.
    """
    due = Deadline.objects.filter(state=Deadline.State.WAITING, next_try_at__lte=clock.now())
    may_stand = [kind for pause in _pauses for kind in pause.kinds()]
    lanes = due.exclude(kind__in=may_stand), due.filter(kind__in=may_stand)
    return sum(_run(deadline) for lane in lanes for deadline in lane.order_by("next_try_at")[:limit])


def _run(deadline: Deadline) -> bool:
    acted, again = False, _ASK_AGAIN
    try:
        if stands_still(deadline):
            again = _STANDING_ASK_AGAIN
            for pause in _pauses:
                pause.settle(deadline)
        elif handler := _handlers.get(deadline.kind):
            acted = handler(deadline)
    except Exception:
        log.exception("deadline_failed", kind=deadline.kind, subject_id=deadline.subject_id)
    if not acted:
        # One that was moved meanwhile has its own next instant.
        waiting_still = Deadline.objects.filter(pk=deadline.pk, state=Deadline.State.WAITING)
        waiting_still.filter(due_at=deadline.due_at).update(next_try_at=clock.now() + again)
    return acted


def move(deadline: Deadline, due_at: datetime) -> bool:
    """Move one waiting deadline; False if it is not as it was read, so that nobody moves it twice."""
    found = Deadline.objects.filter(pk=deadline.pk, state=Deadline.State.WAITING, due_at=deadline.due_at)
    return bool(found.update(due_at=due_at, next_try_at=due_at))


def set_backstop(kind: str, subject_id: str, backstop_at: datetime | None) -> None:
    """The chain told its own instant for what a waiting deadline shows."""
    Deadline.objects.filter(kind=kind, subject_id=subject_id, state=Deadline.State.WAITING).update(
        backstop_at=backstop_at
    )


def move_waiting(kind: str, subject_id: str, due_at: datetime) -> None:
    """Move a waiting deadline to another instant, if there is one."""
    Deadline.objects.filter(kind=kind, subject_id=subject_id, state=Deadline.State.WAITING).update(
        due_at=due_at, next_try_at=due_at
    )
