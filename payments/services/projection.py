"""Projection: final chain events, pulled in their gapless order, move escrows, legs and books.

One event is one transaction: the cursor row is locked, the event applied, the cursor advanced. A crash
leaves the event unapplied and it is applied again; nothing else writes these states.
"""

from collections.abc import Callable

import structlog
from django.db import transaction
from eth_abi.exceptions import DecodingError

from chain.models import FinalEvent, Network
from chain.services.alarms import raise_alarm, resolve_alarm
from chain.services.final import final_events_after
from contracts import events as chain_events
from core import crashpoints
from payments.locks import lock_escrow
from payments.models import Escrow, ProjectionCursor
from payments.services import dead_terms, decisions, deposits, outcomes, statuses

log = structlog.get_logger(__name__)
STUCK = "projection_stuck"

_HANDLERS: dict[type, Callable[..., None]] = {
    chain_events.Decided: decisions.decided,
    chain_events.LegPaid: decisions.leg_paid,
    chain_events.Rescued: decisions.rescued,
    chain_events.Delivered: statuses.marked,
    chain_events.DeliveryReopened: statuses.reopened,
    chain_events.Disputed: statuses.disputed,
    chain_events.DisputeWithdrawn: statuses.dispute_withdrawn,
    chain_events.Appealed: statuses.appealed,
    chain_events.Extended: statuses.extended,
    chain_events.Cancelled: dead_terms.cancelled,
}


def project(network: Network, limit: int = 500) -> int:
    """Apply up to `limit` waiting events; returns how many. Safe to run twice at once.

    An event that cannot be applied stops the sequence, raises the alarm `projection_stuck` and the error.
    """
    ProjectionCursor.objects.get_or_create(network=network)
    applied = 0
    try:
        while applied < limit and _apply_next(network):
            applied += 1
    except Exception as error:
        # Every later event of the network waits behind this one: a person has to know.
        raise_alarm(network, STUCK, detail=f"{type(error).__name__}: {error}")
        raise
    if applied:
        resolve_alarm(network, STUCK)
    return applied


def is_caught_up(network: Network) -> bool:
    """Whether every final event known now has been applied."""
    seq = ProjectionCursor.objects.filter(network=network).values_list("seq", flat=True).first() or 0
    return not final_events_after(network, seq, 1)


def _apply_next(network: Network) -> bool:
    with transaction.atomic():
        cursor = ProjectionCursor.objects.select_for_update(skip_locked=True).filter(network=network).first()
        found = final_events_after(network, cursor.seq, 1) if cursor else []
        if cursor is None or not found:
            return False
        event = found[0]
        _apply(event)
        cursor.seq = event.seq
        cursor.save(update_fields=["seq"])
        crashpoints.hit("project:before_commit")
    return True


def _apply(event: FinalEvent) -> None:
    kind = FinalEvent.Kind
    if event.kind == kind.TRANSFER_IN and event.key.startswith("esc_"):
        deposits.received(lock_escrow(event.key), event)
    elif event.kind == kind.REVERSED:
        deposits.taken_back(event)
    elif event.kind == kind.CALL and event.call is not None:
        outcomes.call_closed(event)
    elif event.kind == kind.LOG and event.log is not None:
        _apply_log(event)


def _apply_log(event: FinalEvent) -> None:
    if event.log is None:
        return
    try:
        decoded = chain_events.decode(event.log.address, event.log.topics, event.log.data)
    except DecodingError:
        log.exception("event_malformed", tx_hash=event.tx_hash)
        return
    handler = _HANDLERS.get(type(decoded))
    if decoded is None or handler is None:
        return
    same = Escrow.objects.filter(network=event.network_id, chain_id_hash=decoded.escrow_id)
    found = same.values_list("pk", flat=True).first()
    if found is None:
        log.info("event_of_unknown_escrow", escrow_id=decoded.escrow_id, tx_hash=event.tx_hash)
        return
    handler(lock_escrow(found), decoded, event)
