"""What somebody wrote into a form that could not be taken: kept for an hour, so that nobody writes it twice.

Signed out in between, a page too old, too much at once: the text is stored beside a cookie of the browser and
shown again in the form. Nothing is ever done with it; its person sends it again. Passwords, consents and the
addresses of money are given anew, and files are named, to be chosen again. The row holds a hash of the
cookie: who reads the table cannot use it.
"""

import hashlib
import secrets
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponseBase

from core import clock, files
from core.models import KeptForm

COOKIE = "kept"
KEPT = timedelta(hours=1)
# The longest text of any form is 20,000 characters of at most four bytes.
MOST_BYTES = 100_000
# Of everybody together: whoever fills the table only shortens how long texts are kept.
MOST_ROWS = 2_000
# What must be given anew: secrets, consents, buttons, what the page itself puts there, and where money goes:
# who was signed out may not be who signs in.
_ANEW = frozenset(
    {"csrfmiddlewaretoken", "password", "seen", "version_hash", "typed_amount", "read", "delegate", "action"}
    | {"confirm", "edit", "signature", "_form_submitted", "address", "own_address"}
)


def keep(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Store what the post carries, and give the browser the cookie that finds it. False: nothing to keep.

    The post is known to come from this site (see `is_own`): another's must put no words into a form.
    """
    posted = {
        _plain(name): [_plain(text) for text in request.POST.getlist(name)]
        for name in request.POST
        if name not in _ANEW
    }
    names = _file_names(request, posted)
    typed = {name: values for name, values in posted.items() if "password" not in name and any(values)}
    size = sum(len(text.encode()) for name, values in typed.items() for text in (name, *values))
    if not typed or size > MOST_BYTES:
        return False
    key = secrets.token_urlsafe(24)
    forget_old()
    user = getattr(request, "user", None)
    KeptForm.objects.create(
        key=_hash(key),
        user_id=user.pk if user is not None and user.is_authenticated else "",
        path=request.path[:300],
        typed=typed,
        files=names,
        created=clock.now(),
    )
    _drop(request)
    response.set_cookie(  # type: ignore[attr-defined]
        COOKIE,
        key,
        max_age=int(KEPT.total_seconds()),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return True


def is_own(request: HttpRequest) -> bool:
    """Whether a post that brought no good token comes from a page of this site: browsers say so."""
    source = request.headers.get("Origin") or request.headers.get("Referer") or ""
    return urlsplit(source).netloc == request.get_host()


def again(request: HttpRequest, path: str = "") -> dict[str, Any]:
    """Initial values of the form that is sent to `path` (this page's own unless told), with a notice.

    Empty for everybody but the browser that sent them, for another account, and after an hour. To whom it is
    shown first it is shown alone from then on.
    """
    if request.method not in ("GET", "HEAD") or COOKIE not in request.COOKIES:
        return {}
    user: Any = request.user
    young = KeptForm.objects.filter(key=_hash(request.COOKIES[COOKIE]), created__gt=clock.now() - KEPT)
    found = young.filter(Q(user_id="") | Q(user_id=user.pk or "-"), path=path or request.path).first()
    if found is None or not user.is_authenticated:
        return {}
    if not found.user_id:
        young.filter(pk=found.pk, user_id="").update(user_id=user.pk)
    chosen = f" Choose the files again: {', '.join(found.files)}." if found.files else ""
    text = "This was not sent, and nothing was moved. What you wrote is here again: look at it and send it."
    messages.warning(request, text + chosen)
    return {name: values[0] if len(values) == 1 else values for name, values in found.typed.items()}


def sent(request: HttpRequest, response: HttpResponseBase) -> None:
    """The form to which a kept text belongs was taken: forget it."""
    if COOKIE in request.COOKIES and _drop(request, path=request.path):
        response.delete_cookie(COOKIE, samesite="Lax")  # type: ignore[attr-defined]


def forget_old() -> int:
    """Delete what is older than an hour, and the oldest beyond what the table may hold; returns how many."""
    gone, _ = KeptForm.objects.filter(created__lte=clock.now() - KEPT).delete()
    newest = KeptForm.objects.order_by("-created").values_list("created", flat=True)
    limit = newest[MOST_ROWS - 1 : MOST_ROWS].first() if KeptForm.objects.count() >= MOST_ROWS else None
    if limit is not None:
        gone += KeptForm.objects.filter(created__lte=limit).delete()[0]
    return gone


def _file_names(request: HttpRequest, posted: dict[str, list[str]]) -> list[str]:
    """Of what was chosen, and of what an earlier refusal had kept; its references are taken out."""
    uploads: Any = request.FILES
    found = [files.name_of(upload) for name in uploads for upload in uploads.getlist(name)]
    for token in posted.pop(files.KEPT_FIELD, []):
        saved = files.referenced(token)
        found += [saved.name] if saved else []
    return [_plain(name) for name in found[:20]]


def _plain(text: str) -> str:
    """Without the one character that no column holds."""
    return text.replace("\x00", "")


def _drop(request: HttpRequest, **which: str) -> int:
    key = request.COOKIES.get(COOKIE, "")
    if not key:
        return 0
    gone, _ = KeptForm.objects.filter(key=_hash(key), **which).delete()
    return gone


def _hash(key: str) -> str:
    return "0x" + hashlib.sha256(key.encode()).hexdigest()
