"""Networks as they are configured, and whether a node really is what the configuration says."""

from datetime import timedelta

from django.conf import settings
from eth_utils.crypto import keccak

from chain.models import Network, Provider, Sender, Token
from chain.rpc import pool
from chain.rpc.client import Rpc
from chain.rpc.errors import AllProvidersFailed, NodeError, RpcError
from chain.services.alarms import raise_alarm, resolve_alarm
from contracts.artifacts import ESCROW_ADDRESS, VAULT_CODE_ADDRESS, expected_runtime_hashes

LOCAL_CHAIN_ID = 31337
LOCAL_FEES = {"tip_floor": 10**9, "resend_after": 5, "bump_after_seconds": 10}
# A young chain may have one block that is both newest and final.
_YOUNG = 8
# One provider of each network must keep the state of so long ago.
STATE_KEPT = timedelta(hours=48)
_LOCALLY = "start with LOCAL_FINALITY_DEPTH=2"
_BY_ITS_ROW = "set its finality to a number of blocks, and finality_depth to how many"
_verified: set[tuple[int, str]] = set()


class UnfitNode(RuntimeError):
    """A node, or what it serves, is not what is configured; workers refuse to start."""


def local_network(url: str) -> Network:
    """The network of the embedded node, made if missing; its one provider is `url`.

    `settings.LOCAL_FINALITY_DEPTH` blocks make it final, or with 0 the node's own tag: anvil's trails the
    head, while other nodes for development call their newest block final.
    """
    depth = settings.LOCAL_FINALITY_DEPTH
    policy = {"finality": Network.Finality.DEPTH if depth else Network.Finality.TAG, "finality_depth": depth}
    network, created = Network.objects.get_or_create(
        slug="local",
        defaults={
            "name": "Local chain",
            "chain_id": LOCAL_CHAIN_ID,
            "is_local": True,
            "block_time": 1,
            "batch_seconds": 0,
            **policy,
            **LOCAL_FEES,
        },
    )
    if not created and (network.finality, network.finality_depth) != tuple(policy.values()):
        Network.objects.filter(pk=network.pk).update(**policy)
        network.refresh_from_db(fields=list(policy))
    Provider.objects.filter(network=network).exclude(url=url).update(enabled=False)
    facts = {"enabled": True, "ws_url": url.replace("http", "ws", 1)}
    Provider.objects.update_or_create(network=network, url=url, defaults=facts)
    return network


def register_token(network: Network, address: str, symbol: str, decimals: int, min_amount: int) -> Token:
    """List a token, once. `min_amount`, the smallest escrow, in base units.

    A hundredth of the token, at most `min_amount`, is the least amount that counts as money, and `min_amount`
    the least surplus that is sent back, until a person decides otherwise.
    """
    least = max(1, min(10**decimals // 100, min_amount))
    token, _ = Token.objects.get_or_create(
        network=network,
        address=address,
        defaults={
            "symbol": symbol,
            "decimals": decimals,
            "min_amount": min_amount,
            "least_amount": least,
            "least_surplus": max(least, min_amount),
        },
    )
    return token


def sender_of(network: Network, purpose: str) -> Sender | None:
    """The sender that carries this purpose now, active or frozen; not one that another took over from."""
    rows = Sender.objects.filter(network=network, purpose=purpose).exclude(state="retiring")
    return rows.order_by("-pk").first()


def register_sender(network: Network, purpose: str, address: str, key_ref: str) -> Sender:
    """The sender of `purpose`, made if missing; its line of nonces starts where the chain is."""
    known = sender_of(network, purpose)
    if known:
        return known
    nonce = pool.run(network, lambda rpc: rpc.nonce(address, "pending"))
    return Sender.objects.create(
        network=network, purpose=purpose, address=address, key_ref=key_ref, next_nonce=nonce
    )


def refuse_demo(network: Network) -> None:
    """Raise `UnfitNode` where the demo's settings meet a real network: their keys protect nothing."""
    if settings.DEMO and not network.is_local:
        raise UnfitNode(
            f"{network.name} is no local chain, and these are the demo's settings, whose passwords everybody "
            "knows. Set DJANGO_SETTINGS_MODULE=escrow_platform.settings.production."
        )


def verify(network: Network) -> list[str]:
    """What every enabled provider was found to be, one sentence each.

    Raises `UnfitNode` for a real network under the demo's settings, for a wrong chain id, for code at the
    escrow contract, behind its vaults or at another contract of ours that is not the configured one, or
    for a finality tag that is missing or never trails the head. A provider that does not answer is only
    named, unless none does; `AllProvidersFailed` when all of them want to be asked later.
    """
    refuse_demo(network)
    lines, alive, keeps, causes = [], 0, False, list[RpcError]()
    for provider in pool.providers(network):
        try:
            lines.append(pool.ask(network, provider, _inspect))
            alive += 1
            keeps = keeps or pool.ask(network, provider, _keeps_state)
        except AllProvidersFailed:
            raise
        except RpcError as error:
            lines.append(f"{provider}: {type(error).__name__}: {error}")
            causes.append(error)
    if not alive:
        if (failed := AllProvidersFailed(causes)).only_limited:
            raise failed
        raise UnfitNode(f"no provider of {network.name} is fit: " + "; ".join(lines or ["none is enabled"]))
    _report_state(network, keeps)
    return lines


def _keeps_state(rpc: Rpc) -> bool:
    """Whether the node still answers about the balances of two days ago: reconciling needs one that does.

    A chain of our own forgets early, and need not remember.
    """
    if rpc.network.is_local:
        return True
    ago = int(STATE_KEPT.total_seconds()) // max(1, rpc.network.block_time)
    try:
        rpc.balance(rpc.network.escrow_contract, max(0, rpc.heads().final.number - ago))
    except NodeError:
        return False
    return True


def _report_state(network: Network, keeps: bool) -> None:
    if keeps:
        resolve_alarm(network, "state_not_kept")
    else:
        raise_alarm(network, "state_not_kept", detail=f"no provider answers about {STATE_KEPT} ago")


def _inspect(rpc: Rpc) -> str:
    rpc.check_chain()
    heads = rpc.heads()
    if heads.final.number == heads.latest.number > _YOUNG:
        raise UnfitNode(
            f"{rpc} calls its newest block final, and a reorg could take back what was credited. Let"
            f" {rpc.network.name} count blocks instead: {_LOCALLY if rpc.network.is_local else _BY_ITS_ROW}"
        )
    _check_code(rpc)
    return f"{rpc}: chain {rpc.network.chain_id}, head {heads.latest.number}, final {heads.final.number}"


def _check_code(rpc: Rpc) -> None:
    network = rpc.network
    if not network.escrow_contract:
        raise UnfitNode(f"no escrow contract is configured on {network.name}")
    expected = {network.escrow_contract: network.escrow_code_hash}
    if network.escrow_contract == ESCROW_ADDRESS:
        expected[VAULT_CODE_ADDRESS] = "0x" + expected_runtime_hashes()[VAULT_CODE_ADDRESS].hex()
    expected |= dict(network.contracts.values_list("address", "code_hash"))
    for address, wanted in expected.items():
        if "0x" + keccak(rpc.code(address)).hex() != wanted:
            raise UnfitNode(f"the code at {address} is not the one that is configured")


def ensure_verified(network: Network) -> None:
    """`verify`, once per process and configuration: what a worker does before it touches a network."""
    identity = (network.pk, f"{network.escrow_code_hash}{[p.url for p in pool.providers(network)]}")
    if identity not in _verified:
        verify(network)
        resolve_alarm(network, "unfit_node")
        _verified.add(identity)
