"""Sign-in and sign-up in our own words; apart from `accounts.forms`, which allauth itself imports."""

from typing import Any

from allauth.account.forms import LoginForm as AllauthLoginForm
from allauth.account.forms import SignupForm as AllauthSignupForm


class LoginForm(AllauthLoginForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        labels = {"login": "E-mail", "password": "Password", "remember": "Keep me signed in on this device"}
        _word(self, labels)


class SignupForm(AllauthSignupForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _word(self, {"email": "E-mail", "password1": "Password"})
        self.fields["email"].help_text = "You sign in with it. The other side of a deal invites you by it."


def _word(form: Any, labels: dict[str, str]) -> None:
    """Labels instead of placeholders, which vanish while one types."""
    for name, label in labels.items():
        if name in form.fields:
            form.fields[name].label = label
            form.fields[name].widget.attrs.pop("placeholder", None)
