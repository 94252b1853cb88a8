"""What a person types about a deal, and the agreement that it means."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from chain.models import Token
from core import clock, money
from core import files as stored_files
from core.addresses import LONGEST
from core.errors import FieldError, Invalid
from core.files import Saved
from core.text import check_long, check_short
from payments.agreement import MAX_MILESTONES, Agreement, Milestone
from payments.models import Role
from payments.pages.rules import length
from payments.services.deals import default_clocks

_INSPECT = (60, 3600, 86_400, 3 * 86_400, 5 * 86_400, 7 * 86_400, 10 * 86_400, 14 * 86_400)
_PAY = (600, 3600, 6 * 3600, 24 * 3600, 3 * 86_400, 7 * 86_400, 14 * 86_400)
_FOR_GOOD = (
    "It becomes part of the contract and cannot change later: use a wallet whose keys you hold. If the "
    "issuer of the token has frozen that address, what is paid there stays there."
)
_MINUTE = "%Y-%m-%dT%H:%M"


class SeveralFiles(forms.FileInput):
    """Files to choose, and those that a refused form has stored already; unticking one leaves it out."""

    allow_multiple_selected = True

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        self.kept: list[Saved] = []

    def value_from_datadict(self, data: Any, files: Any, name: str) -> tuple[list[Any], list[str]]:
        """The uploads, and the references of what is stored."""
        return (
            files.getlist(name) if hasattr(files, "getlist") else [],
            data.getlist(stored_files.KEPT_FIELD) if hasattr(data, "getlist") else [],
        )

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        chosen = super().render(name, None, attrs, renderer)
        box = (
            '<label class="check"><input type="checkbox" name="{}" value="{}" checked>'
            "<span>{} (kept from before)</span></label>"
        )
        rows = ((stored_files.KEPT_FIELD, stored_files.reference(saved), saved.name) for saved in self.kept)
        return format_html("{}{}", chosen, format_html_join("", box, rows))


class FilesField(forms.FileField):
    """None, one or several files; cleans to a list of stored ones.

    Each is stored at once: whatever the form is refused for, nobody has to choose it again. One that is not
    accepted is named and refuses the form; the others stay. More than `most`: none is stored.
    """

    widget = SeveralFiles

    def __init__(self, *, most: int = 20, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.most = most

    def clean(self, data: Any, initial: Any = None) -> list[Saved]:  # type: ignore[override]
        uploads, tokens = data
        if len(uploads) + len(tokens) > self.most:
            raise forms.ValidationError(f"At most {self.most} files at once.", code="too_many_files")
        found = [saved for token in tokens if (saved := stored_files.referenced(token))]
        refused = []
        for upload in uploads:
            try:
                found.append(stored_files.save(upload))
            except Invalid as error:
                refused.append(f"“{stored_files.name_of(upload)}”: {error.message}")
        kept = list({(saved.file.pk, saved.name): saved for saved in found}.values())
        self.widget.kept = kept  # type: ignore[attr-defined]  # the form's own copy
        if refused:
            raise forms.ValidationError(refused, code="file_refused")
        return kept


def inspect_choices() -> list[tuple[str, str]]:
    return _lengths(_INSPECT, "inspect")


def pay_choices() -> list[tuple[str, str]]:
    return _lengths(_PAY, "pay")


def _lengths(seconds: Iterable[int], bound: str) -> list[tuple[str, str]]:
    low, high = settings.CLOCK_BOUNDS[bound]
    return [(str(value), length(value)) for value in seconds if low <= value <= high]


class AddressField(forms.CharField):
    """Where a side's money goes, as a person pastes it; the service reads it and knows what is refused."""

    def __init__(self, **kwargs: Any) -> None:
        attrs = {"autocomplete": "off", "spellcheck": "false", "placeholder": "0x"}
        super().__init__(max_length=LONGEST, widget=forms.TextInput(attrs=attrs), **kwargs)


class TermsForm(forms.Form):
    """The words of a deal. Only what cannot be read is refused here; the rules are the service's."""

    title = forms.CharField(label="Title", required=False, max_length=120, validators=[check_short])
    description = forms.CharField(
        label="What is delivered, and when is it done?",
        required=False,
        max_length=20_000,
        validators=[check_long],
        help_text="Markdown works. An arbitrator would read exactly this, so name what can be checked.",
        widget=forms.Textarea(attrs={"rows": 6}),
    )
    token = forms.ModelChoiceField(label="Token and network", queryset=Token.objects.none(), empty_label=None)
    fee_payer = forms.ChoiceField(
        label="Who pays the fee?",
        choices=[("seller", "The seller, out of the price"), ("buyer", "The buyer, on top of the price")],
        widget=forms.RadioSelect,
        initial="seller",
    )
    pay_seconds = forms.TypedChoiceField(label="Time to pay", coerce=int, choices=pay_choices)
    inspect_seconds = forms.TypedChoiceField(
        label="Time to inspect after delivery", coerce=int, choices=inspect_choices
    )
    opening = forms.ChoiceField(
        label="With several milestones, the buyer pays",
        choices=[("all", "All milestones at once"), ("each", "Each when the one before is closed")],
        initial="all",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = Token.objects.filter(enabled=True, network__enabled=True).select_related("network")
        tokens: Any = self.fields["token"]
        tokens.queryset = offered.order_by("network__is_local", "network__name", "symbol")
        tokens.label_from_instance = token_label
        first = tokens.queryset.first()
        self.fields["token"].initial = first.pk if first else None
        clocks = default_clocks()
        self.fields["pay_seconds"].initial = clocks["pay_seconds"]
        self.fields["inspect_seconds"].initial = clocks["inspect_seconds"]


def token_label(token: Token) -> str:
    """`USDT on Ethereum (a payment is final after about 13 minutes)`."""
    network = token.network
    blocks = network.finality_depth or 64
    seconds = max(1, network.block_time * blocks)
    wait = f"{seconds // 60} minutes" if seconds >= 120 else f"{seconds} seconds"
    return f"{token.symbol} on {network.name}" + ("" if network.is_local else f", final after about {wait}")


class DealForm(TermsForm):
    """A draft: the terms, who I am, where my money goes, and who the other side is."""

    role = forms.ChoiceField(
        label="In this deal",
        choices=[("buyer", "I buy: I pay into the escrow"), ("seller", "I sell: I deliver and get paid")],
        widget=forms.RadioSelect,
        initial="buyer",
    )
    counterparty_email = forms.EmailField(
        label="E-mail of the other side",
        required=False,
        max_length=254,
        help_text="Then only this person can take the other side. You get a link to send them.",
    )
    own_address = AddressField(
        label="Your address",
        required=False,
        help_text=f"As the seller you are paid there; as the buyer refunds go there. {_FOR_GOOD}",
    )
    files = FilesField(  # type: ignore[assignment]
        label="Files",
        required=False,
        help_text="Specifications, drafts, samples: up to 10 MB each. Their hashes become part of the deal.",
    )
    field_order = ("role", "title", "description", "files")


def address_label(role: Role) -> str:
    """What the address of this side is for, in two words."""
    return "Your payout address" if role is Role.SELLER else "Your refund address"


def address_help(role: Role) -> str:
    """What goes to the address of this side, and what to mind."""
    what = (
        "The seller’s part is paid there." if role is Role.SELLER else "Whatever goes back to you goes there."
    )
    return f"{what} {_FOR_GOOD}"


class CounterForm(TermsForm):
    """Other terms, and where my money goes: whoever answers a proposal has given no address before."""

    address = AddressField()

    def __init__(self, *args: Any, role: Role, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["token"].disabled = True
        self.fields["address"].label = address_label(role)
        self.fields["address"].help_text = address_help(role)


class MilestoneForm(forms.Form):
    """One milestone; a deal without milestones has exactly one, without a title of its own."""

    title = forms.CharField(label="Milestone", required=False, max_length=120, validators=[check_short])
    amount = forms.CharField(
        label="Amount",
        required=False,
        max_length=60,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off", "data-amount": ""}),
    )
    deliver_at = forms.DateTimeField(
        label="Deliver by (UTC)",
        required=False,
        input_formats=[_MINUTE, "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=_MINUTE),
    )


MilestoneForms = forms.formset_factory(
    MilestoneForm, extra=0, min_num=1, max_num=MAX_MILESTONES, absolute_max=MAX_MILESTONES, can_delete=True
)


def default_delivery() -> datetime:
    """A week from now, on the minute."""
    return (clock.now() + timedelta(days=7)).replace(second=0, microsecond=0)


def agreement_of(form: TermsForm, milestones: Any, *, before: Agreement | None = None) -> Agreement:
    """What the forms mean. Raises `Invalid` with pointers where an amount cannot be read."""
    data, token = form.cleaned_data, form.cleaned_data["token"]
    fixed: dict[str, Any] = {
        "title": data["title"] or "Untitled deal",
        "description": data["description"],
        "network": token.network.slug,
        "token": token.address,
        "milestones": _milestones(milestones, token, data["title"]),
        "fee_payer": data["fee_payer"],
        "pay_seconds": data["pay_seconds"],
        "inspect_seconds": data["inspect_seconds"],
        "opening": data["opening"],
    }
    if before is not None:
        return replace(before, **fixed)
    return Agreement(
        **fixed,
        fee_bps=settings.PLATFORM_FEE_BPS,
        arbitration_seconds=default_clocks()["arbitration_seconds"],
    )


def _milestones(rows: Any, token: Token, title: str) -> tuple[Milestone, ...]:
    found, errors = [], []
    kept = [row for row in rows if not row.cleaned_data.get("DELETE")]
    for place, row in enumerate(kept):
        data = row.cleaned_data
        try:
            text = (data.get("amount") or "").strip()
            units = money.parse_typed(text, token.decimals) if text else 0
        except Invalid as refused:
            row.add_error("amount", refused.message)
            errors.append(FieldError(f"/milestones/{place}/amount", refused.code, refused.message))
            continue
        name = data.get("title") or (title if len(kept) == 1 else f"Milestone {place + 1}")
        when = data.get("deliver_at") or default_delivery()
        found.append(Milestone(title=name or "Delivery", amount=units, deliver_at=when.astimezone(UTC)))
    if errors:
        raise Invalid("amount_malformed", errors[0].message, errors)
    return tuple(found)


def place_errors(form: forms.BaseForm, rows: Any, errors: Iterable[FieldError]) -> None:
    """Put each broken rule beside the field it is about; what has no field goes to the top."""
    kept = [row for row in rows if not row.cleaned_data.get("DELETE")]
    for error in errors:
        parts = error.pointer.strip("/").split("/")
        if parts[0] == "milestones" and len(parts) == 3 and parts[2] in MilestoneForm.base_fields:
            kept[int(parts[1])].add_error(parts[2], error.message)
        elif parts[-1] == "address" and "own_address" in form.fields:
            form.add_error("own_address", error.message)
        else:
            form.add_error(parts[0] if parts[0] in form.fields else None, error.message)


def initial_of(agreement: Agreement, token: Token) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The forms' initial values for an agreement that was written before."""
    names = ("title", "description", "fee_payer", "pay_seconds", "inspect_seconds", "opening")
    values: dict[str, Any] = {name: getattr(agreement, name) for name in names} | {"token": token.pk}
    single = len(agreement.milestones) == 1
    rows = [
        {
            "title": "" if single and milestone.title == agreement.title else milestone.title,
            "amount": money.for_input(agreement.price(milestone, token)) if milestone.amount else "",
            "deliver_at": milestone.deliver_at,
        }
        for milestone in agreement.milestones
    ]
    return values, rows


class AnswerForm(forms.Form):
    """Accepting one exact version, which the page names: my address, and that I have read it."""

    address = AddressField(label="Your address")
    read = forms.BooleanField(label="I have read these terms and the rules, and I accept them as they stand.")
    delegate = forms.BooleanField(required=False, label="The marketplace may act for me in this deal.")

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, role: Role, partner: bool, **kw: Any
    ) -> None:
        super().__init__(data, **kw)
        self.fields["address"].label = address_label(role)
        self.fields["address"].help_text = address_help(role)
        if not partner:
            del self.fields["delegate"]
