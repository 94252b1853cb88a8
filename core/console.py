"""Admin pages that look and do not touch: the base of every console list."""

from typing import Any

from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin


class NoSideLookups(ModelAdmin):
    """Addresses filter by nothing but the list's own filters.

    Django lets an address ask about any column of the row (`?password__startswith=`), shown or not.
    """

    def lookup_allowed(self, lookup: str, value: str, request: Any = None) -> bool:
        shown = {item for item in self.list_filter if isinstance(item, str)}
        return lookup.partition("__")[0] in shown and super().lookup_allowed(lookup, value, request)


class ReadOnlyAdmin(NoSideLookups):
    """Rows that only services write: no add, no change, no deletion, no bulk action."""

    actions = None
    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """Every column but the excluded: Django itself shows read-only ones although they are excluded."""
        excluded = self.get_exclude(request, obj) or ()
        return [field.name for field in self.model._meta.fields if field.name not in excluded]

    def get_queryset(self, request: HttpRequest) -> Any:
        """Read what the columns show in one query."""
        return super().get_queryset(request).select_related(*(self.list_select_related or ()))
