"""Long rounds over many rows, done a portion at a time: where the next one goes on stands in the database.

A round that no task could finish in its time is finished by the tasks that follow, on whatever machine.
Two that run at once do some portions twice, which harms nothing.
"""

import time
from collections.abc import Callable
from datetime import timedelta

from core import clock
from core.models import LongRound

Portion = Callable[[str], str | None]


def go_on(name: str, portion: Portion, *, seconds: float, pause: timedelta = timedelta()) -> bool:
    """Do portions of the round `name` for about `seconds`; True when the round came to its end.

    `portion(after)` works on what follows the key `after` and returns the last key that it did; None when
    nothing followed. What it raises ends the turn, and the portion is done again. A new round begins no
    sooner than `pause` after the last one began.
    """
    now = clock.now()
    row, created = LongRound.objects.get_or_create(name=name, defaults={"began_at": now})
    if not row.after and not created:
        if now - row.began_at < pause:
            return False
        LongRound.objects.filter(name=name).update(began_at=now)
    after, end = row.after, time.monotonic() + seconds
    while True:
        last = portion(after)
        LongRound.objects.filter(name=name).update(after=last or "")
        if last is None:
            return True
        if time.monotonic() > end:
            return False
        after = last
