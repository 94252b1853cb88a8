"""Ordering effects on the chain. No network here: the sender finds what was ordered in the tables."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from chain.models import Call, Network
from core import clock, doorbell, transitions
from core.actors import SYSTEM, Actor
from core.errors import Conflict


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedLog:
    """A log that must be in the receipt for the call to count as done.

    `topics` are those after `topic0`, in place; None there means any. `data_prefix` is hexadecimal.
    """

    address: str
    topic0: str
    topics: Sequence[str | None] = ()
    data_prefix: str = "0x"

    def as_json(self) -> dict[str, Any]:
        """As it is stored on the call."""
        return {
            "address": to_checksum_address(self.address),
            "topic0": self.topic0.lower(),
            "topics": [topic.lower() if topic else None for topic in self.topics],
            "data_prefix": self.data_prefix.lower(),
        }


def _expected_json(entry: ExpectedLog | Mapping[str, Any]) -> dict[str, Any]:
    return (entry if isinstance(entry, ExpectedLog) else ExpectedLog(**entry)).as_json()


def order_call(
    *,
    network: Network,
    purpose: str,
    target: str,
    data: bytes,
    gas_limit: int,
    key: str,
    expected: Sequence[ExpectedLog | Mapping[str, Any]],
    label: str,
    group: str = "",
    must_be_final_by: datetime | None = None,
    not_before: datetime | None = None,
    held: bool = False,
    replaces: Call | None = None,
    batchable: bool = False,
) -> Call:
    """Order one effect, once. Runs in the caller's transaction, with the state change that orders it.

    The same `key` with the same request returns the call that is there; with another request it raises
    `Conflict`. `expected` may not be empty: without an expected log nothing proves the effect. `replaces`
    names a failed call whose retry this is; a call can be replaced once. `gas_limit` is exactly what will
    be simulated and signed. A `held` call is not signed before `set_held` lets it go. A `batchable` one goes
    to a target with `batch(bytes[])` and may wait for company. After the commit a worker is rung.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("a call is ordered in the transaction of the state change that wants it")
    if not expected:
        raise ValueError("a call needs at least one expected log")
    logs = [_expected_json(entry) for entry in expected]
    fingerprint = _request_hash(network, purpose, target, data, gas_limit, logs, group, replaces)
    now = clock.now()
    _check_replaces(replaces, key)
    call, created = Call.objects.get_or_create(
        idempotency_key=key,
        defaults={
            "network": network,
            "purpose": purpose,
            "target": target,
            "data": data,
            "gas_limit": gas_limit,
            "request_hash": fingerprint,
            "expected": logs,
            "label": label[:120],
            "group": group,
            "must_be_final_by": must_be_final_by,
            "not_before": not_before,
            "held": held,
            "next_try_at": max(now, not_before) if not_before else now,
            "replaces": replaces,
            "batchable": batchable,
            "created_at": now,
        },
    )
    if call.request_hash != fingerprint:
        raise Conflict("call_key_reused", "This effect was already ordered with other contents.")
    if created:
        transitions.record(call, source="", target="waiting", actor=SYSTEM, field="outcome", why=label)
        _ring(network.pk)
    return call


def _check_replaces(replaces: Call | None, key: str) -> None:
    """A second try may only follow a first that is proven without effect."""
    if replaces is None or Call.objects.filter(idempotency_key=key).exists():
        return
    if Call.objects.select_for_update().get(pk=replaces.pk).outcome != "failed":
        raise Conflict("call_not_failed", "Only a call that failed for good can be tried again.")


def _request_hash(network: Network, *parts: Any) -> str:
    plain = [_plain(part) for part in (network.pk, *parts)]
    return "0x" + keccak(text=json.dumps(plain, separators=(",", ":"))).hex()


def _plain(part: Any) -> Any:
    if isinstance(part, bytes):
        return part.hex()
    if isinstance(part, Call):
        return part.pk
    return part.lower() if isinstance(part, str) else part


def _ring(network_id: int) -> None:
    from chain.tasks import send_due

    doorbell.on_commit(send_due.delay, network_id)


def set_held(network: Network, calls: Collection[str], *, held: bool) -> int:
    """Keep these waiting calls from being signed, or let them go; returns how many changed.

    What has a transaction is not touched: signed bytes may be anywhere.
    """
    waiting = Call.objects.filter(
        network=network, pk__in=calls, outcome="waiting", transaction__isnull=True, held=not held
    )
    changed = waiting.update(held=held)
    if changed and not held:
        _ring(network.pk)
    return changed


def supersede_calls(network: Network, group: str, reason: str, actor: Actor = SYSTEM) -> list[Call]:
    """Close the waiting calls of `group` that have no transaction yet; returns what was closed.

    Calls already in a transaction are not touched: they follow their receipt.
    """
    waiting = Call.objects.select_for_update().filter(
        network=network, group=group, outcome="waiting", transaction__isnull=True
    )
    return [_supersede(call, reason, actor) for call in waiting.order_by("pk")]


def close_as_superseded(call: Call, reason: str, actor: Actor = SYSTEM) -> Call:
    """Close a call whose effect is there by another transaction.

    It must be waiting without a transaction, failed, or with a human; closing it again changes nothing.
    Raises `Conflict` while its own transaction is undecided, or when it is done.
    """
    locked = Call.objects.select_for_update().get(pk=call.pk)
    if locked.outcome == "superseded":
        return locked
    if locked.outcome in ("sent", "done"):
        raise Conflict("call_undecided", "This call follows its own receipt.")
    return _supersede(locked, reason, actor)


def _supersede(call: Call, reason: str, actor: Actor) -> Call:
    source = call.outcome
    call.mark_superseded(reason[:300])
    call.closed_at = clock.now()
    call.save(update_fields=["outcome", "reason", "closed_at"])
    transitions.record(call, source=source, target="superseded", actor=actor, field="outcome", why=reason)
    return call


def live_calls(network: Network, group: str) -> Iterable[Call]:
    """Calls of `group` that may still have an effect."""
    return Call.objects.filter(network=network, group=group, outcome__in=["waiting", "sent"])
