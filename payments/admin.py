"""Money, for operators: everything to see, nothing to edit; holds and kill switches by their services."""

import json
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from unfold.admin import ModelAdmin
from unfold.dataclasses import ActionDialog
from unfold.decorators import action
from unfold.forms import BaseDialogForm
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.models import User
from accounts.staffstepup import StepUpChange, StepUpDialog, StepUpModelForm
from core.console import CarriesRow, ReadOnlyAdmin, carrying, one_of, row_at, showing
from core.errors import DomainError
from payments import admin_budgets, admin_incidents, admin_lists  # noqa: F401  (they register consoles)
from payments.admin_parts import LiftForm, ReasonForm, operator, shown_in, told
from payments.models import (
    Approval,
    Escrow,
    KillSwitch,
    Order,
    PayoutLeg,
)
from payments.services import approving, controls, extending, orders, outcomes, payouts
from payments.services.seen import of_hold, of_leg
from payments.states import APPROVAL, ESCROW, LEG, ORDER


class TimeForm(ReasonForm):
    """How many days, and why."""

    days = forms.IntegerField(
        min_value=1, max_value=extending.MAX_OPERATOR_DAYS, widget=UnfoldAdminIntegerFieldWidget
    )


class ApproveForm(StepUpDialog):
    """The amount typed by hand, so that the second person reads it; a signature where the key is outside."""

    typed_amount = forms.CharField(label="Amount", max_length=60, widget=UnfoldAdminTextInputWidget)
    signature = forms.RegexField(
        regex=r"^0x[0-9a-fA-F]{130}$",
        label="Signature of the second key, if it is not kept here",
        required=False,
        widget=UnfoldAdminTextInputWidget,
    )


def _hold_of(object_id: str) -> str:
    return of_hold(row_at(Escrow, object_id))


_HOLD = ActionDialog(
    title="Place a hold",
    description="No order that pays out of this escrow is carried out until the hold is lifted.",
    form_class=carrying(_hold_of, ReasonForm),
    form_submit_text="Place the hold",
)
_UNFREEZE = ActionDialog(
    title="Unfreeze",
    description="Books and chain differed. Only when it is known why; a difference that is still there "
    "freezes the escrow again at the next comparison.",
    form_class=carrying(_hold_of, LiftForm),
    form_submit_text="Unfreeze",
)
_TRY_AGAIN = ActionDialog(
    title="Try this order again",
    description="A new call with the same contents. If the effect is there already the contract refuses it.",
    form_class=showing(Order, StepUpDialog),
    form_submit_text="Try again",
)
_GIVE_UP = ActionDialog(
    title="Give this order up",
    description="The order ends without effect and the escrow goes on as if it had not been placed.",
    form_class=showing(Order, LiftForm),
    form_submit_text="Give it up",
)
_GIVE_TIME = ActionDialog(
    title="Give more time",
    description="The wait that runs ends later, on the chain and then here; at most 14 days in all.",
    form_class=showing(Escrow, TimeForm),
    form_submit_text="Give the time",
)
_APPROVE = ActionDialog(
    title="Approve this payout",
    description="It is above what the payout key may decide alone. Compare the escrow's page with what was "
    "ordered, then type the amount. The second key then signs for exactly this call.",
    form_class=showing(Approval, ApproveForm),
    form_submit_text="Approve",
)
_START_TOKEN = ActionDialog(
    title="Let this token pay again",
    description="Books and chain differed and nobody knew why. Orders that wait are carried out at once.",
    form_class=showing(KillSwitch, LiftForm),
    form_submit_text="Let it pay",
)
_RETRY = ActionDialog(
    title="Try this payment again",
    description="The token refused it. It goes to the same address; a token that still refuses costs gas.",
    form_class=carrying(lambda object_id: of_leg(row_at(PayoutLeg, object_id)), StepUpDialog),
    form_submit_text="Try again",
)
_LIFT = ActionDialog(
    title="Lift the hold",
    description="Orders that wait for it are carried out at once.",
    form_class=carrying(_hold_of, StepUpDialog),
    form_submit_text="Lift the hold",
)


@admin.register(Escrow)
class EscrowAdmin(ReadOnlyAdmin):
    """A hold stops every payout of one escrow until it is lifted; both are in the audit log."""

    list_display = ("created", "title", "state", "shown_amount", "vault_address", "held_reason", "frozen")
    list_filter = (one_of("state", lambda: ESCROW.states), "network", "frozen")
    search_fields = ("id", "deal__id", "vault_address", "chain_id_hash")
    list_select_related = ("network", "token__network")
    ordering = ("-id",)
    actions_detail = ("place_hold", "lift_hold", "unfreeze", "give_time")

    @admin.display(description="amount")
    def shown_amount(self, escrow: Escrow) -> str:
        return f"{escrow.money} on {escrow.network.name}"

    def has_operate_permission(self, request: HttpRequest, *_: object) -> bool:
        """Holds are for operators with the right to change escrows."""
        return request.user.has_perm("payments.change_escrow")

    @action(description="Place a hold", url_path="hold", dialog=_HOLD, permissions=["operate"])
    def place_hold(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        """Stop every payout, for a reason that is written down."""
        escrow = row_at(Escrow, object_id)
        reason = form.cleaned_data["reason"]
        try:
            controls.place_hold(
                escrow_id=escrow.pk, reason=reason, acting=operator(request), expected=shown_in(form)
            )
        except DomainError as error:
            return told(request, escrow, error.message)
        return told(request, escrow, "The hold is placed: nothing is paid out of this escrow.")

    @action(description="Lift the hold", url_path="lift", dialog=_LIFT, permissions=["operate"])
    def lift_hold(self, request: HttpRequest, form: StepUpDialog, object_id: str) -> HttpResponse:
        """Let payouts go on."""
        escrow = row_at(Escrow, object_id)
        try:
            controls.lift_hold(escrow_id=escrow.pk, acting=operator(request), expected=shown_in(form))
        except DomainError as error:
            return told(request, escrow, error.message)
        return told(request, escrow, "The hold is lifted.")

    @action(description="Unfreeze", url_path="unfreeze", dialog=_UNFREEZE, permissions=["operate"])
    def unfreeze(self, request: HttpRequest, form: LiftForm, object_id: str) -> HttpResponse:
        """The difference between books and chain is explained."""
        escrow = row_at(Escrow, object_id)
        reason = form.cleaned_data["reason"]
        try:
            controls.unfreeze(
                escrow_id=escrow.pk, reason=reason, acting=operator(request), expected=shown_in(form)
            )
        except DomainError as error:
            return told(request, escrow, error.message)
        return told(request, escrow, "Money may leave this escrow again.")

    @action(description="Give more time", url_path="time", dialog=_GIVE_TIME, permissions=["operate"])
    def give_time(self, request: HttpRequest, form: TimeForm, object_id: str) -> HttpResponse:
        """After an incident, or where a party could not be reached."""
        escrow = row_at(Escrow, object_id)
        days, reason = form.cleaned_data["days"], form.cleaned_data["reason"]
        try:
            order = extending.give_time(
                escrow_id=escrow.pk,
                days=days,
                reason=reason,
                acting=operator(request),
                expected=shown_in(form),
            )
        except DomainError as error:
            return told(request, escrow, error.message)
        when = "when the chain has it" if order else "from now on"
        return told(request, escrow, f"{days} more days, {when}.")


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    list_display = ("created", "kind", "state", "escrow", "reason", "attempts", "failure")
    list_filter = (one_of("state", lambda: ORDER.states), "kind")
    search_fields = ("id", "escrow__id")
    list_select_related = ("escrow",)
    # Signatures of a ruling are in the payload: nobody sees them before the chain does.
    exclude = ("payload",)
    ordering = ("-id",)
    actions_detail = ("try_again", "give_up")

    def has_operate_permission(self, request: HttpRequest, *_: object) -> bool:
        """Orders that call for a person are for operators with the right to change orders."""
        return request.user.has_perm("payments.change_order")

    @action(description="Try again", url_path="try-again", dialog=_TRY_AGAIN, permissions=["operate"])
    def try_again(self, request: HttpRequest, form: StepUpDialog, object_id: str) -> HttpResponse:
        """An order that waits for a person gets one more call."""
        order = row_at(Order, object_id)
        try:
            orders.resume(order_id=order.pk, acting=operator(request), expected=shown_in(form))
        except DomainError as error:
            return told(request, order, error.message)
        return told(request, order, "The order is under way again.")

    @action(description="Give up", url_path="give-up", dialog=_GIVE_UP, permissions=["operate"])
    def give_up(self, request: HttpRequest, form: LiftForm, object_id: str) -> HttpResponse:
        """An order that no try will bring through ends."""
        order = row_at(Order, object_id)
        reason = form.cleaned_data["reason"]
        try:
            outcomes.give_up(
                order_id=order.pk, reason=reason, acting=operator(request), expected=shown_in(form)
            )
        except DomainError as error:
            return told(request, order, error.message)
        return told(request, order, "The order is given up.")


@admin.register(Approval)
class ApprovalAdmin(ReadOnlyAdmin):
    """Payouts above a cap; who ordered one, or is a party to it, does not approve it."""

    list_display = ("created", "state", "order", "shown_amount", "why", "approved_by", "approved_at")
    list_filter = (one_of("state", lambda: APPROVAL.states),)
    search_fields = ("id", "order__id", "order__escrow__id")
    list_select_related = ("order__escrow__token__network",)
    exclude = ("signature",)
    ordering = ("-id",)
    actions_detail = ("approve",)

    @admin.display(description="amount")
    def shown_amount(self, approval: Approval) -> str:
        return str(approving.at_stake(approval.order))

    @admin.display(description="what a second key outside signs")
    def message(self, approval: Approval) -> str:
        return json.dumps(approving.typed_data(approval), indent=1)

    def get_readonly_fields(self, request: HttpRequest, obj: Approval | None = None) -> list[str]:
        return [*super().get_readonly_fields(request, obj), "shown_amount", "message"]

    def has_approve_permission(self, request: HttpRequest, *_: object) -> bool:
        """Approving is a right of its own."""
        return request.user.has_perm(approving.PERMISSION)

    @action(description="Approve", url_path="approve", dialog=_APPROVE, permissions=["approve"])
    def approve(self, request: HttpRequest, form: ApproveForm, object_id: str) -> HttpResponse:
        """The second person's decision; the audit log names them."""
        approval = row_at(Approval, object_id)
        signature = bytes.fromhex(form.cleaned_data["signature"].removeprefix("0x"))
        try:
            approving.approve(
                approval_id=approval.pk,
                typed_amount=form.cleaned_data["typed_amount"],
                person=cast("User", request.user),
                signature=signature,
                expected=shown_in(form),
            )
        except DomainError as error:
            return told(request, approval, error.message)
        return told(request, approval, "Approved: the payout is on its way.")


@admin.register(PayoutLeg)
class PayoutLegAdmin(ReadOnlyAdmin):
    list_display = ("created", "kind", "n", "state", "amount", "recipient", "tx_hash")
    list_filter = (one_of("state", lambda: LEG.states), "kind")
    search_fields = ("id", "escrow__id", "tx_hash", "recipient")
    list_select_related = ("token__network",)
    ordering = ("-id",)
    actions_detail = ("retry",)

    def has_operate_permission(self, request: HttpRequest, *_: object) -> bool:
        """Whoever may have an order tried again may have a blocked payment tried again."""
        return request.user.has_perm("payments.change_order")

    @action(description="Try again", url_path="retry", dialog=_RETRY, permissions=["operate"])
    def retry(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """An operator need not wait for the hour that keeps others from spending its gas."""
        leg = row_at(PayoutLeg, object_id)
        try:
            payouts.retry_leg(
                leg_id=leg.pk, acting=operator(request), by_operator=True, expected=shown_in(form)
            )
        except DomainError as error:
            return told(request, leg, error.message)
        return told(request, leg, "It is being tried again.")


class SwitchForm(CarriesRow, StepUpModelForm):
    """A switch as it stands; it is thrown only from where it was seen to stand."""


@admin.register(KillSwitch)
class KillSwitchAdmin(StepUpChange, ModelAdmin):
    """Switches are thrown through their service, which writes the audit log; lifting one asks who you are."""

    actions = None
    form = SwitchForm
    list_display = ("network", "kind", "token", "stopped", "reason")
    list_select_related = ("network", "token")
    actions_detail = ("start_token",)

    def needs_step_up(self, request: HttpRequest, object_id: str | None) -> bool:
        """Asked as the form reads it: `stopped=false` lifts the switch as well."""
        return not forms.CheckboxInput().value_from_datadict(request.POST, request.FILES, "stopped")

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: KillSwitch | None = None) -> bool:
        """A token's switch is not edited: it is lifted with a reason."""
        return super().has_change_permission(request, obj) and not (obj and obj.token_id)

    def get_form(self, request: HttpRequest, obj: KillSwitch | None = None, **kwargs: Any) -> Any:
        """What is only looked at carries nothing."""
        if obj and not self.has_change_permission(request, obj):
            kwargs["form"] = forms.ModelForm
        return super().get_form(request, obj, **kwargs)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """A switch that somebody else has thrown meanwhile is shown as it is now."""
        try:
            return super().change_view(request, object_id, form_url, extra_context)
        except DomainError as refused:
            messages.error(request, refused.message)
            return redirect(request.path)

    def has_operate_permission(self, request: HttpRequest, *_: object) -> bool:
        """Whoever may throw switches may lift a token's."""
        return request.user.has_perm("payments.change_killswitch")

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> tuple[str, ...]:
        return ("network", "kind") if obj else ()

    def get_exclude(self, request: HttpRequest, obj: KillSwitch | None = None) -> tuple[str, ...]:
        """Only the comparison of books and chain stops a token."""
        return () if obj and obj.token_id else ("token",)

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """A token's switch is never made by hand."""
        offered = [pair for pair in KillSwitch.Kind.choices if pair[0] != KillSwitch.Kind.TOKEN]
        return super().formfield_for_choice_field(db_field, request, choices=offered, **kwargs)

    def save_model(self, request: HttpRequest, obj: KillSwitch, form: forms.ModelForm, change: bool) -> None:
        found = controls.set_switch(
            network=obj.network,
            kind=obj.kind,
            stopped=obj.stopped,
            reason=obj.reason,
            acting=operator(request),
            expected=form.cleaned_data["seen"] if change else None,
        )
        obj.pk = found.pk

    @action(description="Let it pay", url_path="start", dialog=_START_TOKEN, permissions=["operate"])
    def start_token(self, request: HttpRequest, form: LiftForm, object_id: str) -> HttpResponse:
        """A person knows why the books of a token differed, or that it concerns no other vault."""
        switch = row_at(KillSwitch, object_id, token__isnull=False)
        try:
            controls.set_switch(
                network=switch.network,
                kind=switch.kind,
                token=switch.token,
                stopped=False,
                reason=form.cleaned_data["reason"],
                acting=operator(request),
                expected=shown_in(form),
            )
        except DomainError as error:
            return told(request, switch, error.message)
        return told(request, switch, "Money of this token may leave again.")
