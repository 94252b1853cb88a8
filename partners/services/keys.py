"""API keys: issued once, stored as a hash, rolled with an overlap, revoked for good."""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

from django.db import transaction
from django.db.models import Q

from core import audit, clock
from core.actors import Actor
from core.errors import Conflict, FieldError, Invalid
from partners.models import ApiKey, Partner, Scope

_PREFIX_LENGTH = 14  # sk_test_ and six characters: enough to tell keys apart, nothing to guess from
_WRITE_LAST_USED_EVERY = timedelta(minutes=1)
LONGEST_OVERLAP = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key with its secret, which nobody can read again."""

    key: ApiKey
    secret: str = field(repr=False)


def digest(secret: str) -> str:
    """What is stored of a secret: its SHA-256 as 0x and hexadecimal digits."""
    return "0x" + hashlib.sha256(secret.encode()).hexdigest()


@transaction.atomic
def create_key(
    partner: Partner,
    *,
    livemode: bool,
    scopes: Iterable[str],
    actor: Actor,
    label: str = "",
    ip_allow_list: Iterable[str] = (),
) -> IssuedKey:
    """Issue a key. Raises `Invalid` for an unknown scope or a malformed address."""
    secret = f"sk_{'live' if livemode else 'test'}_{secrets.token_urlsafe(32)}"
    key = ApiKey.objects.create(
        partner=partner,
        label=label,
        prefix=secret[:_PREFIX_LENGTH],
        hash=digest(secret),
        livemode=livemode,
        scopes=_checked_scopes(scopes),
        ip_allow_list=checked_networks(ip_allow_list),
        created=clock.now(),
    )
    _audit("api_key.created", key, actor)
    return IssuedKey(key, secret)


@transaction.atomic
def roll(key: ApiKey, *, overlap: timedelta, actor: Actor) -> IssuedKey:
    """Issue a successor with the same rights; the old key works for `overlap` longer, at most 30 days.

    Raises `Conflict` if the key is revoked or was rolled before, `Invalid` for an overlap out of bounds.
    """
    if not timedelta() <= overlap <= LONGEST_OVERLAP:
        raise Invalid("overlap_out_of_bounds", "The overlap must be between 0 and 30 days.")
    old = ApiKey.objects.select_for_update(of=("self",)).select_related("partner").get(pk=key.pk)
    if old.revoked_at or old.expires_at:
        raise Conflict("key_already_replaced", "This key was revoked or rolled before; create a new one.")
    old.expires_at = clock.now() + overlap
    old.save(update_fields=["expires_at"])
    _audit("api_key.rolled", old, actor)
    return create_key(
        old.partner,
        livemode=old.livemode,
        scopes=old.scopes,
        actor=actor,
        label=old.label,
        ip_allow_list=old.ip_allow_list,
    )


@transaction.atomic
def revoke(key: ApiKey, *, actor: Actor) -> None:
    """End a key at once and for good; revoking it again changes nothing."""
    if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=clock.now()):
        _audit("api_key.revoked", key, actor)


@transaction.atomic
def describe(key: ApiKey, *, label: str, ip_allow_list: Iterable[str], actor: Actor) -> None:
    """Change a key's label and where it may be used from; its rights never change."""
    allowed = checked_networks(ip_allow_list)
    if (key.label, key.ip_allow_list) == (label, allowed):
        return
    ApiKey.objects.filter(pk=key.pk).update(label=label, ip_allow_list=allowed)
    key.label, key.ip_allow_list = label, allowed
    _audit("api_key.described", key, actor)


def find_usable(secret: str) -> ApiKey | None:
    """The key of this secret, with its partner, unless it is revoked, past its overlap or switched off."""
    now = clock.now()
    return (
        ApiKey.objects.select_related("partner")
        .filter(Q(expires_at=None) | Q(expires_at__gt=now))
        .filter(hash=digest(secret), revoked_at=None, partner__enabled=True)
        .first()
    )


def may_come_from(key: ApiKey, address: str) -> bool:
    """Whether the key may be used from this IP address; an empty list allows every address."""
    if not key.ip_allow_list:
        return True
    try:
        source = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(source, "ipv4_mapped", None)
    return any((mapped or source) in ip_network(item) for item in key.ip_allow_list)


def used(key: ApiKey) -> None:
    """Remember that the key was used; at most one write a minute, so that reads stay reads."""
    now = clock.now()
    if _recent(key.last_used, now):
        return
    stale = Q(last_used=None) | Q(last_used__lt=now - _WRITE_LAST_USED_EVERY)
    ApiKey.objects.filter(stale, pk=key.pk).update(last_used=now)
    key.last_used = now


def checked_networks(items: Iterable[str]) -> list[str]:
    """IP addresses and networks in canonical form. Raises `Invalid` naming the first that is neither."""
    found = []
    for place, item in enumerate(items):
        try:
            found.append(str(ip_network(item.strip(), strict=False)))
        except ValueError:
            message = f"“{item}” is not an IP address or network. Write it like 192.0.2.0/24."
            raise Invalid(
                "ip_malformed", message, [FieldError(f"/ip_allow_list/{place}", "ip_malformed", message)]
            ) from None
    return found


def _checked_scopes(scopes: Iterable[str]) -> list[str]:
    wanted = set(scopes)
    if not wanted or not wanted <= set(Scope.values):
        raise Invalid("scopes_unknown", f"Choose at least one of the scopes {', '.join(Scope.values)}.")
    return [scope for scope in Scope.values if scope in wanted]


def _recent(last_used: datetime | None, now: datetime) -> bool:
    return last_used is not None and now - last_used < _WRITE_LAST_USED_EVERY


def _audit(action: str, key: ApiKey, actor: Actor) -> None:
    data = {
        "partner": key.partner_id,
        "prefix": key.prefix,
        "scopes": key.scopes,
        "livemode": key.livemode,
        "ip_allow_list": key.ip_allow_list,
    }
    audit.write(action, subject_id=key.pk, actor_id=actor.id, actor_label=actor.label, data=data)
