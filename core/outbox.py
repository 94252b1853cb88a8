"""What must be told to others: written with the change, delivered after it, at least once.

A consumer registers in its app's `ready()`. It is idempotent: the same event may reach it twice.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from django.db import connection, transaction

from core import clock
from core.models import OutboxDelivery, OutboxEvent

log = structlog.get_logger(__name__)

Handler = Callable[[OutboxEvent], None]
_LONGEST_PAUSE = timedelta(minutes=10)


@dataclass(frozen=True)
class Consumer:
    name: str
    prefixes: tuple[str, ...]
    handler: Handler


_consumers: dict[str, Consumer] = {}


def register_consumer(name: str, prefixes: tuple[str, ...], handler: Handler) -> None:
    """Send every event whose type starts with one of `prefixes` to `handler`, inside a transaction."""
    _consumers[name] = Consumer(name, prefixes, handler)


def consumers() -> list[str]:
    """Everybody who is told of events."""
    return list(_consumers)


def emit(
    type_: str,
    *,
    subject_id: str,
    payload: Mapping[str, Any],
    group_id: str = "",
    owner_id: str = "",
    livemode: bool = True,
) -> OutboxEvent:
    """Append an event in the caller's transaction, with one delivery row for each consumer."""
    now = clock.now()
    event = OutboxEvent.objects.create(
        type=type_,
        subject_id=subject_id,
        owner_id=owner_id,
        livemode=livemode,
        group_id=group_id,
        sequence=_next_sequence(group_id) if group_id else 0,
        payload=dict(payload),
        created=now,
    )
    OutboxDelivery.objects.bulk_create(
        OutboxDelivery(event=event, consumer=consumer.name, next_at=now)
        for consumer in _consumers.values()
        if type_.startswith(consumer.prefixes)
    )
    return event


def _next_sequence(group_id: str) -> int:
    # Two statements in one trip: the second sees what was committed before the lock was ours.
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 7)); "
            "SELECT coalesce(max(sequence), 0) + 1 FROM core_outboxevent WHERE group_id = %s",
            [f"outbox:{group_id}", group_id],
        )
        return int(cursor.fetchone()[0])


def drain(limit: int = 200) -> int:
    """Deliver what is due; returns how many deliveries succeeded."""
    done = 0
    due = list(
        OutboxDelivery.objects.filter(done_at__isnull=True, next_at__lte=clock.now())
        .order_by("id")
        .values_list("id", flat=True)[:limit]
    )
    for delivery_id in due:
        done += _deliver(delivery_id)
    return done


def _deliver(delivery_id: int) -> bool:
    with transaction.atomic():
        delivery = (
            OutboxDelivery.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("event")
            .filter(id=delivery_id, done_at__isnull=True)
            .first()
        )
        if delivery is None:
            return False
        error = _handle(delivery)
        delivery.attempts += 1
        delivery.last_error = error
        if error:
            delivery.next_at = clock.now() + _pause(delivery.attempts)
        else:
            delivery.done_at = clock.now()
        delivery.save(update_fields=["attempts", "last_error", "next_at", "done_at"])
    return not error


def _handle(delivery: OutboxDelivery) -> str:
    """Empty when the consumer succeeded, else what to write down; its own writes are then undone."""
    consumer = _consumers.get(delivery.consumer)
    if consumer is None:
        return "no such consumer in this process"
    try:
        with transaction.atomic():
            consumer.handler(delivery.event)
    except Exception as error:
        log.exception("outbox_delivery_failed", event_id=delivery.event_id, consumer=delivery.consumer)
        return f"{type(error).__name__}: {error}"[:500]
    return ""


def _pause(attempts: int) -> timedelta:
    return min(timedelta(seconds=2**attempts), _LONGEST_PAUSE)
