"""New bytes on a nonce that is taken: more gas, or a cancel. Stored first; whichever is mined decides."""

from datetime import timedelta
from typing import Any

from django.db import transaction

from chain import signing, states
from chain.models import Attempt, Network, Sender, Transaction
from chain.rpc import pool
from chain.selectors import head
from chain.services.alarms import raise_alarm
from chain.txm.assign import store_attempt, tx_fields
from chain.txm.fees import FeeCapReached, Fees, bumped, read_market
from core import clock

PLAIN_TRANSFER_GAS = 21_000


class MovedOn(LookupError):
    """The transaction is mined by now, or another worker stored an attempt first."""


def bump_sender(network: Network, sender: Sender) -> bool:
    """Bump if the lowest unmined nonce waited long enough, in blocks and in seconds. True if it did.

    At a cap nothing new is signed: the highest attempt keeps being sent, and a human is told.
    """
    row = (
        Transaction.objects.filter(sender=sender, state__in=states.UNMINED_TRANSACTIONS)
        .order_by("nonce")
        .first()
    )
    if row is None or row.state != "sent" or sender.state == "frozen" or not _waited(network, _last(row)):
        return False
    try:
        if row.attempts.count() >= network.max_attempts:
            raise FeeCapReached(f"{network.max_attempts} attempts")
        replace(network, row)
    except FeeCapReached as error:
        raise_alarm(network, "bump_capped", _last(row).hash, str(error))
        return False
    except MovedOn:
        return False
    return True


def replace(network: Network, row: Transaction, *, cancel: bool = False) -> Attempt:
    """Store the next attempt of an unmined transaction. Never inside a transaction: a node is asked.

    The same effect for more gas, or a transfer of nothing to oneself; what was cancelled once is never
    taken up again. Raises `FeeCapReached` when the caps allow no higher offer, `MovedOn`.
    """
    last = _last(row)
    cancel = cancel or row.attempts.filter(purpose=Attempt.Purpose.CANCEL).exists()
    gas = cancel_gas(network) if cancel else row.gas_limit
    market = pool.run(network, read_market)
    fees = bumped(network, market, gas, last, urgent=cancel or is_urgent(row))
    signer = signing.resolve(row.sender.key_ref)
    with transaction.atomic():
        sender = Sender.objects.select_for_update().get(pk=row.sender_id)
        locked = Transaction.objects.select_for_update().get(pk=row.pk)
        if locked.state not in states.UNMINED_TRANSACTIONS or _last(locked).pk != last.pk:
            raise MovedOn
        fields = cancel_fields if cancel else tx_fields
        signed = signing.sign_checked(signer, sender.address, fields(network, locked, fees))
        purpose = Attempt.Purpose.CANCEL if cancel else Attempt.Purpose.BUMP
        attempt = store_attempt(locked, purpose, fees, signed)
        locked.next_send_at = clock.now()
        locked.save(update_fields=["next_send_at"])
    return attempt


def cancel_gas(network: Network) -> int:
    """Gas of a transfer to oneself; on some networks a part of it pays for another chain."""
    return PLAIN_TRANSFER_GAS + network.extra_gas


def cancel_fields(network: Network, row: Transaction, fees: Fees) -> dict[str, Any]:
    """The transfer of nothing to oneself that uses up the nonce of `row`, with eth-account's names."""
    fields = {"to": row.sender.address, "data": b"", "gas": cancel_gas(network)}
    return tx_fields(network, row, fees) | fields


def is_urgent(row: Transaction) -> bool:
    """Whether it carries work with a deadline on the chain: that may cost more."""
    return row.calls.filter(must_be_final_by__isnull=False).exists()


def _last(row: Transaction) -> Attempt:
    return row.attempts.order_by("-sequence")[0]


def _waited(network: Network, attempt: Attempt) -> bool:
    top = head(network)
    if attempt.last_sent_at is None or attempt.sent_block is None or top is None:
        return False
    long_enough = clock.now() - attempt.created_at >= timedelta(seconds=network.bump_after_seconds)
    return long_enough and top[0] - attempt.sent_block >= network.bump_after_blocks
