"""Taking back what we signed and then forgot: transactions on the chain that a restored database lacks."""

from dataclasses import dataclass
from functools import partial

from django.db import transaction
from eth_account import Account
from eth_utils.address import is_same_address
from eth_utils.crypto import keccak

from chain import signing
from chain.models import Attempt, Call, Network, Sender, Transaction
from chain.rpc import pool
from chain.rpc.answers import hexadecimal
from chain.rpc.client import Rpc
from chain.rpc.errors import BadAnswer
from chain.txm.assign import store_attempt
from chain.txm.batching import items_of
from chain.txm.bump import cancel_fields, cancel_gas
from chain.txm.fees import Fees, first_offer, read_market
from core import clock, transitions
from core.actors import CHAIN, SYSTEM


@dataclass(frozen=True, slots=True)
class Signed:
    """Bytes of ours that a node holds, with the fields a transaction row needs."""

    signed: signing.SignedTx
    target: str
    data: bytes
    gas: int
    fees: Fees


def read_signed(rpc: Rpc, sender: Sender, tx_hash: str) -> Signed:
    """The bytes of one mined transaction; raises `BadAnswer` unless `sender` signed exactly them."""
    raw = bytes.fromhex(hexadecimal(rpc.call("eth_getRawTransactionByHash", tx_hash), "raw transaction")[2:])
    if not raw or "0x" + keccak(raw).hex() != tx_hash:
        raise BadAnswer("the node has other bytes than the hash says")
    if not is_same_address(Account.recover_transaction(raw), sender.address):
        raise BadAnswer("the transaction is not signed by our key")
    fields = signing.signed_fields(raw)
    fee = int(fields["maxFeePerGas"] if "maxFeePerGas" in fields else fields["gasPrice"])
    tip = int(fields.get("maxPriorityFeePerGas", fee))
    return Signed(
        signed=signing.SignedTx(raw, tx_hash),
        target=fields["to"],
        data=bytes.fromhex(fields["data"]),
        gas=fields["gas"],
        fees=Fees(max_fee=fee, max_tip=tip),
    )


def adopt_mined(network: Network, sender: Sender, mined: int) -> int:
    """Store what the chain holds of `sender` from its next nonce up to `mined`; returns how many.

    Each becomes a transaction of ours with its bytes, and the waiting call with the same target and data
    is handed to it: that call is never signed again. Never inside a transaction.
    """
    adopted = 0
    for nonce in range(sender.next_nonce, mined):
        found = pool.run(network, partial(_find, sender=sender, nonce=nonce))
        adopted += _store_new(sender, nonce, found)
    return adopted


def adopt_replacement(row: Transaction, found: Signed) -> None:
    """Store bytes of ours that used up the nonce of `row`, which only cancels; the tables lack them."""
    with transaction.atomic():
        locked = Transaction.objects.select_for_update().get(pk=row.pk)
        if Attempt.objects.filter(hash=found.signed.hash).exists():
            return
        store_attempt(locked, Attempt.Purpose.ADOPTED, found.fees, found.signed)
        _hand_call(locked, found)


def _find(rpc: Rpc, sender: Sender, nonce: int) -> Signed:
    """Bisection over blocks: the first at which the nonce is used up holds the transaction."""
    low, high = -1, rpc.header("latest").number
    while high - low > 1:
        middle = (low + high) // 2
        if rpc.nonce(sender.address, middle) > nonce:
            high = middle
        else:
            low = middle
    tx_hash = rpc.consuming_transaction(sender.address, nonce, high)
    if tx_hash is None:
        raise BadAnswer(f"block {high} does not hold nonce {nonce} of {sender.address}")
    return read_signed(rpc, sender, tx_hash)


def _store_new(sender: Sender, nonce: int, found: Signed) -> int:
    with transaction.atomic():
        locked = Sender.objects.select_for_update().get(pk=sender.pk)
        if locked.next_nonce != nonce:
            return 0
        row = Transaction.objects.create(
            sender=locked,
            nonce=nonce,
            target=found.target,
            data=found.data,
            gas_limit=found.gas,
            created_at=clock.now(),
            next_send_at=clock.now(),
        )
        transitions.record(row, source="", target="assigned", actor=CHAIN, why="found on the chain")
        store_attempt(row, Attempt.Purpose.ADOPTED, found.fees, found.signed)
        _hand_call(row, found)
        locked.next_nonce = nonce + 1
        locked.save(update_fields=["next_nonce"])
    return 1


def _hand_call(row: Transaction, found: Signed) -> None:
    """The waiting calls that asked for these bytes, if the database still knows them."""
    items = items_of(found.data)
    waiting = Call.objects.select_for_update().filter(
        network=row.sender.network, purpose=row.sender.purpose, outcome="waiting", target=found.target
    )
    for call in waiting.order_by("pk"):
        if bytes(call.data) not in items:
            continue
        items.remove(bytes(call.data))
        call.mark_sent(row)
        call.save(update_fields=["outcome", "transaction"])
        transitions.record(
            call, source="waiting", target="sent", actor=CHAIN, field="outcome", why="found on the chain"
        )


def store_gap(network: Network, sender: Sender) -> Transaction:
    """Use up the sender's next nonce with a cancel, so that lost bytes on it can not come alive later.

    Never inside a transaction. Raises `FeeCapReached`.
    """
    fees = first_offer(network, pool.run(network, read_market), cancel_gas(network), urgent=True)
    signer = signing.resolve(sender.key_ref)
    with transaction.atomic():
        locked = Sender.objects.select_for_update().get(pk=sender.pk)
        row = Transaction(
            sender=locked,
            nonce=locked.next_nonce,
            target=locked.address,
            data=b"",
            gas_limit=cancel_gas(network),
            created_at=clock.now(),
            next_send_at=clock.now(),
        )
        signed = signing.sign_checked(signer, locked.address, cancel_fields(network, row, fees))
        row.save()
        store_attempt(row, Attempt.Purpose.CANCEL, fees, signed)
        transitions.record(row, source="", target="assigned", actor=SYSTEM, why="closing a gap")
        locked.next_nonce += 1
        locked.save(update_fields=["next_nonce"])
    return row
