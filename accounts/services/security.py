"""Changes of how a person signs in, and the time after them in which their money rests.

Who stole a session or a mailbox changes e-mail, password or factor in order to pay themselves. For a while
after every such change nothing of that person pays another; the mails about it give the owner that long.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from accounts.models import User
from core import audit, clock, outbox

# What may change; the word stands in the audit log and in the event.
PASSWORD, EMAIL, FACTOR = "password", "email", "factor"


@transaction.atomic
def changed(user_id: str, what: str) -> None:
    """Write down that the way in has changed, in the transaction of the change: the wait begins anew."""
    at = clock.now()
    if not User.objects.filter(pk=user_id).update(sign_in_changed_at=at):
        return
    audit.write("user.sign_in_changed", subject_id=user_id, actor_id=user_id, data={"what": what})
    facts = {"what": what, "waits_until": until(at).isoformat()}
    outbox.emit("user.sign_in_changed", subject_id=user_id, payload=facts)


def until(changed_at: datetime) -> datetime:
    """When the wait after a change ends."""
    return changed_at + timedelta(seconds=settings.CLOCKS["sign_in_changed"])


def length() -> str:
    """How long the wait is, in words."""
    return f"{settings.CLOCKS['sign_in_changed'] // 3600} hours"


def waits_until(user: User | None) -> datetime | None:
    """Until when nothing of this person pays another; None if nothing changed lately."""
    if user is None or user.sign_in_changed_at is None:
        return None
    end = until(user.sign_in_changed_at)
    return end if end > clock.now() else None
