"""A throw-away anvil chain with the contracts on it, for measuring and testing only."""

import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from eth_utils.address import to_checksum_address

from contracts import forge
from contracts.artifacts import TEST_USDT_ADDRESS, Deployment, deploy_test_token, deploy_transactions
from contracts.calls import test_token_mint

CHAIN_ID = 31_337
GAS_LIMIT = 3_000_000
DEPLOY_GAS_LIMIT = 12_000_000
_PATIENCE = 30.0


class RpcError(RuntimeError):
    """The node refused; `data` is what a revert answered."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error.get("message", "no message"))
        raw = error.get("data")
        self.data = bytes.fromhex(raw[2:]) if isinstance(raw, str) else b""


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """What a mined transaction did."""

    ok: bool
    gas: int
    logs: list[dict[str, Any]]


class DevChain:
    """JSON-RPC to one node, with the handful of calls that measuring needs."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._ids = count(1)
        self.accounts: list[str] = []

    def rpc(self, method: str, *parameters: Any) -> Any:
        """One call. Raises RpcError."""
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(parameters)}
        request = urllib.request.Request(
            self.url, json.dumps(body).encode(), headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=_PATIENCE) as response:
            answer = json.load(response)
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def send(self, sender: str, to: str, data: bytes, *, gas: int = GAS_LIMIT, value: int = 0) -> Receipt:
        """Sends from an unlocked account and waits until it is mined."""
        transaction = {"from": sender, "to": to, "data": _hex(data), "gas": hex(gas), "value": hex(value)}
        transaction_hash = self.rpc("eth_sendTransaction", transaction)
        mined = _wait(lambda: self._receipt(transaction_hash))
        return Receipt(ok=mined["status"] == "0x1", gas=int(mined["gasUsed"], 16), logs=mined["logs"])

    def call(self, to: str, data: bytes, *, sender: str | None = None) -> bytes:
        """Reads. Raises RpcError when it reverts."""
        transaction = {"to": to, "data": _hex(data)} | ({"from": sender} if sender else {})
        return bytes.fromhex(self.rpc("eth_call", transaction, "latest")[2:])

    def code(self, address: str) -> bytes:
        """The code at an address."""
        return bytes.fromhex(self.rpc("eth_getCode", address, "latest")[2:])

    def now(self) -> int:
        """The time of the latest block, unix seconds."""
        return int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def travel(self, instant: int) -> None:
        """Mines a block at `instant`; the next ones follow from there."""
        self.rpc("evm_setNextBlockTimestamp", instant)
        self.rpc("evm_mine")

    def deploy(self, deployment: Deployment) -> Receipt:
        """Sends one deployment from the first account."""
        return self.send(self.accounts[0], deployment.to, deployment.data, gas=DEPLOY_GAS_LIMIT)

    def mint(self, to: str, amount: int) -> Receipt:
        """Makes test USDT, base units."""
        return self.send(self.accounts[0], TEST_USDT_ADDRESS, test_token_mint(to, amount))

    def _receipt(self, transaction_hash: str) -> Any:
        return self.rpc("eth_getTransactionReceipt", transaction_hash)

    def ready(self) -> Any:
        """The unlocked accounts once the node answers, None before."""
        try:
            return [to_checksum_address(account) for account in self.rpc("eth_accounts")]
        except OSError:
            return None


@contextmanager
def devchain(chain_id: int = CHAIN_ID) -> Iterator[DevChain]:
    """Starts anvil on a free port with the contracts and the test token deployed; stops it at the end."""
    port = _free_port()
    command = [str(forge.native("anvil")), "--port", str(port), "--chain-id", str(chain_id), "--silent"]
    process = subprocess.Popen(command)
    try:
        chain = DevChain(f"http://127.0.0.1:{port}")
        chain.accounts = _wait(chain.ready)
        for deployment in [*deploy_transactions(), deploy_test_token()]:
            chain.deploy(deployment)
        yield chain
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def _wait(question: Callable[[], Any]) -> Any:
    limit = time.monotonic() + _PATIENCE
    while (answer := question()) is None:
        if time.monotonic() > limit:
            raise TimeoutError("the node did not answer in time")
        time.sleep(0.02)
    return answer


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
