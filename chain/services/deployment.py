"""Putting the contracts on a network of our own, and finding them on any other."""

from eth_utils.crypto import keccak

from chain.models import Network
from chain.rpc import pool
from chain.rpc.client import Rpc
from chain.rpc.errors import BadAnswer
from chain.services.networks import UnfitNode
from contracts.artifacts import (
    ESCROW_ADDRESS,
    Deployment,
    deploy_test_token,
    deploy_transactions,
    expected_runtime_hashes,
)

_GAS = 12_000_000
FUNDS = 100 * 10**18  # wei given to a sender on a local network


def deploy(network: Network) -> list[str]:
    """Make sure that the escrow contract is there; records its address and code hash. Idempotent.

    On a local network what is missing is deployed, the test token too. Elsewhere anyone may deploy
    beforehand: nothing is sent here, and missing or other code raises `UnfitNode`.
    """
    wanted = deploy_transactions() + ([deploy_test_token()] if network.is_local else [])
    lines = pool.run(network, lambda rpc: [_ensure(rpc, deployment) for deployment in wanted])
    network.escrow_contract = ESCROW_ADDRESS
    network.escrow_code_hash = "0x" + expected_runtime_hashes()[ESCROW_ADDRESS].hex()
    network.save(update_fields=["escrow_contract", "escrow_code_hash"])
    return lines


def _ensure(rpc: Rpc, deployment: Deployment) -> str:
    code = rpc.code(deployment.address)
    if not code and rpc.network.is_local:
        send_unlocked(rpc, deployment.to, deployment.data)
        code = rpc.code(deployment.address)
    if keccak(code) != deployment.runtime_hash:
        raise UnfitNode(f"{deployment.name} is not at {deployment.address} on {rpc.network.name}")
    return f"{deployment.name} at {deployment.address}"


def send_unlocked(rpc: Rpc, to: str, data: bytes = b"", value: int = 0) -> None:
    """Send from the local node's own first account and mine it at once; only for local networks."""
    if not rpc.network.is_local:
        raise UnfitNode("only a local network has unlocked accounts")
    account = rpc.call("eth_accounts")[0]
    request = {"from": account, "to": to, "data": "0x" + data.hex(), "value": hex(value), "gas": hex(_GAS)}
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
