"""One count of guesses at passwords and codes, in the database, for all pages and processes.

Who guesses decides what is counted, so that nobody shuts out somebody else:

- inside (step-up, reauthentication, change of the password, codes asked for again): by person and session.
  Whoever sits in a stolen session uses up that session's tries, not the owner's.
- at the door, from a browser in which this person has signed in before, or has just set a new password by the
  link of a mail: by that browser.
- at the door, from anywhere else: by the address that is guessed at, whether it is known here or not, and by
  network address. A stranger can use up the tries of other strangers only.
- at the code, which only who knows the password is asked for: by browser where this person has signed in
  before, and all of those together; by person everywhere else. A mailbox makes no count of its own there: who
  took it over sets a new password as often as they like.

A try is counted before it is looked at and taken back when it was right: a hundred sent at once are five.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from allauth.core import context
from django.core import signing
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import get_random_string, salted_hmac

from accounts.models import User, WrongTry
from core import clock, visitors

MAX_FAILURES = 5
MAX_BY_NETWORK = 50
# At codes, from all browsers of a person together.
MAX_CODES = 25
WINDOW = timedelta(minutes=15)
KNOWN = "known_browser"
_MAILBOX = "proved_mailbox"
_KNOWN_FOR = timedelta(days=180)
_STALE_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` wrong tries by `key` within the window."""

    key: str
    most: int = MAX_FAILURES


def inside(user: User) -> list[Limit]:
    """Who is signed in, by session; outside a request by person alone."""
    session = context.request.session.session_key if context.request else ""
    return [Limit(_hash("inside", user.pk, session or ""))]


def at_the_door(request: HttpRequest, email: str) -> list[Limit]:
    """Who signs in with this address."""
    browser = _browser(request, email)
    if browser:
        return [Limit(_hash("browser", browser))]
    network = Limit(_hash("network", visitors.network(request.META.get("REMOTE_ADDR", ""))), MAX_BY_NETWORK)
    return [Limit(_hash("address", email.strip().lower())), network]


def second_step(request: HttpRequest, user: User) -> list[Limit]:
    """Who gave the right password and is asked for a code."""
    browser = _secret(request, user.email)
    if browser:
        return [Limit(_hash("code", user.pk, browser)), Limit(_hash("codes", user.pk), MAX_CODES)]
    return [Limit(_hash("code", user.pk))]


def claim(limits: Sequence[Limit]) -> list[int] | None:
    """Count a try under each limit; None, and nothing counted, if one of them is reached.

    Short on purpose: whoever asks looks at the password afterwards, outside this transaction. A flood over
    the limit does not queue for the lock.
    """
    if any(_reached(limit) for limit in limits):
        return None
    return _claim(limits)


def _reached(limit: Limit) -> bool:
    since = clock.now() - WINDOW
    return WrongTry.objects.filter(key=limit.key, created__gt=since).count() >= limit.most


@transaction.atomic
def _claim(limits: Sequence[Limit]) -> list[int] | None:
    for limit in sorted(limits, key=lambda limit: limit.key):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 11))", [limit.key])
        if _reached(limit):
            return None
    now = clock.now()
    _forget_some(now - WINDOW)
    rows = WrongTry.objects.bulk_create(WrongTry(key=limit.key, created=now) for limit in limits)
    return [row.pk for row in rows]


def _forget_some(until: datetime) -> None:
    """Addresses that nobody guesses at again leave no rows for ever."""
    stale = WrongTry.objects.select_for_update(skip_locked=True).filter(created__lte=until)
    found = list(stale.order_by("created").values_list("pk", flat=True)[:_STALE_AT_ONCE])
    WrongTry.objects.filter(pk__in=found).delete()


def take_back(claimed: Sequence[int]) -> None:
    """The try was right, or was never looked at."""
    WrongTry.objects.filter(pk__in=claimed).delete()


def remember(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """This person has signed in here: from now on this browser has a count of its own."""
    told = [_address(user.email), _secret(request, user.email) or get_random_string(22)]
    response.set_cookie(
        KNOWN,
        signing.dumps(told, salt=KNOWN),
        max_age=_KNOWN_FOR,
        secure=request.is_secure(),
        httponly=True,
        samesite="Lax",
    )


def proved_mailbox(request: HttpRequest, user: User) -> None:
    """This person opened the link of a reset mail here: strangers' guesses do not keep them out."""
    request.session[_MAILBOX] = [_address(user.email), get_random_string(22)]


def _browser(request: HttpRequest, email: str) -> str:
    mailbox: list[str] = request.session.get(_MAILBOX, ["", ""])
    secret = mailbox[1] if mailbox[0] == _address(email) else _secret(request, email)
    return f"{_address(email)} {secret}" if secret else ""


def _secret(request: HttpRequest, email: str) -> str:
    try:
        address, secret = signing.loads(request.COOKIES.get(KNOWN, ""), salt=KNOWN, max_age=_KNOWN_FOR)
    except (signing.BadSignature, ValueError, TypeError):
        return ""
    return str(secret) if address == _address(email) else ""


def _address(email: str) -> str:
    return _hash("known", email.strip().lower())


def _hash(*parts: str) -> str:
    return salted_hmac("accounts.guesses", "\n".join(parts), algorithm="sha256").hexdigest()
