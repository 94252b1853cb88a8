"""Step-up: the password again, right before money leaves.

A signed-in browser is not proof of the person. Failures are counted in the database, so the limit holds
across processes; the answer to a wrong password and to too many tries is one and the same sentence.
"""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import StepUpFailure, User
from core import clock

MAX_FAILURES = 5
WINDOW = timedelta(minutes=15)
REFUSED = (
    "No money has moved: the password was not accepted. Check it and try again; "
    "after five wrong tries wait a quarter of an hour."
)


@transaction.atomic
def confirm(user: User, password: str) -> bool:
    """True if this is the person's password and the limit of wrong tries is not reached.

    Costs one password hash either way, so that neither answer is faster. Tries of one person queue on their
    row: a hundred sent at once are still counted one by one.
    """
    User.objects.select_for_update(no_key=True).only("pk").get(pk=user.pk)
    since = clock.now() - WINDOW
    if StepUpFailure.objects.filter(user=user, created__gt=since).count() >= MAX_FAILURES:
        make_password(password)
        return False
    if user.check_password(password):
        return True
    StepUpFailure.objects.create(user=user, created=clock.now())
    return False


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
