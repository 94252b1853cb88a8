"""Partners themselves."""

from django.db import transaction

from accounts.models import User
from core import audit, clock
from core.actors import Actor
from core.text import require_short
from partners.models import Partner


@transaction.atomic
def create_partner(*, name: str, owner: User, actor: Actor) -> Partner:
    """A new marketplace; `owner` is the person who answers for it. Raises `Invalid` for a name that hides."""
    require_short(name, pointer="/name")
    partner = Partner.objects.create(name=name, owner=owner, created=clock.now())
    audit.write("partner.created", subject_id=partner.pk, actor_id=actor.id, actor_label=actor.label)
    return partner


@transaction.atomic
def rename(partner: Partner, *, name: str, actor: Actor) -> None:
    """Change how the partner is called on pages. Raises `Invalid` for a name that hides."""
    require_short(name, pointer="/name")
    if Partner.objects.filter(pk=partner.pk).exclude(name=name).update(name=name):
        data = {"name": name}
        audit.write(
            "partner.renamed", subject_id=partner.pk, actor_id=actor.id, actor_label=actor.label, data=data
        )


@transaction.atomic
def set_enabled(partner: Partner, *, enabled: bool, actor: Actor) -> None:
    """Switch all keys of a partner off or on; saying the same twice changes nothing."""
    changed = Partner.objects.filter(pk=partner.pk, enabled=not enabled).update(enabled=enabled)
    partner.enabled = enabled
    if changed:
        action = "partner.enabled" if enabled else "partner.disabled"
        audit.write(action, subject_id=partner.pk, actor_id=actor.id, actor_label=actor.label)
