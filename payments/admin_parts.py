"""What the consoles of money share: a reason, who acts, and what a dialog says afterwards."""

from typing import cast

from django import forms
from django.contrib.admin.utils import quote
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.models import User
from accounts.staffstepup import StepUpDialog
from core.actors import Actor
from core.errors import DomainError


class ReasonForm(BaseDialogForm):
    """Why a person steps in; it goes to the audit log, both sides only read that it happened."""

    reason = forms.CharField(label="Why", max_length=200, widget=UnfoldAdminTextInputWidget)


class LiftForm(StepUpDialog, ReasonForm):
    """Why a stop ends, and the password."""


def operator(request: HttpRequest) -> Actor:
    user = cast("User", request.user)
    return Actor("staff", user.pk, user.name)


def shown_in(form: BaseDialogForm) -> str:
    """What the dialog showed; it is made by `carrying` or `showing`."""
    return str(form.cleaned_data["seen"])


def told(request: HttpRequest, row: Model, done: str) -> HttpResponse:
    """What came of it, inside the dialog."""
    what = row._meta.verbose_name
    back = reverse(f"admin:payments_{row._meta.model_name}_change", args=[quote(row.pk)])
    return render(request, "payments/admin/dialog_done.html", {"done": done, "what": what, "back": back})


def refused(request: HttpRequest, error: DomainError) -> HttpResponse:
    """What stands in the way, where there is no row to go back to."""
    back = reverse("admin:payments_incident_changelist")
    shown = {"done": error.message, "what": "incidents", "back": back}
    return render(request, "payments/admin/dialog_done.html", shown)
