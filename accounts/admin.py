"""People, for operators: rights by group; passwords are never shown or typed here."""

from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from accounts.models import User
from core.console import ReadOnlyAdmin

admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(ReadOnlyAdmin):
    """What a group may do is fixed by the code that reads it."""

    list_display = ("name",)


@admin.register(User)
class UserAdmin(ModelAdmin):
    """Switch somebody off, or put them into a group; only a superuser may."""

    actions = None
    list_display = ("email", "display_name", "is_active", "is_staff", "date_joined")
    list_filter = ("is_staff", "is_active", "groups")
    search_fields = ("email", "display_name", "id")
    fields = ("email", "display_name", "is_active", "is_staff", "groups", "date_joined", "last_login")
    readonly_fields = ("email", "display_name", "date_joined", "last_login")
    filter_horizontal = ("groups",)
    ordering = ("email",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(getattr(request.user, "is_superuser", False))
