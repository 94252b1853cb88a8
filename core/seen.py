"""What somebody saw when they decided: a form carries it, and the service compares it under the row lock.

The pages' `If-Match`. A form that is posted twice, or after the object has changed, is refused: its person
looked at something else. The fingerprint is no secret and no right; who forges one only fools themselves.
"""

import hashlib
import json
from collections.abc import Callable
from typing import TypeVar

from django.db.models import Model
from django.http import HttpRequest

from core.errors import Conflict

# The hidden field of every form that moves money or state.
FIELD = "seen"
STALE = (
    "Nothing was moved by this click: it was decided already, or something has changed since you opened the "
    "page. Look at it as it is now, then decide."
)
Seen = TypeVar("Seen")


def fingerprint(*facts: object) -> str:
    """32 hex digits over facts in their order; equal exactly where all of them are equal as text."""
    text = json.dumps([str(fact) for fact in facts])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def row(shown: Model) -> str:
    """The fingerprint of every column of a row: for operators, who see the whole row."""
    return fingerprint(*(getattr(shown, field.attname) for field in shown._meta.concrete_fields))


def check(expected: str | None, of: Callable[[Seen], str], locked: Seen) -> None:
    """Raise `Conflict` `stale` unless the locked object still shows what the caller saw.

    None: the caller saw nothing and decides on what the lock shows (timers, the API under its `If-Match`).
    """
    if expected is not None and expected != of(locked):
        raise Conflict("stale", STALE)


def posted(request: HttpRequest) -> str:
    """What the posted form carried; the empty text, which matches nothing, where it carried nothing."""
    return str(request.POST.get(FIELD, ""))
