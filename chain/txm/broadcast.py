"""Sending stored bytes, with no transaction open. Nothing that a node answers decides an outcome."""

from datetime import timedelta

import structlog
from django.db import transaction
from django.db.models import F

from chain import states
from chain.models import Attempt, Network, Transaction
from chain.rpc import pool
from chain.rpc.client import Rpc
from chain.rpc.errors import NodeError, RpcError
from chain.selectors import head
from chain.services.alarms import raise_alarm
from chain.txm.classify import SendAnswer, classify
from core import clock, crashpoints, transitions
from core.actors import SYSTEM

log = structlog.get_logger(__name__)
# Answers that a human must see: waiting alone does not heal them.
_ALARMING = (SendAnswer.AMBIGUOUS, SendAnswer.FUNDS, SendAnswer.FEE_CAP, SendAnswer.INVALID)
_BEST = tuple(SendAnswer)
# Answers that a node may also give to bytes that it has: it is asked for them by their hash.
_DOUBTED = (*_ALARMING, SendAnswer.REPLACEMENT, SendAnswer.UNDERPRICED)


def due_transactions(network: Network) -> list[Transaction]:
    """Unmined transactions that were never sent or not lately, lowest nonce first."""
    rows = Transaction.objects.filter(
        sender__network=network, state__in=states.UNMINED_TRANSACTIONS, next_send_at__lte=clock.now()
    )
    return list(rows.select_related("sender").order_by("sender", "nonce"))


def open_nodes(network: Network) -> list[Rpc]:
    """Every enabled provider that answers for the right chain; asked once per round."""
    return [rpc for provider in pool.providers(network) if _fit(rpc := Rpc(network, provider))]


def _fit(rpc: Rpc) -> bool:
    try:
        rpc.check_chain()
    except RpcError as error:
        log.warning("provider_failed", provider=str(rpc), error=type(error).__name__, detail=str(error)[:200])
        return False
    return True


def broadcast(network: Network, row: Transaction, nodes: list[Rpc]) -> SendAnswer:
    """Send the highest stored attempt of `row` to every node and write down what they said.

    A timeout means "may have been accepted": the same bytes are sent again later.
    """
    attempt = row.attempts.order_by("-sequence")[0]
    answers = [_send(rpc, attempt) for rpc in nodes] or [(SendAnswer.AMBIGUOUS, "no provider is fit")]
    crashpoints.hit("broadcast:sent")
    answer, words = min(answers, key=lambda pair: _BEST.index(pair[0]))
    _mark(network, row, attempt, answer, words)
    crashpoints.hit("broadcast:marked")
    if answer in _ALARMING:
        raise_alarm(network, f"send_{answer}", attempt.hash, words)
    if answer == SendAnswer.REPLACEMENT and attempt.sequence == 0:
        raise_alarm(network, "nonce_taken", attempt.hash, "a transaction that is not ours holds our nonce")
    return answer


def _send(rpc: Rpc, attempt: Attempt) -> tuple[SendAnswer, str]:
    try:
        named = rpc.send_raw(bytes(attempt.raw))
    except NodeError as error:
        return meaning(rpc, attempt.hash, error), error.message
    except RpcError as error:
        return SendAnswer.AMBIGUOUS, f"{type(error).__name__}: {error}"
    if named != attempt.hash:
        log.error("broadcast_other_hash", provider=str(rpc), ours=attempt.hash, theirs=named)
        return SendAnswer.AMBIGUOUS, "the node named another hash"
    return SendAnswer.ACCEPTED, ""


def meaning(rpc: Rpc, tx_hash: str, error: NodeError) -> SendAnswer:
    """What a node meant by refusing bytes. Some refuse those that they have: ganache calls them underpriced,
    hardhat tells the revert of a transaction that it mined."""
    answer = classify(error.message)
    return SendAnswer.KNOWN if answer in _DOUBTED and _holds(rpc, tx_hash) else answer


def _holds(rpc: Rpc, tx_hash: str) -> bool:
    try:
        found = rpc.call("eth_getTransactionByHash", tx_hash)
    except RpcError:
        return False
    return isinstance(found, dict) and str(found.get("hash")).lower() == tx_hash


def _mark(network: Network, row: Transaction, attempt: Attempt, answer: SendAnswer, words: str) -> None:
    now, top = clock.now(), head(network)
    with transaction.atomic():
        locked = Transaction.objects.select_for_update().get(pk=row.pk)
        Attempt.objects.filter(pk=attempt.pk).update(
            send_count=F("send_count") + 1,
            last_sent_at=now,
            last_answer=answer.value,
            last_error=words[:300],
            **({"sent_block": top[0]} if attempt.sent_block is None and top else {}),
        )
        if locked.state not in states.UNMINED_TRANSACTIONS:
            return
        locked.next_send_at = now + timedelta(seconds=network.resend_after)
        locked.first_sent_at = locked.first_sent_at or now
        if locked.state == "assigned":
            locked.mark_sent()
            transitions.record(
                locked, source="assigned", target="sent", actor=SYSTEM, why=answer.value, tx_hash=attempt.hash
            )
        locked.save(update_fields=["state", "next_send_at", "first_sent_at"])
