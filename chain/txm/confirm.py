"""Looking for receipts of our own hashes. A receipt is provisional until its block is final and read."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from chain import states
from chain.indexer.store import OtherBlock, keep_block
from chain.models import Attempt, Block, Network, Transaction
from chain.rpc import pool
from chain.rpc.answers import Header, Receipt
from chain.rpc.client import Heads, Rpc
from chain.rpc.errors import BadAnswer, NodeError, RpcError
from chain.selectors import final_head
from chain.services.alarms import raise_alarm, resolve_alarm
from chain.txm import adopt, outcome
from core import clock, crashpoints, transitions
from core.actors import CHAIN

_AT_ONCE = 100
UNPROVEN = "nonce_unproven"
FinalHead = tuple[int, str, datetime]


@dataclass(frozen=True, slots=True)
class Found:
    """The receipt of one of our hashes; `header` is set when its block is final."""

    attempt: Attempt
    receipt: Receipt
    header: Header | None


@dataclass(frozen=True, slots=True)
class Look:
    """What one node knows of our open transactions.

    `consumed` are nonces gone at the final head; `orphaned` those whose block was replaced by another.
    """

    found: dict[int, Found]
    consumed: frozenset[int]
    orphaned: frozenset[int]


def confirm(network: Network) -> int:
    """Follow all open transactions one step; returns how many changed."""
    rows = list(
        Transaction.objects.filter(sender__network=network, state__in=states.OPEN_TRANSACTIONS)
        .select_related("sender__network")
        .prefetch_related("attempts")
        .order_by("sender", "nonce")
    )
    return sum(
        _confirm_some(network, rows[start : start + _AT_ONCE]) for start in range(0, len(rows), _AT_ONCE)
    )


def _confirm_some(network: Network, rows: list[Transaction]) -> int:
    safe = final_head(network)
    look = pool.run(network, lambda rpc: _look(rpc, rows, safe))
    return sum(_follow(network, row, look) for row in rows)


def _look(rpc: Rpc, rows: list[Transaction], safe: FinalHead | None) -> Look:
    limit = safe[0] if safe else -1
    attempts = {attempt.hash: attempt for row in rows for attempt in row.attempts.all()}
    receipts = rpc.receipts(list(attempts))
    # Final by this node's own word, and read by the safe lane, so that logs come before outcomes.
    heads = rpc.heads()
    limit = min(limit, heads.final.number)
    numbers = {receipt.block_number for receipt in receipts.values() if receipt.block_number <= limit}
    headers = _headers(rpc, numbers, heads, safe)
    found: dict[int, Found] = {}
    for tx_hash, receipt in receipts.items():
        header = headers.get(receipt.block_number)
        if header and header.hash != receipt.block_hash:
            raise BadAnswer("a receipt from a block that is not on the chain")
        attempt = attempts[tx_hash]
        if attempt.transaction_id in found:
            raise BadAnswer("receipts for two attempts of one nonce")
        found[attempt.transaction_id] = Found(attempt, receipt, header)
    return Look(found, _consumed(rpc, rows, found, limit), _replaced(rpc, rows, found, heads))


def _headers(rpc: Rpc, numbers: set[int], heads: Heads, safe: FinalHead | None) -> dict[int, Header]:
    """Headers by number, of a node that stands on the chain whose final blocks we read."""
    ours = {safe[0]} if safe and safe[0] <= heads.latest.number else set()
    headers = {header.number: header for header in rpc.headers(sorted(numbers | ours))}
    if safe and ours and headers[safe[0]].hash != safe[1]:
        raise BadAnswer(f"the node has another block {safe[0]} than the final one we read")
    return {number: headers[number] for number in numbers}


def _replaced(rpc: Rpc, rows: list[Transaction], found: dict[int, Found], heads: Heads) -> frozenset[int]:
    """Only another block at the same height proves that ours is gone; a node behind proves nothing."""
    gone = {row.pk: row for row in rows if row.state == "mined" and row.pk not in found}
    heights = {row.mined_number for row in gone.values() if row.mined_number is not None}
    known = rpc.headers(sorted(height for height in heights if height <= heads.latest.number))
    hashes = {header.number: header.hash for header in known}
    for row in gone.values():
        number = row.mined_number or 0
        if number <= heads.final.number and hashes.get(number) == row.mined_hash:
            # Nothing is decided without the receipt; this node may have thrown it away.
            raise_alarm(rpc.network, "receipt_missing", str(row.pk), f"{rpc} has block {number}")
    return frozenset(
        pk for pk, row in gone.items() if hashes.get(row.mined_number or 0, row.mined_hash) != row.mined_hash
    )


def _consumed(rpc: Rpc, rows: list[Transaction], found: dict[int, Found], limit: int) -> frozenset[int]:
    missing = [row for row in rows if row.pk not in found]
    senders = {row.sender.address for row in missing}
    try:
        nonces = {address: rpc.nonce(address, limit) for address in senders} if limit >= 0 else {}
    except NodeError:
        # The node keeps no state so far back; without proof nothing is lost.
        return frozenset()
    return frozenset(row.pk for row in missing if row.nonce < nonces.get(row.sender.address, 0))


def _follow(network: Network, row: Transaction, look: Look) -> int:
    found = look.found.get(row.pk)
    if found:
        return int(_mined(network, row.pk, found))
    if row.pk in look.consumed:
        return int(_consumed_by_other(network, row))
    return int(row.pk in look.orphaned and _orphaned(row.pk))


def _mined(network: Network, pk: int, found: Found) -> bool:
    """Note the block that holds us; when it is final, decide."""
    with transaction.atomic():
        row = Transaction.objects.select_for_update(of=("self",)).select_related("sender__network").get(pk=pk)
        if row.state not in states.OPEN_TRANSACTIONS:
            return False
        changed = _note_block(row, found)
        block = _final_block(network, found)
        if block:
            outcome.close(row, found.attempt, found.receipt, block)
            changed = True
        crashpoints.hit("confirm:before_commit")
    return changed


def _note_block(row: Transaction, found: Found) -> bool:
    receipt, source = found.receipt, row.state
    if source == "mined" and row.mined_hash == receipt.block_hash:
        return False
    if source != "mined":
        row.mark_mined()
    row.mined_attempt = found.attempt
    row.mined_number, row.mined_hash = receipt.block_number, receipt.block_hash
    row.gas_used, row.gas_price = receipt.gas_used, receipt.gas_price
    row.save(update_fields=["state", "mined_attempt", "mined_number", "mined_hash", "gas_used", "gas_price"])
    transitions.record(
        row,
        source=source,
        target="mined",
        actor=CHAIN,
        tx_hash=receipt.tx_hash,
        data={"block": receipt.block_number, "hash": receipt.block_hash, "ok": receipt.ok},
    )
    return True


def _final_block(network: Network, found: Found) -> Block | None:
    """The stored block of a final receipt; None while it is not final or another block stands there."""
    if found.header is None:
        return None
    try:
        with transaction.atomic():
            return keep_block(network, found.header)
    except OtherBlock:
        return None


def _orphaned(pk: int) -> bool:
    """The block is gone and so is the receipt: the same bytes are sent again at once."""
    with transaction.atomic():
        row = Transaction.objects.select_for_update().get(pk=pk)
        if row.state != "mined":
            return False
        row.mark_orphaned()
        row.mined_attempt, row.mined_number, row.mined_hash = None, None, ""
        row.next_send_at = clock.now()
        row.save(update_fields=["state", "mined_attempt", "mined_number", "mined_hash", "next_send_at"])
        transitions.record(row, source="mined", target="sent", actor=CHAIN, why="its block was orphaned")
    return True


def _consumed_by_other(network: Network, row: Transaction) -> bool:
    """Only a found foreign transaction, unknown receipts at all providers, proves that a nonce is lost."""
    # Read now: a bump may have been signed, sent and mined since the row was loaded.
    hashes = list(Attempt.objects.filter(transaction=row).values_list("hash", flat=True))
    foreign = None
    for provider in pool.providers(network):
        rpc = Rpc(network, provider)
        try:
            rpc.check_chain()
            if rpc.receipts(hashes):
                return False
            foreign = foreign or _find_foreign(rpc, row)
        except NodeError as error:
            # Without the state of old blocks nobody knows who used the nonce: a loss would stay unseen.
            raise_alarm(network, UNPROVEN, str(row), f"{rpc}: {error}"[:300])
            return False
        except RpcError:
            return False
    resolve_alarm(network, UNPROVEN, str(row))
    if foreign is None or foreign in hashes:
        return False
    if network.recovering_since is not None:
        # Signed by our key before the database was restored: ours, though we forgot it.
        lost = pool.run(network, lambda rpc: adopt.read_signed(rpc, row.sender, foreign))
        adopt.adopt_replacement(row, lost)
        return True
    outcome.give_to_human(row, f"nonce {row.nonce} was used by {foreign}")
    return True


def _find_foreign(rpc: Rpc, row: Transaction) -> str | None:
    """Hash of the transaction that used our nonce, by bisection over blocks."""
    top = final_head(rpc.network)
    if top is None:
        return None
    account, low, high = row.sender.address, -1, top[0]
    while high - low > 1:
        middle = (low + high) // 2
        if rpc.nonce(account, middle) > row.nonce:
            high = middle
        else:
            low = middle
    return rpc.consuming_transaction(account, row.nonce, high)
