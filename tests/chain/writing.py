"""What the tests of sending share: a payout, the only way to the node, a stranger with our key."""

from collections.abc import Iterator

import pytest

from chain.models import Alarm, Call, Network
from tests.chain.fixtures import Engine
from tests.chain.helpers import (
    BOB,
    order,
    sender_of,
    stock,
    through,
)
from tests.chaos import rpcproxy
from tests.chaos.rpcproxy import RpcProxy
from wallets.signers import resolve

__all__ = ["alarms", "foreign", "never_bumped", "payout", "proxy"]


@pytest.fixture
def proxy(engine: Engine) -> Iterator[RpcProxy]:
    """The product's only way to the node."""
    with rpcproxy.running_proxy(engine.chain.url) as running:
        through(engine, running.url)
        yield running


@pytest.fixture
def payout(engine: Engine) -> Call:
    """A payout of 7 base units to Bob, ordered."""
    stock(engine)
    return order(engine)


def alarms() -> set[str]:
    return set(Alarm.objects.filter(resolved_at=None).values_list("kind", flat=True))


def never_bumped(engine: Engine) -> None:
    """However slow the machine: what is sent again is then the same bytes."""
    Network.objects.update(bump_after_seconds=3600)
    engine.network.refresh_from_db()


def foreign(engine: Engine, fee: int = 10**11, nonce: int = 0) -> str:
    """Another transaction on our next nonce, signed with our key outside the product."""
    row = sender_of(engine)
    signed = resolve(row.key_ref).sign_transaction(
        {
            "chainId": 31337, "nonce": nonce, "to": BOB, "value": 1, "data": b"", "gas": 21_000,
            "maxFeePerGas": fee, "maxPriorityFeePerGas": fee, "type": 2,
        }
    )  # fmt: skip
    return str(engine.chain.rpc("eth_sendRawTransaction", "0x" + signed.raw.hex()))
