"""The desk of payments on the node that `NODE` names: anvil or hardhat."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from contracts.artifacts import (
    KEYLESS_COST,
    KEYLESS_DEPLOYER,
    KEYLESS_SENDER,
    KEYLESS_TRANSACTION,
    deploy_test_token,
    deploy_transactions,
)
from escrow_platform.stack.anvil import running_anvil
from escrow_platform.stack.ports import free_port
from tests.chain.fixtures import *  # noqa: F403  (fixtures are shared by import)
from tests.chain.fixtures import Anvil
from tests.payments.fixtures import *  # noqa: F403

NODE = os.environ.get("NODE", "anvil")
FOLDER = Path(__file__).parent
# Hardhat calls its newest block final; two blocks behind the head is where anvil's tag stands.
DEPTH = {"anvil": 0, "hardhat": 2}[NODE]


class Hardhat(Anvil):
    """The same node by the names that hardhat gives its methods."""

    def rpc(self, method: str, *params: Any) -> Any:
        """The result of one call."""
        return super().rpc(method.replace("anvil_", "hardhat_"), *params)

    def mine(self, blocks: int = 1) -> int:
        """One after the other: of many at once it makes up the headers when they are asked for."""
        for _ in range(blocks):
            self.rpc("evm_mine")
        return self.head


@pytest.fixture(scope="session")
def anvil_node() -> Iterator[Anvil]:
    """The node, with the contracts deployed; the keyless deployer too where it does not come with it."""
    with ExitStack() as stack:
        if NODE == "anvil":
            url = stack.enter_context(running_anvil(block_time=None, options=("--no-mining",)))
            chain = Anvil(url)
        else:
            chain = Hardhat(stack.enter_context(running_hardhat()))
        chain.accounts = [to_checksum_address(account) for account in chain.rpc("eth_accounts")]
        if chain.rpc("eth_getCode", KEYLESS_DEPLOYER, "latest") == "0x":
            chain.send(KEYLESS_SENDER, value=KEYLESS_COST)
            chain.mine()
            chain.rpc("eth_sendRawTransaction", "0x" + KEYLESS_TRANSACTION.hex())
            chain.mine()
        for deployment in [*deploy_transactions(), deploy_test_token()]:
            chain.send(deployment.to, deployment.data)
            chain.mine()
        chain.mine(4)
        yield chain


@contextmanager
def running_hardhat() -> Iterator[str]:
    """A hardhat node on a free port for the length of the block; its URL."""
    port = free_port()
    entry = FOLDER / "node_modules" / "hardhat" / "internal" / "cli" / "cli.js"
    argv = ["node", str(entry), "node", "--hostname", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "HARDHAT_DISABLE_TELEMETRY_PROMPT": "true"}
    with subprocess.Popen(
        argv, cwd=FOLDER, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as node:
        try:
            url = f"http://127.0.0.1:{port}"
            end = time.monotonic() + 120
            while not _answers(url):
                assert node.poll() is None, "hardhat ended by itself"
                assert time.monotonic() < end, "hardhat did not answer within two minutes"
                time.sleep(0.2)
            yield url
        finally:
            node.terminate()


def _answers(url: str) -> bool:
    try:
        return Anvil(url).rpc("eth_chainId") == hex(31337)
    except OSError:
        return False


@pytest.fixture(autouse=True)
def finality(settings: Any) -> None:
    """The local network's policy for this kind of node."""
    settings.LOCAL_FINALITY_DEPTH = DEPTH
