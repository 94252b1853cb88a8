"""Projection: final chain events, pulled in their gapless order, move escrows, legs and books.

One event is one transaction: the cursor row is locked, the event applied, the cursor advanced. Transfers to
vaults that follow each other are applied together. A crash leaves them unapplied and they are applied again;
nothing else writes these states.
"""

from collections import defaultdict
from collections.abc import Callable

import structlog
from django.db import transaction
from eth_abi.exceptions import DecodingError

from chain.models import FinalEvent, Network
from chain.services.alarms import raise_alarm, resolve_alarm
from chain.services.final import final_events_after
from contracts import events as chain_events
from core import crashpoints
from payments.locks import lock_escrow, lock_escrows
from payments.models import Escrow, ProjectionCursor
from payments.services import dead_terms, decisions, deposits, outcomes, statuses

log = structlog.get_logger(__name__)
STUCK = "projection_stuck"
# Transfers that are applied in one transaction, and the escrows that it may lock for them.
_TOGETHER = 200
_ESCROWS_TOGETHER = 10

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
        while applied < limit and (done := _apply_next(network, min(_TOGETHER, limit - applied))):
            applied += done
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


def _apply_next(network: Network, most: int) -> int:
    """Apply the next event, or up to `most` transfers that stand together; returns how many."""
    batch: list[FinalEvent] = []
    try:
        with transaction.atomic():
            locked = ProjectionCursor.objects.select_for_update(skip_locked=True)
            cursor = locked.filter(network=network).first()
            if cursor is None:
                return 0
            batch = _next(network, cursor.seq, most)
            if not batch:
                return 0
            if _is_deposit(batch[0]):
                _receive(batch)
            else:
                _apply(batch[0])
            cursor.seq = batch[-1].seq
            cursor.save(update_fields=["seq"])
            crashpoints.hit("project:before_commit")
    except Exception:
        if len(batch) < 2:
            raise
        # One of them cannot be applied: those before it are.
        return _apply_next(network, 1)
    return len(batch)


def _next(network: Network, seq: int, most: int) -> list[FinalEvent]:
    """The next event, with the transfers to vaults that follow it if it is one; a transaction is not cut in
    two where that can be helped."""
    batch = final_events_after(network, seq, 1)
    if most < 2 or not batch or not _is_deposit(batch[0]):
        return batch
    keys = {batch[0].key}
    following = final_events_after(network, batch[0].seq, most)
    for event in following:
        if not _is_deposit(event) or len(keys | {event.key}) > _ESCROWS_TOGETHER:
            return batch
        keys.add(event.key)
        batch.append(event)
    whole = [event for event in batch if event.tx_hash != batch[-1].tx_hash]
    return whole if len(following) == most and whole else batch[:most]


def _is_deposit(event: FinalEvent) -> bool:
    return event.kind == FinalEvent.Kind.TRANSFER_IN and event.key.startswith("esc_")


def _receive(batch: list[FinalEvent]) -> None:
    """By escrow. All are locked before anything is done, deal after deal, always in one order."""
    by_escrow: dict[str, list[FinalEvent]] = defaultdict(list)
    for event in batch:
        by_escrow[event.key].append(event)
    for escrow in lock_escrows(by_escrow):
        deposits.received(escrow, by_escrow[escrow.pk])


def _apply(event: FinalEvent) -> None:
    kind = FinalEvent.Kind
    if event.kind == kind.REVERSED:
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
