"""What a party types into the dispute room. Only what cannot be read is refused here."""

from typing import Any

from django import forms

from disputes import reasons
from disputes.services.evidence import LONGEST_TEXT, MOST_FILES
from payments.pages.forms import FilesField

_FILES_HELP = (
    "PDF, pictures, plain text or ZIP, up to 10 MB each. The other side and the arbitrator see them."
)


class EvidenceForm(forms.Form):
    """One item: a text, files, or both."""

    text = forms.CharField(
        label="What do you want to say?",
        required=False,
        max_length=LONGEST_TEXT,
        help_text="Dates, facts, and what your files show. It cannot be changed after you send it.",
        widget=forms.Textarea(attrs={"rows": 6}),
    )
    files = FilesField(  # type: ignore[assignment]  # a declared field, not the uploads of the form
        label="Files", required=False, help_text=_FILES_HELP, most=MOST_FILES
    )


class OpenForm(EvidenceForm):
    """The reason, the opener's statement and first files."""

    reason = forms.ChoiceField(label="What is it about?", widget=forms.RadioSelect)
    nothing_more = forms.BooleanField(
        label="This is everything I have: start the review as soon as the other side is ready as well.",
        required=False,
    )
    field_order = ("reason", "text", "files", "nothing_more")

    def __init__(self, *args: Any, role: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["reason"]
        field.choices = [(reason.code, reason.label) for reason in reasons.for_role(role)]  # type: ignore[attr-defined]
        self.fields["text"].label = "What happened?"
        self.fields["text"].required = True
