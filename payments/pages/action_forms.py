"""What a party types when acting on an escrow's money."""

from typing import Any

from django import forms

from accounts.stepup import StepUpMixin
from core import money
from core.errors import Invalid
from payments.models import Escrow
from payments.pages.forms import FilesField


class DeliverForm(forms.Form):
    note = forms.CharField(
        label="What did you deliver, and where?",
        required=False,
        max_length=20_000,
        help_text="Markdown works. In a dispute an arbitrator reads this.",
        widget=forms.Textarea(attrs={"rows": 6}),
    )
    files = FilesField(  # type: ignore[assignment]
        label="Files", required=False, help_text="PDF, pictures, plain text or ZIP, up to 10 MB each."
    )


class ChangesForm(forms.Form):
    note = forms.CharField(
        label="What has to change?",
        max_length=5_000,
        help_text="Point at the words of the deal that are not met.",
        widget=forms.Textarea(attrs={"rows": 5}),
    )


class RefundRequestForm(forms.Form):
    reason = forms.CharField(
        label="Why do you want everything back?",
        max_length=5_000,
        widget=forms.Textarea(attrs={"rows": 5}),
    )


class PartForm(StepUpMixin, forms.Form):
    """All of what is left, or a part of it, in the escrow's token."""

    how_much = forms.ChoiceField(label="How much?", widget=forms.RadioSelect, initial="all")
    amount = forms.CharField(
        label="A part",
        required=False,
        max_length=60,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, escrow: Escrow, verb: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.escrow = escrow
        left = escrow.remainder_money
        choices: Any = self.fields["how_much"]
        choices.label = f"How much do you {verb}?"
        choices.choices = [("all", f"Everything: {left}"), ("part", "Only a part")]
        self.fields["amount"].label = f"The part, in {escrow.token.symbol}"
        self.fields["amount"].help_text = f"At most {left}. The rest stays in escrow."

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        data["units"] = None
        typed = (data.get("amount") or "").strip()
        if data.get("how_much") == "all" and typed:
            whole = self.escrow.remainder_money
            message = f"You chose everything ({whole}) and also typed a part (“{typed}”). Nothing was moved: "
            self.add_error("how_much", message + "choose “Only a part”, or empty the part.")
        elif data.get("how_much") == "part":
            try:
                data["units"] = money.parse_typed(typed, self.escrow.token.decimals)
            except Invalid as refused:
                self.add_error("amount", refused.message)
        return data


class ConfirmForm(StepUpMixin, forms.Form):
    """Only the password: everything else is fixed."""


class AnswerRefundForm(StepUpMixin, forms.Form):
    """Agreeing pays everything back, so the password is asked for."""

    verdict = forms.ChoiceField(
        label="Your answer",
        widget=forms.RadioSelect,
        choices=[("yes", "I agree: everything goes back to the buyer"), ("no", "I do not agree")],
    )
    answer = forms.CharField(
        label="A word to the buyer",
        required=False,
        max_length=5_000,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
