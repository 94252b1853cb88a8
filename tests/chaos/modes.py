"""Whole characters of nodes for the proxy: one that lags, one that withholds, one that forges, one like geth.

Each changes all answers that belong together, so that no single answer gives it away.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.crypto import keccak
from hexbytes import HexBytes

from contracts.artifacts import TEST_USDT_ADDRESS
from tests.chaos import rpcproxy
from tests.chaos.rpcproxy import Answer, Fault, Forward, Request, RpcProxy

TRANSFER = "0x" + keccak(text="Transfer(address,address,uint256)").hex()
_BALANCE_OF = "0x70a08231"
_BLOCKS = ("eth_getBlockByNumber", "eth_getLogs", "eth_blockNumber")


def delay(seconds: float) -> Fault:
    """Answers late."""

    def fault(request: Request, forward: Forward) -> Answer:
        time.sleep(seconds)
        return forward(request)

    return fault


def null_receipt(request: Request, forward: Forward) -> Answer:
    """Knows no receipt."""
    return rpcproxy.result(None)(request, forward)


def wrong_chain(proxy: RpcProxy, chain_id: int = 1) -> None:
    """Speaks for another chain."""
    proxy.on("eth_chainId", rpcproxy.result(hex(chain_id)))


def lag(proxy: RpcProxy, blocks: int) -> None:
    """A node that is wholly `blocks` behind: head, final head and logs alike."""
    _bounded(proxy, lambda forward: max(0, _head(forward) - blocks))


def freeze(proxy: RpcProxy, at: int) -> None:
    """A node whose head stands still at block `at`, for ever."""
    _bounded(proxy, lambda forward: min(at, _head(forward)))


def _head(forward: Forward) -> int:
    return int(forward({"jsonrpc": "2.0", "id": 0, "method": "eth_blockNumber", "params": []})["result"], 16)


def _bounded(proxy: RpcProxy, top_of: Callable[[Forward], int]) -> None:
    def fault(request: Request, forward: Forward) -> Answer:
        top = top_of(forward)
        if request["method"] == "eth_blockNumber":
            return rpcproxy.result(hex(top))(request, forward)
        if request["method"] == "eth_getLogs":
            return _logs_until(top, request, forward)
        asked = request["params"][0]
        number = {"latest": top, "pending": top, "finalized": max(0, top - 2)}.get(asked)
        number = int(asked, 16) if number is None else number
        if number > top:
            return rpcproxy.result(None)(request, forward)
        return forward({**request, "params": [hex(number), *request["params"][1:]]})

    for method in _BLOCKS:
        proxy.on(method, fault)


def _logs_until(top: int, request: Request, forward: Forward) -> Answer:
    asked = request["params"][0]
    if int(asked["fromBlock"], 16) > top:
        return rpcproxy.result([])(request, forward)
    upto = hex(min(top, int(asked["toBlock"], 16)))
    return forward({**request, "params": [{**asked, "toBlock": upto}]})


def withhold(proxy: RpcProxy, about: str, *, named: bool = True, times: int | None = None) -> rpcproxy.Rule:
    """Leaves out every log that names the address `about`.

    Without `named` only in answers about everybody: who asks for the address itself is told.
    """

    def fault(request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        if not named and len(request["params"][0].get("topics") or []) > 1:
            return answer
        needle = about[2:].lower()
        answer["result"] = [
            log for log in answer["result"] if needle not in f"{log['topics']}{log['data']}".lower()
        ]
        return answer

    return proxy.on("eth_getLogs", fault, times)


def forge_block_hash(proxy: RpcProxy, number: int) -> str:
    """Shows another hash for block `number`, in its header, as its child's parent and in its logs alike."""
    forged = "0x" + "66" * 32

    def header(block: Any) -> Any:
        if block and int(block["number"], 16) == number:
            return {**block, "hash": forged}
        if block and int(block["number"], 16) == number + 1:
            return {**block, "parentHash": forged}
        return block

    def log(entry: dict[str, Any]) -> dict[str, Any]:
        return {**entry, "blockHash": forged} if int(entry["blockNumber"], 16) == number else entry

    def receipt(entry: Any) -> Any:
        return {**log(entry), "logs": [log(row) for row in entry["logs"]]} if entry else entry

    proxy.on("eth_getBlockByNumber", rpcproxy.changed(header))
    proxy.on("eth_getLogs", rpcproxy.changed(lambda logs: [log(entry) for entry in logs]))
    proxy.on("eth_getTransactionReceipt", rpcproxy.changed(receipt))
    return forged


def forge_deposit(proxy: RpcProxy, to: str, units: int, block: dict[str, Any]) -> str:
    """Invents a Transfer to `to` in a real block, with receipt and balance to match; returns its hash."""
    tx_hash, number = "0x" + "77" * 32, int(block["number"], 16)
    topics = [TRANSFER, "0x" + "0" * 24 + "88" * 20, "0x" + to[2:].lower().rjust(64, "0")]
    log = {
        "address": TEST_USDT_ADDRESS.lower(), "topics": topics, "data": "0x" + f"{units:064x}",
        "blockNumber": block["number"], "blockHash": block["hash"], "transactionHash": tx_hash,
        "transactionIndex": "0x63", "logIndex": "0x63", "removed": False,
    }  # fmt: skip
    receipt = {
        "transactionHash": tx_hash, "blockNumber": block["number"], "blockHash": block["hash"],
        "status": "0x1", "gasUsed": "0x5208", "effectiveGasPrice": "0x1", "logs": [log],
    }  # fmt: skip

    def logs(request: Request, forward: Forward) -> Answer:
        answer, asked = forward(request), request["params"][0]
        inside = int(asked["fromBlock"], 16) <= number <= int(asked["toBlock"], 16)
        if inside and TEST_USDT_ADDRESS.lower() in str(asked["address"]).lower():
            wanted = (asked.get("topics") or [None, None])[1:2] != [[topics[2]]]
            answer["result"] = [*answer["result"], *([log] if wanted else [])]
        return answer

    def receipts(request: Request, forward: Forward) -> Answer:
        if request["params"] == [tx_hash]:
            return rpcproxy.result(receipt)(request, forward)
        return forward(request)

    def balance(request: Request, forward: Forward) -> Answer:
        answer, asked = forward(request), request["params"][0]
        if str(asked.get("data", "")).startswith(_BALANCE_OF + topics[2][2:]):
            answer["result"] = "0x" + f"{int(answer['result'], 16) + units:064x}"
        return answer

    proxy.on("eth_getLogs", logs)
    proxy.on("eth_getTransactionReceipt", receipts)
    proxy.on("eth_call", balance)
    return tx_hash


@dataclass
class Geth:
    """A pool that replaces only for 110 % of both fees, and says so in geth's words."""

    offers: dict[tuple[str, int], tuple[int, int, str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, request: Request, forward: Forward) -> Answer:
        """`eth_sendRawTransaction`."""
        raw = HexBytes(request["params"][0])
        sender, tx_hash = Account.recover_transaction(raw), "0x" + keccak(bytes(raw)).hex()
        fields = TypedTransaction.from_bytes(raw).as_dict()
        nonce, tip, fee = (int(fields[name]) for name in ("nonce", "maxPriorityFeePerGas", "maxFeePerGas"))
        with self._lock:
            refusal = self._refusal(forward, sender, nonce, (tip, fee, tx_hash))
            if refusal:
                return rpcproxy.error(refusal)(request, forward)
            answer = forward(request)
            if "error" not in answer:
                self.offers[sender, nonce] = (tip, fee, tx_hash)
            return answer

    def _refusal(self, forward: Forward, sender: str, nonce: int, offer: tuple[int, int, str]) -> str | None:
        count = {"jsonrpc": "2.0", "id": 0, "method": "eth_getTransactionCount", "params": [sender, "latest"]}
        following = int(forward(count)["result"], 16)
        if nonce < following:
            return f"nonce too low: next nonce {following}, tx nonce {nonce}"
        known = self.offers.get((sender, nonce))
        if known is None:
            return None
        if known[2] == offer[2]:
            return "already known"
        # geth: both fees at least ten percent above, in whole wei.
        if any(10 * new < 11 * old for old, new in zip(known[:2], offer[:2], strict=True)):
            return "replacement transaction underpriced"
        return None


def geth(proxy: RpcProxy) -> Geth:
    """Replacement rules and error texts of geth; for transactions with two fees."""
    pool = Geth()
    proxy.on("eth_sendRawTransaction", pool.send)
    return pool
