"""What every template may know of the site itself."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts.services import security
from payments.services import incidents


def site(request: HttpRequest) -> dict[str, Any]:
    """`standing` is read only where a template asks: incidents that stop clocks, one query."""
    standing = SimpleLazyObject(incidents.open_now)
    return {
        "site_url": settings.SITE_URL,
        "support_email": settings.SUPPORT_EMAIL,
        "sign_in_wait": security.length(),
        "demo": settings.DEMO,
        "standing": standing,
    }
