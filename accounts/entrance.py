"""Sign-in and sign-up in our own words; apart from `accounts.forms`, which allauth itself imports."""

from typing import Any, cast

from allauth.account import forms as allauth_forms
from allauth.account.adapter import get_adapter
from django.contrib.auth.hashers import make_password
from django.http import HttpRequest

from accounts import stepup
from accounts.adapter import ID_PREFIX
from accounts.models import User


class LoginForm(allauth_forms.LoginForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        labels = {"login": "E-mail", "password": "Password", "remember": "Keep me signed in on this device"}
        _word(self, labels)


class SignupForm(allauth_forms.SignupForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _word(self, {"email": "E-mail", "password1": "Password"})
        self.fields["email"].help_text = "You sign in with it. The other side of a deal invites you by it."

    def try_save(self, request: HttpRequest) -> tuple[Any, Any]:
        """A known address costs a hash as well: how long the answer takes does not tell it."""
        if self.account_already_exists:
            make_password(self.cleaned_data["password1"])
        saved: tuple[Any, Any] = super().try_save(request)
        return saved


class ChangePasswordForm(allauth_forms.ChangePasswordForm):
    """Guesses at the current password count like those of a step-up."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _word(
            self,
            {
                "oldpassword": "Your current password",
                "password1": "The new password",
                "password2": "The new password again",
            },
        )

    def clean_oldpassword(self) -> str:
        password: str = self.cleaned_data.get("oldpassword", "")
        if not stepup.confirm(cast(User, self.user), password):
            raise get_adapter().validation_error("enter_current_password")
        return password


class AddEmailForm(allauth_forms.AddEmailForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _word(self, {"email": "Your new e-mail"})


class ResetPasswordForm(allauth_forms.ResetPasswordForm):
    """Asked for by the address that counts: one that still waits for its link opens nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _word(self, {"email": "E-mail"})

    def clean_email(self) -> str:
        email: str = super().clean_email()
        self.users = [user for user in self.users if user.email.lower() == email.lower()]
        return email


class ResetPasswordKeyForm(allauth_forms.ResetPasswordKeyForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _word(self, {"password1": "The new password", "password2": "The new password again"})


class ReauthenticateForm(allauth_forms.ReauthenticateForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _word(self, {"password": "Your password"})


class ResetLinkForm(allauth_forms.UserTokenForm):
    """Finds the person whose id stands in a reset link; see `AccountAdapter`."""

    def _get_user(self, uidb36: str) -> User | None:
        return User.objects.filter(pk=f"{ID_PREFIX}{uidb36}", is_active=True).first()


def _word(form: Any, labels: dict[str, str]) -> None:
    """Labels instead of placeholders, which vanish while one types."""
    for name, label in labels.items():
        if name in form.fields:
            form.fields[name].label = label
            form.fields[name].widget.attrs.pop("placeholder", None)
