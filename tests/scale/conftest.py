"""The desk of payments on a chain whose first block has a high number: a year lies below it."""

from collections.abc import Iterator
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from contracts.artifacts import TEST_USDT_ADDRESS, deploy_test_token, deploy_transactions
from escrow_platform.stack.anvil import running_anvil
from tests.chain.fixtures import *  # noqa: F403  (fixtures are shared by import)
from tests.chain.fixtures import USDT, Anvil
from tests.payments.fixtures import *  # noqa: F403
from tests.scale.growth import HIGH


@pytest.fixture(scope="module")
def anvil_node() -> Iterator[Anvil]:
    """A node of this module's own, with the contracts deployed."""
    with running_anvil(block_time=None, options=("--no-mining", "--number", str(HIGH))) as url:
        chain = Anvil(url)
        chain.accounts = [to_checksum_address(account) for account in chain.rpc("eth_accounts")]
        for deployment in [*deploy_transactions(), deploy_test_token()]:
            chain.send(deployment.to, deployment.data)
            chain.mine()
        chain.mine(4)
        yield chain


@pytest.fixture
def local_network(transactional_db: None, anvil_chain: Anvil) -> Any:
    """The network row with provider, token and funded senders, read from the chain's first block on."""
    from chain.services import deployment, networks
    from wallets.services.operators import ensure_senders

    network = networks.local_network(anvil_chain.url)
    network.start_block = HIGH + 1
    network.save(update_fields=["start_block"])
    deployment.deploy(network)
    networks.register_token(network, TEST_USDT_ADDRESS, "USDT", 6, USDT)
    ensure_senders(network)
    return network
