"""The sender that everybody writes first: read the pending nonce, send, save. It breaks the one law.

Run as `python -m tests.chaos.naive` on a test's database, to show that the checks notice what it does.
"""

from typing import Any


def main() -> None:
    """Send every waiting call, and write it down afterwards."""
    import django

    django.setup()
    from chain.models import Call

    for call in Call.objects.filter(outcome="waiting").order_by("pk"):
        _send_then_save(call)


def _send_then_save(call: Any) -> None:
    from django.db import transaction

    from chain import signing
    from chain.models import Attempt, Sender, Transaction
    from chain.rpc import pool
    from chain.txm.assign import _hand_over, store_attempt, tx_fields
    from chain.txm.fees import first_offer, read_market
    from core import clock, crashpoints

    sender = Sender.objects.get(network=call.network, purpose=call.purpose)
    nonce = pool.run(call.network, lambda rpc: rpc.nonce(sender.address, "pending"))
    fees = first_offer(call.network, pool.run(call.network, read_market), call.gas_limit)
    carrier = Transaction(
        sender=sender,
        nonce=nonce,
        target=call.target,
        data=bytes(call.data),
        gas_limit=call.gas_limit,
        created_at=clock.now(),
        next_send_at=clock.now(),
    )
    signer = signing.resolve(sender.key_ref)
    signed = signing.sign_checked(signer, sender.address, tx_fields(call.network, carrier, fees))
    pool.run(call.network, lambda rpc: rpc.send_raw(signed.raw))
    crashpoints.hit("naive:sent")
    with transaction.atomic():
        carrier.save()
        store_attempt(carrier, Attempt.Purpose.ORIGINAL, fees, signed)
        _hand_over(call, carrier)
        sender.next_nonce = nonce + 1
        sender.save(update_fields=["next_nonce"])


if __name__ == "__main__":
    main()
