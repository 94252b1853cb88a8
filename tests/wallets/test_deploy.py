"""`chain_deploy` on a network that is not ours: it deploys what is missing, once, or says what to do."""

from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from eth_utils.crypto import keccak

from chain.models import Network, Provider, Sender
from chain.services import deployment, keyless
from chain.services.networks import UnfitNode
from contracts import artifacts
from contracts.artifacts import (
    ESCROW_ADDRESS,
    FUNDER_ADDRESS,
    KEYLESS_COST,
    KEYLESS_DEPLOYER,
    KEYLESS_SENDER,
    KEYLESS_TRANSACTION,
    LENS_ADDRESS,
    VAULT_CODE_ADDRESS,
)
from escrow_platform.stack.anvil import running_anvil
from tests.chain.fixtures import Anvil
from wallets.services.operators import ensure_deployer

CHAIN_ID = 424_242
COIN = 10**18
OURS = [ESCROW_ADDRESS, LENS_ADDRESS, FUNDER_ADDRESS]


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    """A node of somebody else's: it has the keyless deployer, and none of our contracts."""
    with running_anvil(block_time=None, chain_id=CHAIN_ID) as url:
        chain = Anvil(url)
        chain.accounts = list(chain.rpc("eth_accounts"))
        chain.mine(20)
        yield chain


@pytest.fixture
def foreign(transactional_db: None, node: Anvil, settings: Any) -> Iterator[Anvil]:
    """The node as a network of a platform in production; afterwards it is as it was."""
    settings.DEMO = False
    snapshot = node.rpc("evm_snapshot")
    network = Network.objects.create(slug="foreign", name="Foreign", chain_id=CHAIN_ID, is_local=False)
    Provider.objects.create(network=network, url=node.url)
    yield node
    node.rpc("evm_setAutomine", True)
    node.rpc("evm_revert", snapshot)


@pytest.fixture
def network(foreign: Anvil) -> Network:
    return Network.objects.get(slug="foreign")


@pytest.fixture
def payer(foreign: Anvil, network: Network) -> Sender:
    """The deployer's sender, with coins."""
    sender = ensure_deployer(network)
    foreign.rpc("anvil_setBalance", sender.address, hex(COIN))
    return sender


def run() -> str:
    """What the command says."""
    out = StringIO()
    call_command("chain_deploy", network="foreign", stdout=out)
    return out.getvalue()


def refusal() -> str:
    with pytest.raises(CommandError) as refused:
        run()
    return str(refused.value)


def code(chain: Anvil, address: str) -> bytes:
    return bytes.fromhex(chain.rpc("eth_getCode", address, "latest")[2:])


def nonce(chain: Anvil, sender: Sender) -> int:
    return int(chain.rpc("eth_getTransactionCount", sender.address, "latest"), 16)


def test_what_is_missing_is_deployed_at_its_address(foreign: Anvil, network: Network, payer: Sender) -> None:
    said = run()
    for wanted in artifacts.deploy_transactions():
        assert keccak(code(foreign, wanted.address)) == wanted.runtime_hash
        assert f"{wanted.name} at {wanted.address}, init code 0x{wanted.init_code_hash.hex()}" in said
    vault_code = artifacts.expected_runtime_hashes()[VAULT_CODE_ADDRESS]
    assert keccak(code(foreign, VAULT_CODE_ADDRESS)) == vault_code
    network.refresh_from_db()
    assert network.escrow_contract == ESCROW_ADDRESS
    assert Sender.objects.get(pk=payer.pk).next_nonce == nonce(foreign, payer) == len(OURS)


def test_a_second_run_sends_nothing(foreign: Anvil, network: Network, payer: Sender) -> None:
    first = run()
    head, spent = foreign.head, foreign.rpc("eth_getBalance", payer.address, "latest")
    assert run().splitlines()[: len(OURS)] == first.splitlines()[: len(OURS)]
    assert foreign.head == head
    assert foreign.rpc("eth_getBalance", payer.address, "latest") == spent


def test_what_somebody_else_deployed_is_verified_and_nobody_has_to_pay(
    foreign: Anvil, network: Network
) -> None:
    for wanted in artifacts.deploy_transactions():
        foreign.send(wanted.to, wanted.data)
    run()
    assert not Sender.objects.filter(network=network, purpose=keyless.PURPOSE).exists()


def test_an_interrupted_deployment_is_completed(foreign: Anvil, network: Network, payer: Sender) -> None:
    first = artifacts.deploy_transactions()[0]
    foreign.send(first.to, first.data)
    assert [wanted.name for wanted in deployment.missing(network)] == ["Lens", "PermitFunder"]
    run()
    assert nonce(foreign, payer) == 2
    assert not deployment.missing(network)


def test_other_code_at_the_address_is_refused_and_nothing_is_sent(
    foreign: Anvil, network: Network, payer: Sender
) -> None:
    foreign.rpc("anvil_setCode", ESCROW_ADDRESS, "0xfe")
    head = foreign.head
    assert f"the code at {ESCROW_ADDRESS} on Foreign is not that of Escrow" in refusal()
    assert foreign.head == head
    network.refresh_from_db()
    assert network.escrow_contract == ""


def test_other_code_behind_the_vaults_is_refused(foreign: Anvil, payer: Sender) -> None:
    run()
    foreign.rpc("anvil_setCode", VAULT_CODE_ADDRESS, "0xfe")
    assert f"the code at {VAULT_CODE_ADDRESS} is not the one that is configured" in refusal()


def test_a_sender_without_coins_is_named_with_what_it_needs(foreign: Anvil, network: Network) -> None:
    said = refusal()
    sender = Sender.objects.get(network=network, purpose=keyless.PURPOSE)
    assert f"the sender {sender.address} has 0 wei on Foreign and needs up to" in said
    assert "send it coins, then run this again" in said
    foreign.rpc("anvil_setBalance", sender.address, hex(COIN))
    run()
    assert code(foreign, ESCROW_ADDRESS)


def test_without_the_keyless_deployer_the_way_to_it_is_told_and_it_works(
    foreign: Anvil, payer: Sender
) -> None:
    foreign.rpc("anvil_setCode", KEYLESS_DEPLOYER, "0x")
    foreign.rpc("anvil_setNonce", KEYLESS_DEPLOYER, "0x0")
    said = refusal()
    assert f"the keyless deployer is not at {KEYLESS_DEPLOYER} on Foreign" in said
    assert f"Send {KEYLESS_COST} wei to {KEYLESS_SENDER}" in said
    raw = said.split("cast publish ")[1]
    assert raw == "0x" + KEYLESS_TRANSACTION.hex()
    foreign.rpc("anvil_setNonce", KEYLESS_SENDER, "0x0")
    foreign.send(KEYLESS_SENDER, value=KEYLESS_COST)
    foreign.mine()  # the node answers before the block is there
    foreign.rpc("eth_sendRawTransaction", raw)
    run()
    assert code(foreign, ESCROW_ADDRESS)


def test_another_deployer_at_that_address_is_refused(foreign: Anvil, payer: Sender) -> None:
    foreign.rpc("anvil_setCode", KEYLESS_DEPLOYER, "0xfe")
    assert "is not that of the keyless deployer" in refusal()


def test_fees_above_the_networks_caps_are_refused(foreign: Anvil, network: Network, payer: Sender) -> None:
    Network.objects.filter(pk=network.pk).update(cost_cap=1)
    assert "more than the fee caps of Foreign allow" in refusal()
    assert nonce(foreign, payer) == 0


def test_what_is_not_mined_in_time_is_found_by_the_next_run(
    foreign: Anvil, network: Network, payer: Sender
) -> None:
    foreign.rpc("evm_setAutomine", False)
    with pytest.raises(keyless.CanNotDeploy, match="not mined yet"):
        deployment.deploy(network, payer, patience=timedelta())
    assert int(foreign.rpc("txpool_status")["pending"], 16) == 1
    with pytest.raises(keyless.CanNotDeploy, match="not mined yet"):
        deployment.deploy(network, payer, patience=timedelta())
    assert int(foreign.rpc("txpool_status")["pending"], 16) == 1
    foreign.mine()
    foreign.rpc("evm_setAutomine", True)
    run()
    assert nonce(foreign, payer) == len(OURS)


def test_the_demos_settings_deploy_nothing_on_a_real_network(foreign: Anvil, settings: Any) -> None:
    settings.DEMO = True
    assert "these are the demo's settings" in refusal()
    assert not Sender.objects.filter(purpose=keyless.PURPOSE).exists()


def test_without_a_sender_nothing_is_sent(foreign: Anvil, network: Network) -> None:
    head = foreign.head
    with pytest.raises(UnfitNode, match=f"not on Foreign yet: Escrow \\({ESCROW_ADDRESS}\\)"):
        deployment.deploy(network)
    assert foreign.head == head
