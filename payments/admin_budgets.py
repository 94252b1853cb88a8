"""The payout key's daily cap and what each party and deal uses of it, for operators."""

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.dataclasses import ActionDialog
from unfold.decorators import action
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from core.console import ReadOnlyAdmin, row_at, showing
from core.errors import DomainError
from payments.admin_parts import LiftForm, operator, shown_in, told
from payments.models import Budget, EscrowPolicy
from payments.services import budgets


class BudgetForm(LiftForm):
    """Parts of the daily cap in basis points, why, and the password."""

    party_bps = forms.IntegerField(
        label="For one party and day, in basis points of the cap",
        min_value=1,
        max_value=budgets.WHOLE,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    deal_bps = forms.IntegerField(
        label="For one deal and day, in basis points of the cap",
        min_value=1,
        max_value=budgets.WHOLE,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    field_order = ("party_bps", "deal_bps", "reason")


_BUDGETS = ActionDialog(
    title="Change the budgets",
    description="What one party, and one deal, is paid in a day without a second person.",
    form_class=showing(EscrowPolicy, BudgetForm),
    form_submit_text="Change them",
)


@admin.register(EscrowPolicy)
class EscrowPolicyAdmin(ReadOnlyAdmin):
    list_display = (
        "network", "operator", "fee_recipient", "threshold", "four_eyes_threshold", "party_budget_bps",
        "deal_budget_bps",
    )  # fmt: skip
    list_select_related = ("network",)
    actions_detail = ("set_budgets",)

    def has_operate_permission(self, request: HttpRequest, *_: object) -> bool:
        """Budgets are for operators with the right to change the policy."""
        return request.user.has_perm("payments.change_escrowpolicy")

    @action(description="Change the budgets", url_path="budgets", dialog=_BUDGETS, permissions=["operate"])
    def set_budgets(self, request: HttpRequest, form: BudgetForm, object_id: str) -> HttpResponse:
        """Other parts of the daily cap for one party and one deal."""
        policy = row_at(EscrowPolicy, object_id)
        said = {name: form.cleaned_data[name] for name in ("party_bps", "deal_bps", "reason")}
        try:
            budgets.set_shares(
                network=policy.network, acting=operator(request), expected=shown_in(form), **said
            )
        except DomainError as error:
            return told(request, policy, error.message)
        return told(request, policy, "The budgets are changed; they count from the next payout on.")


@admin.register(Budget)
class BudgetAdmin(ReadOnlyAdmin):
    """What each party and deal has used of the payout key's daily cap."""

    list_display = ("day", "token", "subject", "used_money")
    list_select_related = ("token__network",)
    search_fields = ("subject",)
    ordering = ("-day", "-used")
