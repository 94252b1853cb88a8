"""A real node under our thumb, for every suite that needs a chain: blocks come only when a test mines them.

Use it from a suite's conftest: `from tests.chain.fixtures import *` (the names in `__all__`).
"""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from contracts.artifacts import TEST_USDT_ADDRESS, deploy_test_token, deploy_transactions
from contracts.calls import erc20_transfer, test_token_mint
from escrow_platform.stack.anvil import running_anvil
from tests.chaos import rpcproxy
from tests.chaos.rpcproxy import RpcProxy

__all__ = ["Anvil", "Engine", "anvil_chain", "anvil_node", "engine", "local_network", "proxy", "usdt"]

USDT = 10**6
_GAS = 12_000_000
# Seconds that a rest may take at least: bytes that were lost are sent again after five.
_PATIENCE = 15


class NodeRefused(RuntimeError):
    """The node answered with an error."""


@dataclass
class Anvil:
    """JSON-RPC to the test node, past our own client: what the outside world does to the chain."""

    url: str
    accounts: list[str] = field(default_factory=list)
    _ids: Iterator[int] = field(default_factory=lambda: count(1))

    def rpc(self, method: str, *params: Any) -> Any:
        """The result of one call."""
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(params)}
        request = urllib.request.Request(
            self.url, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as reply:
            answer = json.load(reply)
        if answer.get("error"):
            raise NodeRefused(answer["error"])
        return answer["result"]

    def mine(self, blocks: int = 1) -> int:
        """Mine `blocks` blocks; returns the new head's number."""
        self.rpc("anvil_mine", hex(blocks))
        return self.head

    @property
    def head(self) -> int:
        """Number of the newest block."""
        return int(self.rpc("eth_blockNumber"), 16)

    @property
    def now(self) -> int:
        """Timestamp of the newest block, unix seconds."""
        return int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def travel(self, seconds: int) -> None:
        """The next blocks come `seconds` later; mines enough for the instant to become final."""
        self.rpc("evm_increaseTime", hex(seconds))
        self.mine(4)

    def send(self, to: str, data: bytes = b"", *, sender: str | None = None, value: int = 0) -> str:
        """Put a transaction of an unlocked account into the pool; returns its hash."""
        request = {
            "from": sender or self.accounts[0],
            "to": to,
            "data": "0x" + data.hex(),
            "value": hex(value),
            "gas": hex(_GAS if not sender else 2_000_000),
        }
        return str(self.rpc("eth_sendTransaction", request))

    def pay(self, to: str, units: int, *, payer: int = 1) -> str:
        """Mint test USDT to an account and send it to `to`; the transfer stays in the pool until mined."""
        self.send(TEST_USDT_ADDRESS, test_token_mint(self.accounts[payer], units))
        self.mine()
        return self.send(TEST_USDT_ADDRESS, erc20_transfer(to, units), sender=self.accounts[payer])

    def receipt(self, tx_hash: str) -> Any:
        """Receipt of a transaction; None while it is not mined."""
        return self.rpc("eth_getTransactionReceipt", tx_hash)

    def raw(self, tx_hash: str) -> str:
        """The signed bytes of a known transaction."""
        return str(self.rpc("eth_getRawTransactionByHash", tx_hash))

    def reorg(self, depth: int, transactions: list[tuple[Any, int]] | None = None) -> None:
        """Replace the last `depth` blocks; `transactions` are (request or raw bytes, block offset) pairs."""
        self.rpc("anvil_reorg", depth, [list(entry) for entry in transactions or []])


@dataclass
class Engine:
    """The product's engine on the test chain, driven by hand."""

    network: Any
    chain: Anvil

    def index(self) -> None:
        """Read until there is nothing new."""
        from chain.services import indexer

        while indexer.step(self.network):
            pass

    def send(self) -> None:
        """Assign and broadcast once."""
        from chain.services import sender

        sender.assign_due(self.network)
        sender.broadcast_due(self.network)

    def confirm(self) -> int:
        """Follow receipts once."""
        from chain.services import sender

        return sender.confirm_due(self.network)

    def mine(self, blocks: int = 1) -> None:
        """Mine and read."""
        self.chain.mine(blocks)
        self.index()

    def busy(self) -> bool:
        """Whether anything sent is not final, or anything seen is not final."""
        from chain import selectors, states
        from chain.models import Transaction

        rows = Transaction.objects.filter(sender__network=self.network, state__in=states.OPEN_TRANSACTIONS)
        return rows.exists() or bool(selectors.pending_keys(self.network))

    def settle(self, also: Callable[[], object] = lambda: None, rounds: int = 60) -> None:
        """Mine, read, send and confirm until nothing is under way; `also` runs after every round.

        Every round makes final what was in the pool when it began. What `also` returns counts as work if
        it is true.
        """
        from chain.services.sweep import sweep

        end, left = time.monotonic() + _PATIENCE, rounds
        while left > 0 or time.monotonic() < end:
            left -= 1
            self.chain.mine(3)
            sweep(self.network)
            if not (also() or self.busy() or _ordered(self.network)):
                return
        raise AssertionError("the engine did not come to rest")


def _ordered(network: Any) -> bool:
    from chain.models import Call
    from core import clock

    due = Call.objects.filter(network=network, outcome="waiting", held=False)
    return due.filter(next_try_at__lte=clock.now()).exists()


@pytest.fixture(scope="session")
def anvil_node() -> Iterator[Anvil]:
    """One node per test process, with the contracts deployed."""
    with running_anvil(block_time=None, options=("--no-mining",)) as url:
        chain = Anvil(url)
        chain.accounts = [to_checksum_address(account) for account in chain.rpc("eth_accounts")]
        for deployment in [*deploy_transactions(), deploy_test_token()]:
            chain.send(deployment.to, deployment.data)
            chain.mine()
        chain.mine(4)
        yield chain


@pytest.fixture
def anvil_chain(anvil_node: Anvil) -> Iterator[Anvil]:
    """The node, taken back to its first state after the test; its clock goes on."""
    snapshot = anvil_node.rpc("evm_snapshot")
    if (behind := int(time.time()) - anvil_node.now) > 0:
        anvil_node.travel(behind)
    yield anvil_node
    anvil_node.rpc("evm_revert", snapshot)


@pytest.fixture
def local_network(transactional_db: None, anvil_chain: Anvil) -> Any:
    """The network row with provider, token and funded senders."""
    from chain.services import deployment, networks
    from wallets.services.operators import ensure_senders

    network = networks.local_network(anvil_chain.url)
    deployment.deploy(network)
    networks.register_token(network, TEST_USDT_ADDRESS, "USDT", 6, USDT)
    ensure_senders(network)
    return network


@pytest.fixture
def usdt(local_network: Any) -> Any:
    """The test token's row."""
    from chain.models import Token

    return Token.objects.get(network=local_network)


@pytest.fixture
def proxy(engine: Engine) -> Iterator[RpcProxy]:
    """The product's only way to the node, ready to lie."""
    from tests.chain.helpers import through

    with rpcproxy.running_proxy(engine.chain.url) as running:
        through(engine, running.url)
        yield running


@pytest.fixture
def engine(local_network: Any, anvil_chain: Anvil) -> Engine:
    """The engine on the local network, all read."""
    driver = Engine(local_network, anvil_chain)
    driver.index()
    return driver
