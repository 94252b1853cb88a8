"""The audit log: append-only, each entry carries the hash of the one before, so a gap or edit shows."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import connection, transaction

from core import clock
from core.models import AuditEntry

GENESIS = "0x" + "00" * 32
_LOCK = 4_213_771
# A name with a long address after it; the id beside it is whole.
_LONGEST_LABEL = 200


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
    previous = GENESIS
    for entry in entries:
        if entry.previous_hash != previous or entry.hash != digest(entry):
            return entry
        previous = entry.hash
    return None
