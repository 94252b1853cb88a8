"""Step-up: the password again, right before money leaves.

A signed-in browser is not proof of the person. Failures are counted in the database, so the limit holds
across processes; the answer to a wrong password and to too many tries is one and the same sentence. Over the
limit no password is looked at, which is quicker: it tells that five were wrong, and nothing about this one.
"""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from accounts import hashing
from accounts.models import User
from accounts.services import guesses
from core import netguard

REFUSED = (
    "No money has moved: the password was not accepted. Check it and try again; "
    "after five wrong tries wait a quarter of an hour."
)


def confirm(user: User, password: str) -> bool:
    """True if this is the person's password and the limit of wrong tries is not reached.

    The hash is made outside every transaction and lock: raises `NetworkInsideTransaction` within one, and
    `hashing.Busy` where too many are being made.
    """
    netguard.assert_no_transaction("A password hash")
    claimed = guesses.claim(guesses.inside(user))
    if claimed is None:
        return False
    try:
        with hashing.of_person(user.pk):
            right = user.check_password(password)
    except BaseException:
        guesses.take_back(claimed)
        raise
    if right:
        guesses.take_back(claimed)
    return right


class StepUpMixin(forms.Form):
    """Adds the password field to a form that moves money; give it the person as `user=`."""

    password = forms.CharField(
        label="Your password",
        strip=False,
        help_text="Asked for again because money leaves now.",
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        # Whatever else the form asks comes first.
        self.order_fields([*(name for name in self.fields if name != "password"), "password"])

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        if not confirm(self.user, password):
            raise ValidationError(REFUSED, code="step_up_refused")
        return password
