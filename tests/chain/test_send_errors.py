"""What nodes answer to signed bytes, by client and version, as they were heard to say it."""

import pytest

from chain.models import Attempt, Call
from chain.services import sender as engine_sender
from chain.txm.classify import SendAnswer, classify
from tests.chain.fixtures import Engine
from tests.chain.helpers import alarms, order, payouts, stock
from tests.chaos import rpcproxy
from tests.chaos.rpcproxy import RpcProxy

A = SendAnswer
TEXTS: dict[str, list[tuple[str, SendAnswer]]] = {
    "anvil 1.7.1": [
        ("transaction already imported", A.KNOWN),
        ("replacement transaction underpriced", A.REPLACEMENT),
        ("nonce too low", A.NONCE_LOW),
        ("max fee per gas less than block base fee", A.UNDERPRICED),
        ("max priority fee per gas higher than max fee per gas", A.INVALID),
        ("Insufficient funds for gas * price + value", A.FUNDS),
        ("invalid chain id for signer", A.INVALID),
        ("intrinsic gas too low", A.INVALID),
        ("intrinsic gas too high -- tx.gas_limit > env.cfg.tx_gas_limit_cap", A.INVALID),
        ("Failed to decode transaction", A.INVALID),
        ("Empty transaction data", A.INVALID),
    ],
    "hardhat 2.29.1": [
        ("Known transaction: 0xfd3b82bc1f00f9933b5cb7d29d7e18604e411cdb2971b66b8da31137b21fce83", A.KNOWN),
        ("Replacement transaction underpriced. A gasPrice/maxFeePerGas of at least 11000000000 is necessary "
         "to replace the existing transaction with nonce 0.", A.REPLACEMENT),
        ("Transaction nonce too low. Expected nonce to be at least 1 but got 0.", A.NONCE_LOW),
        ("Nonce too low. Expected nonce to be 4 but got 2. Note that transactions can't be queued when "
         "automining.", A.NONCE_LOW),
        ("Nonce too high. Expected nonce to be 4 but got 5. Note that transactions can't be queued when "
         "automining.", A.NONCE_HIGH),
        ("maxPriorityFeePerGas (2000000000) is bigger than maxFeePerGas (1000000000)", A.INVALID),
        ("Sender doesn't have enough funds to send tx. The max upfront cost is: 210000000000000 and the "
         "sender's balance is: 0.", A.FUNDS),
        ("Transaction maxFeePerGas (10) is too low for the next block, which has a baseFeePerGas of 7",
         A.UNDERPRICED),
        ("Trying to send a raw transaction with an invalid chainId. The expected chainId is 31337",
         A.INVALID),
        ("Transaction requires at least 21000 gas but got 20000", A.INVALID),
        ("Transaction gas limit is 16777217 and exceeds transaction gas cap of 16777216", A.INVALID),
        ("input too short", A.INVALID),
        ("Invalid transaction type 127.", A.INVALID),
    ],
    "ganache 7.9.2": [
        ("the tx doesn't have the correct nonce. account has nonce of: 1 tx has nonce of: 0", A.NONCE_LOW),
        ("the tx doesn't have the correct nonce. account has nonce of: 1 tx has nonce of: 3", A.NONCE_HIGH),
        ("transaction underpriced", A.UNDERPRICED),
        ("insufficient funds for gas * price + value", A.FUNDS),
        ("Invalid chain id (5) for chain with id 31337.", A.INVALID),
        ("exceeds block gas limit", A.INVALID),
        ("Could not decode transaction: invalid RLP (safeSlice): end slice of Buffer out-of-bounds",
         A.INVALID),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("client", "text", "meaning"), [(c, t, m) for c, rows in TEXTS.items() for t, m in rows]
)
def test_what_each_client_says_is_understood(client: str, text: str, meaning: SendAnswer) -> None:
    assert classify(text) == meaning
    assert classify(text.upper()) == meaning


@pytest.fixture
def two_payouts(engine: Engine) -> list[Call]:
    stock(engine)
    return [order(engine, f"pay-{place}", units=place) for place in (1, 2)]


@pytest.mark.parametrize(
    "words",
    ["transaction underpriced", "Error: VM Exception while processing transaction: reverted", "never heard"],
)
def test_a_refusal_of_bytes_that_the_node_has_stops_nothing(
    engine: Engine, two_payouts: list[Call], proxy: RpcProxy, words: str
) -> None:
    """T4: ganache calls them underpriced, hardhat tells a revert of what it mined; both have the bytes."""

    def kept_and_refused(request: rpcproxy.Request, forward: rpcproxy.Forward) -> rpcproxy.Answer:
        forward(request)
        return rpcproxy.error(words)(request, forward)

    proxy.on("eth_sendRawTransaction", kept_and_refused)
    engine_sender.assign_due(engine.network)
    engine_sender.broadcast_due(engine.network)
    assert list(Attempt.objects.values_list("last_answer", flat=True)) == ["known"] * 2
    assert alarms() == set()
    engine.settle()
    assert sorted(payouts(engine.chain)) == [1, 2]


def test_a_refusal_of_bytes_that_the_node_has_not_stops_the_line(
    engine: Engine, two_payouts: list[Call], proxy: RpcProxy
) -> None:
    rule = proxy.on("eth_sendRawTransaction", rpcproxy.error("transaction underpriced"))
    engine_sender.assign_due(engine.network)
    engine_sender.broadcast_due(engine.network)
    assert rule.used == 1, "the next nonce has nothing to stand on"


def test_a_call_that_no_node_can_simulate_is_told_and_goes_on(
    engine: Engine, two_payouts: list[Call], proxy: RpcProxy
) -> None:
    rule = proxy.on("eth_call", rpcproxy.error("missing trie node"))
    engine_sender.assign_due(engine.network)
    assert alarms() == {"not_simulated"}
    assert "missing trie node" in Call.objects.first().reason  # type: ignore[union-attr]
    proxy.rules.remove(rule)
    Call.objects.update(next_try_at=two_payouts[0].created_at)
    engine.settle()
    assert (sorted(payouts(engine.chain)), alarms()) == ([1, 2], set())


def test_an_invalid_opcode_is_the_contracts_refusal_with_the_nodes_sentence(
    engine: Engine, two_payouts: list[Call], proxy: RpcProxy
) -> None:
    proxy.on("eth_call", rpcproxy.error("EVM error: InvalidFEOpcode", -32603, "0x"))
    engine_sender.assign_due(engine.network)
    assert set(Call.objects.values_list("reason", flat=True)) == {"refused: EVM error: InvalidFEOpcode"}
    assert alarms() == set()
