"""Putting the contracts on a network, and finding them there."""

from datetime import timedelta

from chain.models import Network, Sender
from chain.rpc import pool
from chain.rpc.answers import quantity
from chain.rpc.client import Rpc
from chain.rpc.errors import BadAnswer
from chain.services import keyless
from chain.services.networks import UnfitNode
from contracts.artifacts import (
    ESCROW_ADDRESS,
    Deployment,
    deploy_test_token,
    deploy_transactions,
    expected_runtime_hashes,
)

FUNDS = 100 * 10**18  # wei given to a sender on a local network


def missing(network: Network) -> list[Deployment]:
    """What is not on the network yet, on a local one with the test token.

    Raises `UnfitNode` when other code stands at an address of ours, `CanNotDeploy` when something is missing
    and the keyless deployer, which alone can put it there, is missing too.
    """

    def look(rpc: Rpc) -> list[Deployment]:
        absent = [deployment for deployment in _wanted(network) if not keyless.is_there(rpc, deployment)]
        if absent:
            keyless.require_deployer(rpc)
        return absent

    return pool.run(network, look)


def deploy(
    network: Network, sender: Sender | None = None, *, patience: timedelta = keyless.PATIENCE
) -> list[str]:
    """Make sure that the contracts are there; records address and code hash. Returns a sentence for each.

    Idempotent: what is there is only verified, and then nothing is sent. On a local network the node's own
    account deploys what is missing; elsewhere `sender` does, who pays the gas. Raises `CanNotDeploy` with
    what to do when that is not possible (also without a `sender`), `UnfitNode` when other code stands there.
    """
    for deployment in missing(network):
        if network.is_local:
            _deploy_unlocked(network, deployment)
        elif sender is not None:
            keyless.deploy(network, sender, deployment, patience)
    if absent := missing(network):
        names = ", ".join(f"{deployment.name} ({deployment.address})" for deployment in absent)
        raise keyless.CanNotDeploy(f"not on {network.name} yet: {names}")
    _record(network)
    return [_describe(deployment) for deployment in _wanted(network)]


def _deploy_unlocked(network: Network, deployment: Deployment) -> None:
    pool.run(network, lambda rpc: send_unlocked(rpc, deployment.to, deployment.data))


def _wanted(network: Network) -> list[Deployment]:
    return deploy_transactions() + ([deploy_test_token()] if network.is_local else [])


def _record(network: Network) -> None:
    code_hash = "0x" + expected_runtime_hashes()[ESCROW_ADDRESS].hex()
    if (network.escrow_contract, network.escrow_code_hash) == (ESCROW_ADDRESS, code_hash):
        return
    network.escrow_contract, network.escrow_code_hash = ESCROW_ADDRESS, code_hash
    network.save(update_fields=["escrow_contract", "escrow_code_hash"])


def _describe(deployment: Deployment) -> str:
    return (
        f"{deployment.name} at {deployment.address}, init code 0x{deployment.init_code_hash.hex()}, "
        f"code 0x{deployment.runtime_hash.hex()}"
    )


def send_unlocked(rpc: Rpc, to: str, data: bytes = b"", value: int = 0) -> None:
    """Send from the local node's own first account and mine it at once; only for local networks."""
    if not rpc.network.is_local:
        raise UnfitNode("only a local network has unlocked accounts")
    account = rpc.call("eth_accounts")[0]
    request = {"from": account, "to": to, "data": "0x" + data.hex(), "value": hex(value)}
    gas = quantity(rpc.call("eth_estimateGas", request), "gas estimate") * 11 // 10
    request["gas"] = hex(gas)
    tx_hash = rpc.call("eth_sendTransaction", request)
    rpc.call("evm_mine")
    receipt = rpc.receipts([tx_hash]).get(tx_hash)
    if receipt is None or not receipt.ok:
        raise BadAnswer(f"a transaction to {to} did not succeed")


def fund(network: Network, address: str) -> None:
    """Give a sender gas money on a local network, if it has little."""

    def top_up(rpc: Rpc) -> None:
        if rpc.balance(address) < FUNDS // 10:
            send_unlocked(rpc, address, value=FUNDS)

    pool.run(network, top_up)
