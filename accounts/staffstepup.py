"""Step-up for staff: who moves money, lifts a stop or gives rights in the consoles types the password again.

What merely stops (a hold, an incident, a switch thrown, a key revoked) asks for nothing.
"""

from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminPasswordWidget

from accounts.models import User
from accounts.stepup import REFUSED, confirm

NAME = "own_password"


def _field(*, required: bool) -> forms.CharField:
    return forms.CharField(
        label="Your own password",
        required=required,
        strip=False,
        help_text="Asked for again because this moves money, lifts a stop or gives rights.",
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "current-password"}),
    )


class StepUpDialog(BaseDialogForm):
    """A dialog that is carried out only with the password of who opened it."""

    own_password = _field(required=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.order_fields([*(name for name in self.fields if name != NAME), NAME])

    def clean_own_password(self) -> str:
        if not confirm(cast(User, self.request.user), self.cleaned_data[NAME]):
            raise ValidationError(REFUSED, code="step_up_refused")
        return ""


class StepUpModelForm(forms.ModelForm):  # type: ignore[type-arg]
    """A change page with the password; `StepUpChange` looks at it before the page's transaction begins."""

    own_password = _field(required=False)
    # None: not asked for.
    stepped_up: bool | None = None

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.stepped_up is False:
            self.add_error(NAME, ValidationError(REFUSED, code="step_up_refused"))
        return data


class StepUpChange:
    """For a `ModelAdmin` whose form is a `StepUpModelForm`; goes before it in the list of bases."""

    def needs_step_up(self, request: HttpRequest, object_id: str | None) -> bool:
        """Whether what was posted does more than stop."""
        return True

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        if request.method == "POST" and self.needs_step_up(request, object_id):
            typed = request.POST.get(NAME, "")
            request.stepped_up = confirm(cast(User, request.user), typed)  # type: ignore[attr-defined]
        page: HttpResponse = super().changeform_view(request, object_id, form_url, extra_context)  # type: ignore[misc]
        return page

    def get_form(self, request: HttpRequest, obj: Model | None = None, **kwargs: Any) -> Any:
        """Django makes a class for each request: what was found out stands on it."""
        form = super().get_form(request, obj, **kwargs)  # type: ignore[misc]
        form.stepped_up = getattr(request, "stepped_up", None)
        return form

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """Last, and only for who may change something."""
        shown = [name for name in super().get_fields(request, obj) if name != NAME]  # type: ignore[misc]
        may = self.has_change_permission(request, obj) if obj else True  # type: ignore[attr-defined]
        return [*shown, NAME] if may else shown
