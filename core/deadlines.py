"""One table of deadlines, one duty that runs what is due, one handler for each kind.

A handler runs a service that locks its subject first and then calls `claim`: only the one who moves the
row from waiting to passed acts, so a rival click and a timer that runs twice are both harmless.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from django.db import models

from core import clock
from core.models import Deadline

log = structlog.get_logger(__name__)

Handler = Callable[[Deadline], bool]
_handlers: dict[str, Handler] = {}
_ASK_AGAIN = timedelta(seconds=5)


def register_handler(kind: str, handler: Handler) -> None:
    """`handler(deadline)` does what was published; False means "not yet, ask again soon"."""
    _handlers[kind] = handler


def kinds() -> list[str]:
    """Every kind that has a handler."""
    return list(_handlers)


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
    """Mark as passed; False if somebody else did, cancelled it, or moved it. Lock the subject before."""
    return bool(
        Deadline.objects.filter(pk=deadline.pk, state=Deadline.State.WAITING, due_at__lte=clock.now()).update(
            state=Deadline.State.PASSED
        )
    )


def run_due(limit: int = 200) -> int:
    """Run the handlers of what is due; returns how many acted. One failing handler stops no other."""
    due = Deadline.objects.filter(state=Deadline.State.WAITING, next_try_at__lte=clock.now())
    return sum(_run(deadline) for deadline in due.order_by("next_try_at")[:limit])


def _run(deadline: Deadline) -> bool:
    handler = _handlers.get(deadline.kind)
    acted = False
    try:
        acted = handler(deadline) if handler else False
    except Exception:
        log.exception("deadline_failed", kind=deadline.kind, subject_id=deadline.subject_id)
    if not acted:
        Deadline.objects.filter(pk=deadline.pk, state=Deadline.State.WAITING).update(
            next_try_at=clock.now() + _ASK_AGAIN
        )
    return acted


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
