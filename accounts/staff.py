"""The door of the admin: the sign-in that everybody uses, and a second factor for staff.

The admin's own sign-in would pass by the limits on guessing, the verified address and the second factor.
"""

from typing import Any, cast

from allauth.account.utils import get_next_redirect_url
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache

from accounts.models import User

# Recovery codes alone are no factor: they stand in for a lost one.
_FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]


def guard(site: AdminSite) -> None:
    """Let nobody into `site` by another way than `may_enter`."""
    site.login = entrance  # type: ignore[method-assign]
    site.has_permission = may_enter  # type: ignore[method-assign]
    site.password_change = _change_password  # type: ignore[method-assign, assignment]


def may_enter(request: HttpRequest) -> bool:
    """Active staff, with a second factor where the settings ask for one."""
    user = request.user
    return user.is_active and getattr(user, "is_staff", False) and not _lacks_factor(request)


@never_cache
def entrance(request: HttpRequest, extra_context: Any = None) -> HttpResponse:
    """Where the admin sends whoever may not enter (yet)."""
    target = get_next_redirect_url(request) or reverse("admin:index")
    if not request.user.is_authenticated:
        return redirect_to_login(target)
    if not getattr(request.user, "is_staff", False):
        raise PermissionDenied
    if _lacks_factor(request):
        messages.warning(request, "Set up a second factor first: the consoles open only with one.")
        return redirect("mfa_index")
    return redirect(target)


def _lacks_factor(request: HttpRequest) -> bool:
    person = cast(User, request.user)
    return bool(settings.STAFF_NEED_SECOND_FACTOR) and not is_mfa_enabled(person, types=_FACTORS)


def _change_password(request: HttpRequest, extra_context: Any = None) -> HttpResponse:
    """One page for everybody, which counts guesses and tells the owner."""
    return redirect("account_change_password")
