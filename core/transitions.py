"""The transition log: every state change says from where, to where, who and why."""

from collections.abc import Mapping
from typing import Any

import structlog
from django.db import models

from core import clock
from core.actors import Actor
from core.models import StateTransition


def record(
    subject: models.Model,
    *,
    source: str,
    target: str,
    actor: Actor,
    why: str = "",
    field: str = "state",
    tx_hash: str = "",
    data: Mapping[str, Any] | None = None,
) -> StateTransition:
    """Append one transition of `subject`; call it in the transaction that saves the new state."""
    context = structlog.contextvars.get_contextvars()
    return StateTransition.objects.create(
        subject_type=subject._meta.label_lower,
        subject_id=str(subject.pk),
        field=field,
        source=source,
        target=target,
        actor_kind=actor.kind,
        actor_id=actor.id,
        why=why[:200],
        tx_hash=tx_hash,
        request_id=str(context.get("request_id", ""))[:64],
        data=dict(data or {}),
        created=clock.now(),
    )


def history(subject: models.Model) -> models.QuerySet[StateTransition]:
    """All transitions of `subject`, oldest first."""
    return StateTransition.objects.filter(
        subject_type=subject._meta.label_lower, subject_id=str(subject.pk)
    ).order_by("id")
