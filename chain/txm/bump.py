"""More gas for the lowest unmined nonce of a sender: new bytes on the same nonce, stored first."""

from datetime import timedelta

from django.db import transaction

from chain import signing, states
from chain.models import Attempt, Network, Sender, Transaction
from chain.rpc import pool
from chain.selectors import head
from chain.services.alarms import raise_alarm
from chain.txm.assign import store_attempt, tx_fields
from chain.txm.fees import FeeCapReached, Fees, bumped, read_market
from core import clock


def bump_sender(network: Network, sender: Sender) -> bool:
    """Bump if the lowest unmined nonce waited long enough, in blocks and in seconds. True if it did.

    At a cap nothing new is signed: the highest attempt keeps being sent, and a human is told.
    """
    row = (
        Transaction.objects.filter(sender=sender, state__in=states.UNMINED_TRANSACTIONS)
        .order_by("nonce")
        .first()
    )
    if row is None or row.state != "sent" or not _waited(network, _last(row)):
        return False
    try:
        if row.attempts.count() >= network.max_attempts:
            raise FeeCapReached(f"{network.max_attempts} attempts")
        market = pool.run(network, read_market)
        fees = bumped(network, market, row.gas_limit, _last(row))
    except FeeCapReached as error:
        raise_alarm(network, "bump_capped", _last(row).hash, str(error))
        return False
    signer = signing.resolve(sender.key_ref)
    return _store(network, row, _last(row), signer, fees)


def _last(row: Transaction) -> Attempt:
    return row.attempts.order_by("-sequence")[0]


def _waited(network: Network, attempt: Attempt) -> bool:
    top = head(network)
    if attempt.last_sent_at is None or attempt.sent_block is None or top is None:
        return False
    long_enough = clock.now() - attempt.created_at >= timedelta(seconds=network.bump_after_seconds)
    return long_enough and top[0] - attempt.sent_block >= network.bump_after_blocks


def _store(network: Network, row: Transaction, last: Attempt, signer: signing.Signer, fees: Fees) -> bool:
    with transaction.atomic():
        sender = Sender.objects.select_for_update().get(pk=row.sender_id)
        locked = Transaction.objects.select_for_update().get(pk=row.pk)
        if sender.state != "active" or locked.state != "sent" or _last(locked).pk != last.pk:
            return False
        signed = signing.sign_checked(signer, sender.address, tx_fields(network, locked, fees))
        store_attempt(locked, Attempt.Purpose.BUMP, fees, signed)
        locked.next_send_at = clock.now()
        locked.save(update_fields=["next_send_at"])
    return True
