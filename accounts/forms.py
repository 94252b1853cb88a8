"""Forms about a person's own account."""

from typing import ClassVar

from django import forms
from django.http import HttpRequest

from accounts.models import User
from core.text import check_short

NAME_HELP = "The other side of a deal sees this name."


class SignupForm(forms.Form):
    """What sign-up asks for beside e-mail and password."""

    display_name = forms.CharField(
        label="Your name or your firm’s",
        max_length=80,
        validators=[check_short],
        help_text=NAME_HELP,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    field_order = ("display_name", "email", "password1")

    def signup(self, request: HttpRequest, user: User) -> None:
        """Called by allauth after it saved the person."""
        user.display_name = self.cleaned_data["display_name"]
        user.save(update_fields=["display_name"])


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    """What a person may change about themselves without further proof."""

    class Meta:
        model = User
        fields: ClassVar = ["display_name"]
        labels: ClassVar = {"display_name": "Your name or your firm’s"}
        help_texts: ClassVar = {"display_name": NAME_HELP}

    def clean_display_name(self) -> str:
        """The other side reads it: nothing in it hides or reverses."""
        name: str = self.cleaned_data["display_name"]
        check_short(name)
        return name
