"""Who may come in at all: the one way in which a person is switched off and on again.

Others hear of it from the outbox, as `user.disabled` and `user.enabled`; the subject is the person.
"""

from django.db import transaction

from accounts.models import User
from core import audit, outbox


def disable(user_id: str, by: User) -> bool:
    """Let the person in no more, running sessions included; False if they were off already."""
    return _switch(user_id, by, active=False)


def enable(user_id: str, by: User) -> bool:
    """Let the person in again; False if they were not off."""
    return _switch(user_id, by, active=True)


@transaction.atomic
def _switch(user_id: str, by: User, *, active: bool) -> bool:
    user = User.objects.select_for_update(no_key=True).get(pk=user_id)
    if user.is_active == active:
        return False
    user.is_active = active
    user.save(update_fields=["is_active"])
    event = "user.enabled" if active else "user.disabled"
    audit.write(event, subject_id=user.pk, actor_id=by.pk, actor_label=str(by))
    outbox.emit(event, subject_id=user.pk, payload={"by": by.pk})
    return True
