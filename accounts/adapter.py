"""What allauth asks the platform: its links, its mails, and when a person must prove themselves again."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts import stepup
from accounts.models import User
from accounts.services import guesses, security
from core import netguard

FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]
# allauth's address of a reset takes letters and digits only.
ID_PREFIX = "usr_"


class AccountAdapter(DefaultAccountAdapter):
    """Links start with the site's one name, whatever name the request came to."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "account_inactive": "This account is switched off.",
        "duplicate_email": "This is your e-mail address already.",
        "email_password_mismatch": "E-mail address and password do not belong together. Check both.",
        "enter_current_password": "Your current password is another one.",
        "incorrect_code": "This code is not right, or it was used already. Wait for the next one.",
        "incorrect_password": "The password was not accepted. Check it and try again.",
        "invalid_password_reset": "This link is used up or too old. Ask for a new one.",
        "too_many_login_attempts": "Too many wrong tries. Wait a quarter of an hour, or reset your password.",
        "unverified_primary_email": "Confirm your e-mail address first.",
        "rate_limited": "Too many requests. Wait a minute and try again.",
    }

    def get_reset_password_from_key_url(self, key: str) -> str:
        """`key` is the person's id, a dash, and the secret; `entrance.ResetLinkForm` reads it back."""
        uid, _, secret = key.removeprefix(ID_PREFIX).partition("-")
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": uid, "key": secret})
        return f"{settings.SITE_URL}{path}"

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:
        return f"{settings.SITE_URL}{reverse('account_confirm_email', args=[emailconfirmation.key])}"

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Subject and text know the site and its contact."""
        site = {"site_url": settings.SITE_URL, "support_email": settings.SUPPORT_EMAIL}
        super().send_mail(template_prefix, email, site | {"sign_in_wait": security.length()} | context)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """`authenticate` counts, in the database; allauth would count in each process."""

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Any:
        """The person whose password this is; a wrong one is counted, whoever the address belongs to."""
        netguard.assert_no_transaction("A password hash")
        claimed = guesses.claim(guesses.at_the_door(request, credentials.get("email", "")))
        if claimed is None:
            raise self.validation_error("too_many_login_attempts")
        try:
            found = super().authenticate(request, **credentials)
        except BaseException:
            guesses.take_back(claimed)
            raise
        if found is not None:
            guesses.take_back(claimed)
        return found

    def reauthenticate(self, user: Any, password: str) -> bool:
        return stepup.confirm(user, password)

    def post_login(self, request: HttpRequest, user: Any, **more: Any) -> HttpResponse:
        response: HttpResponse = super().post_login(request, user, **more)
        guesses.remember(request, response, user)
        return response

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """Whoever has a second factor proves it: a password alone may be stolen together with the session."""
        words = {
            "reauthenticate": "Use your password",
            "mfa_reauthenticate": "Use your authenticator app or a recovery code",
            "mfa_reauthenticate:webauthn": "Use a passkey or security key",
        }
        methods = [
            method | {"description": words.get(method["id"], method["description"])}
            for method in super().get_reauthentication_methods(user)
        ]
        if isinstance(user, User) and is_mfa_enabled(user, types=FACTORS):
            return [method for method in methods if method["id"] != "reauthenticate"]
        return methods
