"""The queues in Redis as the workers read them: what is no task of ours is dropped with a line in the log.

Everything that a task does is found again in PostgreSQL, so that a dropped message only delays the work. What
cannot be read must not end the worker that happened to take it.
"""

from base64 import b64decode
from collections.abc import Mapping
from queue import Empty
from typing import Any

import structlog
from kombu.transport import redis

log = structlog.get_logger(__name__)

# What the envelope of a task consists of; over anything else a worker stumbles later, when it is half done.
_TEXT = str | None
_PROPERTIES: dict[str, Any] = {
    "delivery_tag": str,
    "delivery_info": Mapping,
    "correlation_id": _TEXT,
    "reply_to": _TEXT,
    "priority": int | None,
}
_DELIVERY = {"exchange": str, "routing_key": str}
_HEADERS: dict[str, Any] = {
    "task": str,
    "id": str,
    "retries": int | None,
    "eta": _TEXT,
    "expires": _TEXT,
    "timelimit": list | None,
    "root_id": _TEXT,
    "parent_id": _TEXT,
    "group": _TEXT,
    "argsrepr": _TEXT,
    "kwargsrepr": _TEXT,
    "origin": _TEXT,
}
_WRITTEN = 120  # characters of a message that are logged


class QoS(redis.QoS):
    """What was taken and not done comes back, unless it cannot be read."""

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        try:
            super().restore_by_tag(tag, client=client, leftmost=leftmost)  # type: ignore[no-untyped-call]
        except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
            log.error("message_dropped", queue="unacked", fault=type(error).__name__)
            self._remove_from_indices(tag).execute()  # type: ignore[no-untyped-call]


class Channel(redis.Channel):
    QoS = QoS

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call]
        except ValueError as error:  # no JSON, or no text at all; it has left the queue
            log.error("message_dropped", queue="?", fault=type(error).__name__)
            return True

    def _get(self, queue: str, timeout: Any = None) -> Any:
        try:
            return super()._get(queue)  # type: ignore[no-untyped-call]
        except ValueError as error:
            log.error("message_dropped", queue=queue, fault=type(error).__name__)
            raise Empty from error


class Transport(redis.Transport):
    Channel = Channel

    def _deliver(self, message: Any, queue: str) -> None:
        if fault := fault_of(message, queue):
            log.error("message_dropped", queue=queue, fault=fault, message=repr(message)[:_WRITTEN])
            return
        try:
            super()._deliver(message, queue)  # type: ignore[no-untyped-call]
        except (*self.connection_errors, *self.channel_errors):
            raise
        except Exception as error:
            log.exception("message_dropped", queue=queue, fault=type(error).__name__)
            for channel in self.channels:
                channel.qos.reject(message["properties"]["delivery_tag"], requeue=False)


def fault_of(message: Any, queue: str) -> str:
    """What is wrong with the envelope of a message; empty if it can be handed on."""
    if not isinstance(message, Mapping):
        return "envelope"
    properties: Any = message.get("properties")
    if not _fits(properties, _PROPERTIES, needed=("delivery_tag", "delivery_info")):
        return "envelope"
    if not _fits(properties["delivery_info"], _DELIVERY, needed=tuple(_DELIVERY)):
        return "delivery"
    # Workers talk to each other without naming a task.
    if not _of_workers(queue) and not _fits(message.get("headers"), _HEADERS, needed=("task", "id")):
        return "headers"
    return "" if _readable(message.get("body"), properties.get("body_encoding")) else "body"


def _fits(found: Any, types: Mapping[str, Any], needed: tuple[str, ...]) -> bool:
    return (
        isinstance(found, Mapping)
        and all(name in found for name in needed)
        and all(isinstance(found[name], kind) for name, kind in types.items() if name in found)
    )


def _of_workers(queue: str) -> bool:
    return queue.endswith(".pidbox") or queue.startswith("celeryev")


def _readable(body: Any, encoding: Any) -> bool:
    if not isinstance(body, str) or encoding not in ("base64", None):
        return False
    try:
        b64decode(body, validate=encoding is not None)
    except ValueError:
        return encoding is None
    return True
