"""Reads of contract state at a named block, for comparisons and displays. Never inside a transaction."""

from collections.abc import Sequence

from chain.models import FinalEvent, Network
from chain.rpc import pool
from chain.rpc.answers import word
from chain.rpc.client import Rpc
from chain.rpc.transport import Request
from chain.selectors import final_head
from contracts import views


def applied_final_block(network: Network, seq: int) -> tuple[int, str] | None:
    """Number and hash of the newest final block, if every event up to it has a number up to `seq`.

    None while events after `seq` wait, or before the first final block. Reads the head before the events:
    what comes between makes the answer None, never wrong.
    """
    head = final_head(network)
    if head is None or FinalEvent.objects.filter(network=network, seq__gt=seq).exists():
        return None
    return head[0], head[1]


def token_balances(network: Network, pairs: Sequence[tuple[str, str]], block_hash: str) -> list[int]:
    """Balances in base units of (token, holder) pairs, in their order, at one block (EIP-1898)."""

    def read(rpc: Rpc) -> list[int]:
        return [word(found, "balance") for found in rpc.batch([_asked(*pair, block_hash) for pair in pairs])]

    return pool.read(network, read) if pairs else []


def _asked(token: str, holder: str, block_hash: str) -> Request:
    request = {"to": token, "data": "0x" + views.balance_of(holder).hex()}
    return "eth_call", [request, {"blockHash": block_hash}]
