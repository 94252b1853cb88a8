"""People, for operators: rights by group; passwords are never shown or typed here."""

from typing import Any, cast

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Model
from django.forms import ModelForm
from django.http import HttpRequest

from accounts.models import User
from accounts.services import access
from accounts.staffstepup import StepUpChange, StepUpModelForm
from core import audit
from core.console import NoSideLookups, ReadOnlyAdmin

admin.site.unregister(Group)
# Whoever edits these takes over an account; people change their own on their own pages.
admin.site.unregister(EmailAddress)
admin.site.unregister(Authenticator)


@admin.register(Group)
class GroupAdmin(ReadOnlyAdmin):
    """What a group may do is fixed by the code that reads it."""

    list_display = ("name",)


@admin.register(User)
class UserAdmin(StepUpChange, NoSideLookups):
    """Switch somebody off, or put them into a group; only a superuser may, and it is in the audit log."""

    actions = None
    form = StepUpModelForm
    list_display = ("email", "display_name", "is_active", "is_staff", "date_joined")
    list_filter = ("is_staff", "is_active", "groups")
    search_fields = ("id", "email")
    fields = ("email", "display_name", "is_active", "is_staff", "groups", "date_joined", "last_login")
    readonly_fields = ("email", "display_name", "date_joined", "last_login")
    filter_horizontal = ("groups",)
    ordering = ("email",)

    def needs_step_up(self, request: HttpRequest, object_id: str | None) -> bool:
        """Switching somebody off is done at once; with a right given beside it, it is not."""
        if "is_active" in request.POST:
            return True
        key = unquote(object_id or "")
        user = User.objects.filter(pk=key).first() if key.isprintable() else None
        had = {str(pk) for pk in user.groups.values_list("pk", flat=True)} if user else set()
        staff = "is_staff" in request.POST and not (user and user.is_staff)
        return staff or not had.issuperset(request.POST.getlist("groups"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(getattr(request.user, "is_superuser", False))

    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: User, form: ModelForm, change: bool) -> None:
        """Switching off and on belongs to the service, which tells others."""
        obj.save(update_fields=[name for name in form.changed_data if name == "is_staff"])
        if "is_active" in form.changed_data:
            switch = access.enable if obj.is_active else access.disable
            switch(obj.pk, cast(User, request.user))

    @transaction.atomic
    def save_related(self, request: HttpRequest, form: ModelForm, formsets: Any, change: bool) -> None:
        """Runs last, so that the entry tells the groups as they are now."""
        super().save_related(request, form, formsets, change)
        user = form.instance
        audit.write(
            "user.rights_changed",
            subject_id=user.pk,
            actor_id=str(request.user.pk),
            actor_label=str(request.user),
            data={
                "is_active": user.is_active,
                "is_staff": user.is_staff,
                "groups": sorted(user.groups.values_list("name", flat=True)),
            },
        )
