"""The operators' view of partners and keys. A secret is shown once, on the page that made it."""

from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from unfold.admin import ModelAdmin
from unfold.dataclasses import ActionDialog
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminIntegerFieldWidget

from accounts.models import User
from accounts.staffstepup import NAME, StepUpChange, StepUpDialog, StepUpModelForm
from core.actors import Actor
from core.console import row_at
from core.errors import DomainError
from core.text import check_short
from partners.models import ApiKey, Partner, Scope
from partners.services import accounts, keys


def _staff(request: HttpRequest) -> Actor:
    user = request.user
    if not isinstance(user, User):
        raise TypeError("the admin is for people who signed in")
    return Actor("staff", user.pk, user.name)


class NeverDeleted(ModelAdmin):
    """Rows that the database keeps for good offer no deletion and no bulk action."""

    actions = None

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class PartnerForm(StepUpModelForm):
    """A partner's name is read by its customers."""

    class Meta:
        model = Partner
        fields = ("name", "owner", "enabled")

    def clean_name(self) -> str:
        """Raises `ValidationError` for a name that hides or reverses what stands around it."""
        name: str = self.cleaned_data["name"]
        check_short(name)
        return name


@admin.register(Partner)
class PartnerAdmin(StepUpChange, NeverDeleted):
    """Partners; switching one off refuses all its keys."""

    form = PartnerForm

    list_display = ("name", "owner", "enabled", "created")
    search_fields = ("name", "id", "owner__email")
    list_select_related = ("owner",)
    fields = ("name", "owner", "enabled")
    autocomplete_fields: ClassVar[list[str]] = []
    raw_id_fields = ("owner",)

    def needs_step_up(self, request: HttpRequest, object_id: str | None) -> bool:
        """A partner that stays or comes on may act for people."""
        return object_id is None or "enabled" in request.POST

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return ("owner",) if obj else ("enabled",)

    def save_model(self, request: HttpRequest, obj: Partner, form: forms.ModelForm, change: bool) -> None:
        """Every change goes through its service, which writes the audit log."""
        if change:
            accounts.rename(obj, name=obj.name, actor=_staff(request))
            accounts.set_enabled(obj, enabled=obj.enabled, actor=_staff(request))
            return
        made = accounts.create_partner(name=obj.name, owner=obj.owner, actor=_staff(request))
        obj.pk, obj.created = made.pk, made.created


class KeyForm(StepUpModelForm):
    """A new key, or the two things that may change of one."""

    scopes = forms.MultipleChoiceField(choices=Scope.choices, widget=UnfoldAdminCheckboxSelectMultipleWidget)

    class Meta:
        model = ApiKey
        fields = ("partner", "label", "livemode", "scopes", "ip_allow_list")

    def clean_ip_allow_list(self) -> list[str]:
        try:
            return keys.checked_networks(self.cleaned_data["ip_allow_list"])
        except DomainError as error:
            raise ValidationError(error.message) from None


class RollForm(StepUpDialog):
    """How long the old key works beside the new one."""

    hours = forms.IntegerField(
        label="Hours for which the old key still works",
        min_value=0,
        max_value=int(keys.LONGEST_OVERLAP.total_seconds()) // 3600,
        widget=UnfoldAdminIntegerFieldWidget,
    )


_ROLL = ActionDialog(
    title="Roll this key",
    description="A new key with the same rights takes its place; both work until the overlap is over.",
    form_class=RollForm,
    form_submit_text="Roll the key",
)
_REVOKE = ActionDialog(
    title="Revoke this key",
    description="Requests with it are refused from now on. This cannot be undone.",
    form_class=BaseDialogForm,
    form_submit_text="Revoke the key",
)


@admin.register(ApiKey)
class ApiKeyAdmin(StepUpChange, NeverDeleted):
    """API keys: issued here, shown once, then rolled or revoked."""

    form = KeyForm
    list_display = (
        "prefix",
        "partner",
        "label",
        "livemode",
        "created",
        "last_used",
        "expires_at",
        "revoked_at",
    )
    list_filter = ("livemode",)
    list_select_related = ("partner",)
    search_fields = ("prefix", "label", "partner__name")
    actions_detail: ClassVar[list[str]] = ["roll", "revoke"]

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        given = ["partner", "label", "livemode", "scopes", "ip_allow_list"]
        if obj:
            given = ["id", "prefix", *given, "created", "last_used", "expires_at", "revoked_at"]
        return [*given, NAME]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        fixed = ("partner", "livemode", "scopes", "created", "last_used", "expires_at", "revoked_at")
        return ("id", "prefix", *fixed) if obj else ()

    def save_model(self, request: HttpRequest, obj: ApiKey, form: forms.ModelForm, change: bool) -> None:
        """Issue the key or describe it; the secret waits in the request for the answer."""
        if change:
            current = ApiKey.objects.get(pk=obj.pk)
            keys.describe(current, label=obj.label, ip_allow_list=obj.ip_allow_list, actor=_staff(request))
            return
        issued = keys.create_key(
            obj.partner,
            livemode=obj.livemode,
            scopes=obj.scopes,
            actor=_staff(request),
            label=obj.label,
            ip_allow_list=obj.ip_allow_list,
        )
        obj.pk, obj.prefix = issued.key.pk, issued.key.prefix
        request.issued_key = issued  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: Any = None) -> HttpResponse:
        """Show the secret instead of going back to the list: there is no second chance."""
        issued = request.issued_key  # type: ignore[attr-defined]
        context = self.admin_site.each_context(request) | {"issued": issued, "title": "Your new API key"}
        response = render(request, "partners/admin/key_issued.html", context)
        response["Cache-Control"] = "no-store"
        return response

    @action(description="Roll", dialog=_ROLL, permissions=["change"])
    def roll(self, request: HttpRequest, form: RollForm, object_id: str) -> HttpResponse:
        """Issue the successor and show its secret in the dialog."""
        key = row_at(ApiKey, object_id)
        overlap = timedelta(hours=form.cleaned_data["hours"])
        return self._told(request, lambda: keys.roll(key, overlap=overlap, actor=_staff(request)))

    @action(description="Revoke", dialog=_REVOKE, permissions=["change"], variant=ActionVariant.DANGER)
    def revoke(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """End the key."""
        key = row_at(ApiKey, object_id)
        return self._told(request, lambda: keys.revoke(key, actor=_staff(request)))

    def _told(self, request: HttpRequest, act: Any) -> HttpResponse:
        """Do it and say in the dialog what came of it."""
        context: dict[str, Any] = {}
        try:
            context["issued"] = act()
        except DomainError as error:
            context["refused"] = error.message
        response = render(request, "partners/admin/key_dialog.html", context)
        response["Cache-Control"] = "no-store"
        return response
