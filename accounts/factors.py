"""Codes of the second factor: counted like passwords, and good for one use."""

from typing import Any

from allauth.core import context
from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa.base import forms as mfa
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from allauth.mfa.utils import decrypt
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.services import guesses

_STEP = "last_step"
_WRONG = "This code is not right, or it was used already. Wait for the next one."
_TOO_MANY = "Too many wrong tries. Wait a quarter of an hour."


class _CountedCode:
    """Before allauth's own form: the count of guesses around it, and no code twice."""

    user: Any
    authenticator: Authenticator

    def limits(self) -> list[guesses.Limit]:
        raise NotImplementedError

    def clean_code(self) -> str:
        claimed = guesses.claim(self.limits())
        if claimed is None:
            raise ValidationError(_TOO_MANY, code="too_many_login_attempts")
        code: str = super().clean_code()  # type: ignore[misc]
        if self.authenticator.type == Authenticator.Type.TOTP and not use_up(self.authenticator.pk, code):
            raise ValidationError(_WRONG, code="incorrect_code")
        guesses.take_back(claimed)
        return code


class AuthenticateForm(_CountedCode, mfa.AuthenticateForm):
    """The second step of signing in."""

    def limits(self) -> list[guesses.Limit]:
        return guesses.second_step(context.request, self.user)


class ReauthenticateForm(_CountedCode, mfa.ReauthenticateForm):
    """Asked for again before the way in changes."""

    def limits(self) -> list[guesses.Limit]:
        return guesses.inside(self.user)


@transaction.atomic
def use_up(authenticator_id: int, code: str) -> bool:
    """False if this code, or one of a later step, was used before: it stays used as long as it is accepted.

    allauth forgets a used code after one step, and in every process but one (RFC 6238, section 5.2).
    """
    row = Authenticator.objects.select_for_update().get(pk=authenticator_id)
    secret = decrypt(row.data["secret"])
    steps = [
        step
        for step in totp.yield_hotp_counters_from_time()
        if compare_user_code(actual=code, expected=totp.format_hotp_value(totp.hotp_value(secret, step)))
    ]
    if not steps or max(steps) <= row.data.get(_STEP, -1):
        return False
    row.data[_STEP] = max(steps)
    row.save(update_fields=["data"])
    return True
