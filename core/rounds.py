"""Long rounds over many rows, done a portion at a time: where the next one goes on stands in the database.

A round that no task could finish in its time is finished by the tasks that follow, on whatever machine.
Two that run at once do some portions twice, which harms nothing, and never take each other back.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db.models import DurationField, ExpressionWrapper, F
from django.db.models.functions import Now

from core.models import LongRound

Portion = Callable[[str], str | None]
_AGE = ExpressionWrapper(Now() - F("began_at"), output_field=DurationField())


def go_on(name: str, portion: Portion, *, seconds: float, pause: timedelta = timedelta()) -> bool:
    """Do portions of the round `name` for about `seconds`; True when the round came to its end.

    `portion(after)` works on what follows the key `after` and returns the last key that it did; None when
    nothing followed. What it raises ends the turn, and the portion is done again. A new round begins no
    sooner than `pause` after the last one began, by the database's clock.
    """
    LongRound.objects.get_or_create(name=name)
    row = LongRound.objects.annotate(age=_AGE).get(name=name)
    if not row.after and row.age is not None and timedelta() <= row.age < pause:
        return False
    after, end = row.after, time.monotonic() + seconds
    while True:
        last = portion(after)
        if not _reached(name, after, last):
            return False
        if last is None:
            return True
        if time.monotonic() > end:
            return False
        after = last


def of(owner: str, what: str) -> str:
    """The name of a round whose coming to an end is watched; see `unended`."""
    return f"{owner}: {what}"


def _reached(name: str, after: str, last: str | None) -> bool:
    """Store how far the round is; False if somebody else moved it meanwhile and goes on from there."""
    facts: dict[str, Any] = {"after": last or ""}
    if not after:
        # Only now has it begun: one whose first portion failed is begun at the next turn, not after `pause`.
        facts["began_at"] = Now()
    if last is None:
        facts["ended_at"] = Now()
    return bool(LongRound.objects.filter(name=name, after=after).update(**facts))


def unended(owner: str, limit: timedelta, what: str = "") -> list[str]:
    """The owner's rounds, all or those called `what`, none of which came to an end for `limit`, or since they
    are known."""
    rows = LongRound.objects.filter(name__startswith=of(owner, what), ended_at__lt=Now() - limit)
    return sorted(rows.values_list("name", flat=True))
