"""What arbitrators and leads type. The services check everything again."""

from typing import Any

from django import forms

from accounts.models import User
from accounts.stepup import StepUpMixin
from core import money
from core.errors import Invalid
from disputes.services.base import may
from disputes.services.rulings import LONGEST_REASONS, SHORTEST_REASONS
from payments.models import Escrow

_REASONS_HELP = (
    f"At least {SHORTEST_REASONS} characters. Both sides read this text; name the words of the agreement "
    "and the evidence that decided it. Markdown works."
)


class RulingForm(forms.Form):
    """A preset or two exact parts in the escrow's token; cleans to the amounts `to_seller`, `to_buyer`."""

    preset = forms.ChoiceField(label="Split", widget=forms.RadioSelect)
    seller_part = forms.CharField(label="To the seller", required=False, max_length=60)
    buyer_part = forms.CharField(label="To the buyer", required=False, max_length=60)
    reasons = forms.CharField(
        label="Reasons",
        min_length=SHORTEST_REASONS,
        max_length=LONGEST_REASONS,
        help_text=_REASONS_HELP,
        widget=forms.Textarea(attrs={"rows": 12}),
    )

    def __init__(self, *args: Any, escrow: Escrow, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.escrow = escrow
        whole = escrow.remainder_money
        half = whole.share(5_000)
        preset: Any = self.fields["preset"]
        preset.choices = [
            ("seller", f"100 / 0: everything, {whole}, to the seller"),
            ("half", f"50 / 50: {half} to the seller, the rest to the buyer"),
            ("buyer", f"0 / 100: everything, {whole}, to the buyer"),
            ("custom", "An exact split of your own:"),
        ]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        left = self.escrow.remainder_money
        nothing, half = money.total((), left.unit), left.share(5_000)
        presets = {"seller": (left, nothing), "half": (half, left - half), "buyer": (nothing, left)}
        if data.get("preset") == "custom":
            parts = (self._typed("seller_part"), self._typed("buyer_part"))
        else:
            parts = presets.get(data.get("preset", ""), (None, None))
            self._refuse_typed(data)
        data["to_seller"], data["to_buyer"] = seller, buyer = parts
        if seller is not None and buyer is not None and seller + buyer != left:
            self.add_error("buyer_part", f"Both parts must sum to exactly {left} ({left.units} base units).")
        return data

    def _refuse_typed(self, data: dict[str, Any]) -> None:
        """A preset and typed parts contradict each other, whatever they say: neither wins."""
        typed = [text for name in ("seller_part", "buyer_part") if (text := (data.get(name) or "").strip())]
        if typed and data.get("preset"):
            chosen = dict(self.fields["preset"].choices)[data["preset"]]  # type: ignore[attr-defined]
            shown = " and ".join(f"“{text}”" for text in typed)
            message = f"You chose “{chosen}” and also typed {shown}. Nothing was ruled: "
            self.add_error("preset", message + "choose the exact split, or empty both parts.")

    def _typed(self, name: str) -> money.Amount | None:
        text = self.cleaned_data.get(name, "").strip()
        if "0" in text and not text.strip("0.,"):
            return money.total((), self.escrow.token.unit)
        try:
            return self.escrow.token.read_typed(text)
        except Invalid as refused:
            self.add_error(name, refused.message)
            return None


class ApprovalForm(StepUpMixin, forms.Form):
    """Typed by hand, so that the second person reads the number."""

    typed_amount = forms.CharField(
        label="Type the escrow’s amount to approve", max_length=60, widget=forms.TextInput()
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["typed_amount"].widget.attrs["autocomplete"] = "off"


class ConfirmForm(StepUpMixin, forms.Form):
    """The password of who gives a ruling, under the preview of it."""


class RefusalForm(forms.Form):
    """Why the ruling goes back to its author."""

    why = forms.CharField(
        label="What has to be looked at again?",
        min_length=SHORTEST_REASONS,
        max_length=5_000,
        help_text=f"At least {SHORTEST_REASONS} characters, for the author of the ruling.",
        widget=forms.Textarea(attrs={"rows": 4}),
    )


class AssignForm(forms.Form):
    """To whom a lead gives the case."""

    arbitrator = forms.ModelChoiceField(queryset=User.objects.none(), label="Give this case to")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        staff = User.objects.filter(is_active=True, is_staff=True).order_by("email")
        able = [person.pk for person in staff if may(person, "rule_dispute")]
        field: Any = self.fields["arbitrator"]
        field.queryset = staff.filter(pk__in=able)
