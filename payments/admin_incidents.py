"""Clocks that stand still, for operators: incidents, signs of life, and parties who cannot act."""

from datetime import datetime

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.dataclasses import ActionDialog
from unfold.decorators import action
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from chain.models import Network
from core.console import ReadOnlyAdmin, carrying, row_at, showing
from core.errors import DomainError
from payments.admin_parts import LiftForm, ReasonForm, operator, refused, shown_in, told
from payments.models import AbsenceHold, Incident, Pulse
from payments.services import incidents


class IncidentForm(ReasonForm):
    """Whose clocks stand still, and why: people read the reason."""

    network = forms.ModelChoiceField(
        Network.objects.order_by("name"),
        label="Network",
        empty_label="All networks",
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    since = forms.DateTimeField(
        label="Since when, in UTC",
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"}),
        help_text="Empty: from now on. At most 14 days back, and not before the last incident here ended. "
        "What happened by a deadline since then stays.",
    )
    field_order = ("network", "since", "reason")


_OPEN_INCIDENT = ActionDialog(
    title="Stop the clocks",
    description="Nothing happens by the platform's deadlines until the incident is ended; people and the "
    "chain go on. Everybody reads the reason. The time is given back afterwards.",
    form_class=carrying(incidents.standing, IncidentForm),
    form_submit_text="Stop the clocks",
)
_END_INCIDENT = ActionDialog(
    title="End the incident",
    description="The clocks go on, and every wait is moved later by what it lost.",
    form_class=showing(Incident, LiftForm),
    form_submit_text="Let the clocks go on",
)


@admin.register(Incident)
class IncidentAdmin(ReadOnlyAdmin):
    """Clocks that stand still, for a reason that everybody reads; both ends are in the audit log."""

    list_display = ("opened_at", "scope", "reason", "opened_by", "ended_at", "ended_by", "settled_at")
    fields = ("id", "cause", *list_display)
    readonly_fields = fields
    list_select_related = ("network",)
    ordering = ("-opened_at",)
    actions_list = ("open_incident",)
    actions_detail = ("end_incident",)

    def has_operate_permission(self, request: HttpRequest, *_: object) -> bool:
        """Incidents are for operators with the right to change them."""
        return request.user.has_perm("payments.change_incident")

    @action(description="Stop the clocks", url_path="open", dialog=_OPEN_INCIDENT, permissions=["operate"])
    def open_incident(self, request: HttpRequest, form: IncidentForm) -> HttpResponse:
        """Nothing happens by the platform's deadlines until it is ended."""
        said = form.cleaned_data
        try:
            incident = incidents.open_incident(
                network=said["network"],
                reason=said["reason"],
                since=said["since"],
                acting=operator(request),
                expected=shown_in(form),
            )
        except DomainError as error:
            return refused(request, error)
        done = f"The clocks of {incident.scope} stand still."
        if said["since"]:
            passed = incidents.passed_since(incident)
            done = f"{done} Deadlines that passed since then and stay as they are: {passed}."
        return told(request, incident, done)

    @action(description="End it", url_path="end", dialog=_END_INCIDENT, permissions=["operate"])
    def end_incident(self, request: HttpRequest, form: LiftForm, object_id: str) -> HttpResponse:
        """The clocks go on; the time is given back."""
        incident = row_at(Incident, object_id)
        reason = form.cleaned_data["reason"]
        try:
            incidents.end_incident(
                incident_id=incident.pk, reason=reason, acting=operator(request), expected=shown_in(form)
            )
        except DomainError as error:
            return told(request, incident, error.message)
        return told(request, incident, "The clocks go on. Every wait is given back what it lost.")


@admin.register(Pulse)
class PulseAdmin(ReadOnlyAdmin):
    """Signs of life; one that is too old stops the clocks."""

    list_display = ("name", "network", "number", "alive_at")
    list_select_related = ("network",)
    ordering = ("name",)


@admin.register(AbsenceHold)
class AbsenceHoldAdmin(ReadOnlyAdmin):
    """Escrows held because a party is away: a person lifts each on the escrow's own page."""

    list_display = ("created", "escrow", "who", "back_since", "held_now")
    list_select_related = ("escrow", "absence__user", "absence__partner")
    search_fields = ("escrow__id", "absence__user__email")
    ordering = ("-id",)

    @admin.display(description="who cannot act")
    def who(self, row: AbsenceHold) -> str:
        return row.absence.who

    @admin.display(description="can act again since")
    def back_since(self, row: AbsenceHold) -> datetime | None:
        return row.absence.ended_at

    @admin.display(description="on hold now", boolean=True)
    def held_now(self, row: AbsenceHold) -> bool:
        return bool(row.escrow.held_reason)
