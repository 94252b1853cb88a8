"""The two groups of people who work on disputes, and what each may do."""

from typing import Any

from django.contrib.auth.models import Group, Permission

ARBITRATORS = "Arbitrators"
LEADS = "Lead arbitrators"
_RIGHTS = {
    ARBITRATORS: ("view_dispute", "claim_dispute", "rule_dispute"),
    LEADS: ("view_dispute", "approve_ruling", "assign_dispute"),
}


def ensure(**_: Any) -> None:
    """Create both groups with exactly their rights; safe to call again."""
    for name, codenames in _RIGHTS.items():
        group, _created = Group.objects.get_or_create(name=name)
        rights = Permission.objects.filter(content_type__app_label="disputes", codename__in=codenames)
        group.permissions.set(rights)
