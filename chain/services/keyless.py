"""Deploying through the keyless deployer with a sender of ours, on networks that are not ours.

This goes past the engine: a deployment has no log that would prove it, and needs none. Whatever is sent
twice, CREATE2 puts one code at one address.
"""

import time
from datetime import datetime, timedelta

import structlog
from eth_utils.crypto import keccak

from chain import signing
from chain.models import Network, Sender
from chain.rpc.answers import quantity
from chain.rpc.client import Rpc
from chain.rpc.errors import AllProvidersFailed, NodeError, RpcError
from chain.services.networks import UnfitNode
from chain.txm.broadcast import meaning, open_nodes
from chain.txm.classify import SendAnswer
from chain.txm.fees import FeeCapReached, fee_fields, first_offer, read_market
from contracts.artifacts import (
    KEYLESS_CODE,
    KEYLESS_COST,
    KEYLESS_DEPLOYER,
    KEYLESS_SENDER,
    KEYLESS_TRANSACTION,
    Deployment,
)
from core import clock
from core.netguard import assert_no_transaction

PURPOSE = "deployer"
PATIENCE = timedelta(minutes=5)
_PAUSE = 0.5  # seconds between two looks
# After these the node may hold our bytes, or others of ours for the same nonce: a look at the code tells.
_MAY_BE_UNDER_WAY = (SendAnswer.KNOWN, SendAnswer.REPLACEMENT, SendAnswer.NONCE_LOW, SendAnswer.AMBIGUOUS)

log = structlog.get_logger(__name__)


class CanNotDeploy(UnfitNode):
    """Nothing was deployed; the message says what to do."""


def is_there(rpc: Rpc, deployment: Deployment) -> bool:
    """Whether the contract stands at its address. Raises `UnfitNode` for other code there: nothing can be
    deployed at that address any more, so that network, or that node, is not to be used."""
    code = rpc.code(deployment.address)
    if code and keccak(code) != deployment.runtime_hash:
        raise UnfitNode(
            f"the code at {deployment.address} on {rpc.network.name} is not that of {deployment.name}: its"
            f" hash is 0x{keccak(code).hex()} instead of 0x{deployment.runtime_hash.hex()}"
        )
    return bool(code)


def require_deployer(rpc: Rpc) -> None:
    """Raises `CanNotDeploy` unless the network has the keyless deployer."""
    code = rpc.code(KEYLESS_DEPLOYER)
    if code == KEYLESS_CODE:
        return
    name = rpc.network.name
    if code:
        raise CanNotDeploy(f"the code at {KEYLESS_DEPLOYER} on {name} is not that of the keyless deployer")
    raise CanNotDeploy(
        f"the keyless deployer is not at {KEYLESS_DEPLOYER} on {name}, and without it the contracts can not"
        f" have their address. Send {KEYLESS_COST} wei to {KEYLESS_SENDER} there, then anyone can put it"
        f" there with: cast publish 0x{KEYLESS_TRANSACTION.hex()}"
    )


def deploy(network: Network, sender: Sender, deployment: Deployment, patience: timedelta = PATIENCE) -> str:
    """Send one deployment and wait until its code is there; returns the transaction's hash.

    The nonce is the next one of the mined chain, so a second run replaces or finds what an earlier one sent.
    Raises `CanNotDeploy` when the keyless deployer is missing, the sender can not pay, the fee caps forbid
    it, or nothing was mined within `patience`; RPC and signer failures as they are.
    """
    assert_no_transaction("a deployment")
    nodes = open_nodes(network)
    if not nodes:
        raise AllProvidersFailed([])
    require_deployer(nodes[0])
    signed = _signed(nodes[0], sender, deployment)
    log.info("deploying", contract=deployment.name, network=network.slug, transaction=signed.hash)
    _send(nodes, signed, deployment)
    _wait(nodes[0], signed, deployment, clock.now() + patience)
    return signed.hash


def _signed(rpc: Rpc, sender: Sender, deployment: Deployment) -> signing.SignedTx:
    network = rpc.network
    request = {"from": sender.address, "to": deployment.to, "data": "0x" + deployment.data.hex()}
    # as of the mined chain: where an earlier run's transaction is pending, this one would be found to revert
    gas = quantity(rpc.call("eth_estimateGas", request, "latest"), "gas estimate") * 11 // 10
    if network.transaction_gas and gas > network.transaction_gas:
        raise CanNotDeploy(
            f"deploying {deployment.name} takes {gas} gas, and one transaction on {network.name} may ask for"
            f" {network.transaction_gas}: at its present prices the contracts do not fit there"
        )
    try:
        fees = first_offer(network, read_market(rpc), gas)
    except FeeCapReached as error:
        raise CanNotDeploy(
            f"deploying {deployment.name} takes {gas} gas, more than the fee caps of {network.name} allow:"
            f" {error}"
        ) from error
    balance, cost = rpc.balance(sender.address), gas * fees.max_fee
    if balance < cost:
        raise CanNotDeploy(
            f"the sender {sender.address} has {balance} wei on {network.name} and needs up to {cost} to"
            f" deploy {deployment.name}: send it coins, then run this again"
        )
    nonce = rpc.nonce(sender.address, "latest")
    tx = {
        "chainId": network.chain_id,
        "nonce": nonce,
        "to": deployment.to,
        "value": 0,
        "data": deployment.data,
        "gas": gas,
        **fee_fields(network, fees),
    }
    # What is signed here the engine must not sign again, should it ever be given work for this sender.
    Sender.objects.filter(pk=sender.pk, next_nonce__lte=nonce).update(next_nonce=nonce + 1)
    return signing.sign_checked(signing.resolve(sender.key_ref), sender.address, tx)


def _send(nodes: list[Rpc], signed: signing.SignedTx, deployment: Deployment) -> None:
    """To every node. Raises `CanNotDeploy` when all refuse for a reason that waiting does not heal."""
    refusals = [words for rpc in nodes if (words := _refusal(rpc, signed)) is not None]
    if len(refusals) == len(nodes):
        raise CanNotDeploy(f"no node takes the deployment of {deployment.name}: {'; '.join(refusals)}")


def _refusal(rpc: Rpc, signed: signing.SignedTx) -> str | None:
    try:
        rpc.send_raw(signed.raw)
    except NodeError as error:
        return None if meaning(rpc, signed.hash, error) in _MAY_BE_UNDER_WAY else error.message
    except RpcError as error:
        log.warning("provider_failed", provider=str(rpc), error=type(error).__name__, detail=str(error)[:200])
    return None


def _wait(rpc: Rpc, signed: signing.SignedTx, deployment: Deployment, until: datetime) -> None:
    while not is_there(rpc, deployment):
        receipt = rpc.receipts([signed.hash]).get(signed.hash)
        if receipt is not None and not receipt.ok and not is_there(rpc, deployment):
            raise CanNotDeploy(f"{deployment.name} was not deployed: {signed.hash} failed")
        if clock.now() > until:
            raise CanNotDeploy(
                f"the deployment of {deployment.name} is not mined yet ({signed.hash}): run this again to go"
                " on"
            )
        time.sleep(_PAUSE)
