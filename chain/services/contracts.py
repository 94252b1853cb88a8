"""Contracts of ours whose address depends on keys: put where they belong, found again, recorded."""

from collections.abc import Sequence

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from chain.models import DeployedContract, Network
from chain.rpc import pool
from chain.rpc.client import Rpc
from chain.services.deployment import send_unlocked
from chain.services.networks import UnfitNode
from contracts.artifacts import Deployment
from core import clock


class NotDeployed(UnfitNode):
    """A contract is missing on a network that is not local; `deployments` are what anyone may send."""

    def __init__(self, network: Network, deployments: list[Deployment]) -> None:
        names = ", ".join(f"{deployment.name} {deployment.address}" for deployment in deployments)
        super().__init__(f"not deployed on {network.name}: {names}")
        self.deployments = deployments


def stand(network: Network, deployments: Sequence[Deployment]) -> list[str]:
    """Make sure that these contracts stand on `network`, and record them; one sentence each. Idempotent.

    What is missing on a local network is deployed. Raises `NotDeployed` elsewhere, `UnfitNode` for other
    code than the expected one. Their code is checked from then on whenever a worker starts.
    """
    missing = pool.run(network, lambda rpc: [one for one in deployments if not _stands(rpc, one)])
    if missing:
        raise NotDeployed(network, missing)
    for deployment in deployments:
        DeployedContract.objects.get_or_create(
            network=network,
            address=deployment.address,
            defaults={
                "name": deployment.name,
                "code_hash": "0x" + deployment.runtime_hash.hex(),
                "created": clock.now(),
            },
        )
    return [f"{deployment.name} at {deployment.address}" for deployment in deployments]


def _stands(rpc: Rpc, deployment: Deployment) -> bool:
    code = rpc.code(deployment.address)
    if not code and rpc.network.is_local:
        send_unlocked(rpc, deployment.to, deployment.data)
        code = rpc.code(deployment.address)
    if code and keccak(code) != deployment.runtime_hash:
        raise UnfitNode(f"other code than {deployment.name} is at {deployment.address}")
    return bool(code)


def read(network: Network, requests: Sequence[tuple[str, bytes]]) -> list[bytes]:
    """What contracts answer to (address, calldata) pairs at the head of the chain, in order."""
    return pool.run(network, lambda rpc: [rpc.read_contract(to, data) for to, data in requests])


def unlocked_accounts(network: Network) -> list[str]:
    """The accounts that a local node signs for; empty anywhere else."""
    if not network.is_local:
        return []
    return pool.run(
        network, lambda rpc: [to_checksum_address(account) for account in rpc.call("eth_accounts")]
    )
