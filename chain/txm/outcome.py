"""Closing transactions and calls: by a final receipt and the logs that were expected, never by less."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from chain.models import Attempt, Block, Call, Network, Sender, Transaction
from chain.rpc.answers import Log, Receipt
from chain.selectors import final_head
from chain.services import final
from chain.services.alarms import raise_alarm
from core import clock, transitions
from core.actors import CHAIN, SYSTEM

# How a freeze begins its reason when the chain is ahead of the tables: a recovery may lift that.
AHEAD = "the nodes know of"


def has_expected(expected: Sequence[Mapping[str, Any]], logs: Sequence[Log]) -> bool:
    """Whether every expected log is among `logs`, each matched by a log of its own."""
    left = list(logs)
    for entry in expected:
        found = next((log for log in left if _fits(entry, log)), None)
        if found is None:
            return False
        left.remove(found)
    return True


def _fits(entry: Mapping[str, Any], log: Log) -> bool:
    wanted = [entry["topic0"], *entry.get("topics", [])]
    return (
        log.address == entry["address"]
        and len(log.topics) >= len(wanted)
        and all(topic is None or topic == log.topics[place] for place, topic in enumerate(wanted))
        and log.data.startswith(entry.get("data_prefix") or "0x")
    )


def _touched(entry: Mapping[str, Any], log: Log) -> bool:
    """Whether a log is about what the entry is about: its first indexed topic, from the same contract."""
    subject = next(iter(entry.get("topics", [])), None)
    return log.address == entry["address"] and (subject is None or subject in log.topics[1:2])


def close(row: Transaction, attempt: Attempt, receipt: Receipt, block: Block) -> None:
    """Close a mined, locked transaction by its final receipt, with its calls. Inside a transaction.

    Status 1 and all expected logs: done. Status 0, or our own cancel: failed, a new call may follow; so
    has an item of a batch of which no log speaks. Status 1 without an expected log: a human.
    """
    calls = list(Call.objects.select_for_update().filter(transaction=row).order_by("pk"))
    if attempt.purpose == Attempt.Purpose.CANCEL:
        row.mark_cancelled()
        results = [(call, "failed", "cancelled") for call in calls]
    elif not receipt.ok:
        row.mark_final_reverted("reverted")
        results = [(call, "failed", "reverted") for call in calls]
    else:
        results = [_judge(call, receipt, alone=len(calls) == 1) for call in calls]
        if any(outcome == "needs_human" for _, outcome, _ in results):
            row.mark_needs_human("an expected log is missing")
        else:
            row.mark_final_ok()
    row.save(update_fields=["state", "reason"])
    transitions.record(row, source="mined", target=row.state, actor=CHAIN, tx_hash=receipt.tx_hash)
    _close_calls(row.sender.network, results, block, receipt.tx_hash)


def _judge(call: Call, receipt: Receipt, *, alone: bool) -> tuple[Call, str, str]:
    if has_expected(call.expected, receipt.logs):
        return call, "done", ""
    if not alone and not any(_touched(entry, log) for entry in call.expected for log in receipt.logs):
        return call, "failed", "its item of the batch failed"
    return call, "needs_human", "mined without the expected log"


def _close_calls(
    network: Network, results: Sequence[tuple[Call, str, str]], block: Block, tx_hash: str
) -> None:
    for call, outcome, reason in results:
        _move_call(call, outcome, reason, tx_hash)
        if outcome == "needs_human":
            raise_alarm(network, "receipt_without_event", call.pk, call.label)
    final.append(
        network, [final.call_event(call, block, outcome, reason) for call, outcome, reason in results]
    )


def _move_call(call: Call, outcome: str, reason: str, tx_hash: str = "") -> None:
    source = call.outcome
    if outcome == "done":
        call.mark_done()
    elif outcome == "failed":
        call.mark_failed(reason[:300])
    else:
        call.mark_needs_human(reason[:300])
    call.closed_at = clock.now()
    call.save(update_fields=["outcome", "reason", "closed_at"])
    transitions.record(
        call, source=source, target=outcome, actor=CHAIN, field="outcome", why=reason, tx_hash=tx_hash
    )


def fail_unsent(network: Network, call: Call, reason: str) -> None:
    """A call that the final state keeps refusing has failed without ever being sent."""
    top = final_head(network)
    if top is None:
        return
    with transaction.atomic():
        locked = Call.objects.select_for_update().get(pk=call.pk)
        if locked.outcome != "waiting":
            return
        block = Block.objects.get(network=network, hash=top[1])
        _move_call(locked, "failed", reason)
        final.append(network, [final.call_event(locked, block, "failed", reason)])


def give_to_human(row: Transaction, reason: str) -> None:
    """A nonce is lost to a transaction that is not ours: freeze the sender, call a human."""
    network = row.sender.network
    with transaction.atomic():
        locked = Transaction.objects.select_for_update(of=("self",)).select_related("sender").get(pk=row.pk)
        source = locked.state
        if source not in ("assigned", "sent", "mined"):
            return
        locked.mark_needs_human(reason[:300])
        locked.save(update_fields=["state", "reason"])
        transitions.record(locked, source=source, target="needs_human", actor=SYSTEM, why=reason)
        top = final_head(network)
        block = Block.objects.get(network=network, hash=top[1]) if top else None
        calls = list(Call.objects.select_for_update().filter(transaction=locked))
        for call in calls:
            _move_call(call, "needs_human", reason)
        if block:
            final.append(network, [final.call_event(call, block, "needs_human", reason) for call in calls])
    freeze(row.sender, reason)


def freeze(sender: Sender, reason: str) -> None:
    """Sign nothing more with this key until a human looked."""
    with transaction.atomic():
        locked = Sender.objects.select_for_update().get(pk=sender.pk)
        if locked.state == "frozen":
            return
        source = locked.state
        locked.freeze(reason[:300])
        locked.save(update_fields=["state", "reason"])
        transitions.record(locked, source=source, target="frozen", actor=SYSTEM, why=reason)
    raise_alarm(sender.network, "sender_frozen", sender.address, reason)
