"""The audit log: append-only, each entry carries the hash of the one before, so a gap or edit shows."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from django.db import connection, transaction

from core import clock
from core.models import AuditEntry

GENESIS = "0x" + "00" * 32
_LOCK = 4_213_771
# A name with a long address after it; the id beside it is whole.
_LONGEST_LABEL = 200
PORTION = 2000
# So much of a hash names an entry beyond doubt, and fits where a round keeps how far it is.
_MARKED = 42


def write(
    action: str,
    *,
    subject_id: str,
    actor_id: str,
    actor_label: str = "",
    data: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Append one entry; entries of concurrent writers queue on an advisory lock to keep one chain."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        last = AuditEntry.objects.order_by("-id").values_list("hash", flat=True).first()
        entry = AuditEntry(
            action=action,
            subject_id=subject_id,
            actor_id=actor_id,
            actor_label=actor_label[:_LONGEST_LABEL],
            data=dict(data or {}),
            created=clock.now(),
            previous_hash=last or GENESIS,
        )
        entry.hash = digest(entry)
        entry.save(force_insert=True)
    return entry


def digest(entry: AuditEntry) -> str:
    """SHA-256 over the canonical JSON of the entry and the hash of the one before."""
    body = json.dumps(
        [
            entry.previous_hash,
            entry.actor_id,
            entry.actor_label,
            entry.action,
            entry.subject_id,
            entry.data,
            entry.created.isoformat(),
        ],
        sort_keys=True,
        separators=(",", ":"),
    )
    return "0x" + hashlib.sha256(body.encode()).hexdigest()


def first_broken(entries: Iterable[AuditEntry]) -> AuditEntry | None:
    """The first entry that was changed or stands in the wrong place; None if the chain is whole."""
    return next(_broken(entries, GENESIS), None)


def follow(after: str, found: Callable[[AuditEntry], None]) -> str | None:
    """Check the next portion of the log; a round of `core.rounds`.

    `after` names the last entry that was checked, by id and hash, and is empty at the beginning. Each entry
    that was changed, or that does not follow the one before it, is given to `found`. Returns the last entry
    checked, None when none is left.
    """
    number, _, known = after.partition(":")
    entries = list(AuditEntry.objects.filter(pk__gt=int(number or 0)).order_by("pk")[:PORTION])
    for entry in _broken(entries, known or GENESIS):
        found(entry)
    return _mark(entries[-1]) if entries else None


def tip() -> str:
    """The newest entry, by id and hash; empty if there is none. Kept elsewhere, it shows what there was."""
    last = AuditEntry.objects.order_by("-pk").first()
    return _mark(last) if last else ""


def still_there(mark: str) -> bool:
    """Whether the entry that `tip` once named is in the log with the same hash."""
    number, _, known = mark.partition(":")
    return AuditEntry.objects.filter(pk=int(number), hash__startswith=known).exists()


def _mark(entry: AuditEntry) -> str:
    return f"{entry.pk}:{entry.hash[:_MARKED]}"


def _broken(entries: Iterable[AuditEntry], previous: str) -> Iterator[AuditEntry]:
    for entry in entries:
        if not entry.previous_hash.startswith(previous) or entry.hash != digest(entry):
            yield entry
        previous = entry.hash
