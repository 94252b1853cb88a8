"""F22 to F30, and the part of F44 that is reading: a deposit is credited once, or not at all, or a human is
told. Each runs on a real node behind a proxy that lies. Each docstring names the rule that holds it, and how
the test was seen to fail with that rule switched off.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise

import pytest
from eth_typing import HexAddress, HexStr
from web3.types import Nonce
from web3.utils.address import get_create_address

from chain import selectors
from chain.models import (
    Block,
    FinalEvent,
    Network,
    Provider,
    Reorg,
    ScanCoverage,
    ScanCursor,
    Token,
    TokenTransfer,
    TransferInclusion,
)
from chain.rpc.errors import AllProvidersFailed
from chain.services import audit, indexer
from contracts.artifacts import TEST_USDT_ADDRESS
from contracts.calls import erc20_transfer
from contracts.calls import test_token_mint as mint
from tests.chain.fixtures import Engine
from tests.chain.helpers import (
    ALICE,
    BOB,
    alarms,
    events,
    later,
    more_nodes,
    owner_calls,
    pending,
    through,
    watched,
)
from tests.chaos import modes, rpcproxy
from tests.chaos.rpcproxy import RpcProxy


@contextmanager
def nodes(engine: Engine, count: int) -> Iterator[list[RpcProxy]]:
    """`count` providers of the network, each behind a proxy of its own."""
    with ExitStack() as stack:
        found = [stack.enter_context(rpcproxy.running_proxy(engine.chain.url)) for _ in range(count)]
        through(engine, found[0].url)
        more_nodes(engine, *(proxy.url for proxy in found[1:]))
        yield found


def test_f22_a_deposit_reorged_away_for_good_is_never_credited(engine: Engine) -> None:
    """D1, D8. Fails (credited) if the head lane finalizes: `store.finalize` in `head._carry_out`."""
    watched(engine)
    engine.chain.pay(ALICE, 5)
    engine.mine(2)
    assert pending(engine) == [(5, 2)]
    engine.chain.reorg(2)
    engine.index()
    assert pending(engine) == []
    engine.mine(6)
    assert events(engine) == []
    assert TokenTransfer.objects.filter(recipient=ALICE).count() == 1, "still known"
    assert Reorg.objects.get().depth == 2
    assert Block.objects.filter(canonical=False).count() == 2


def test_f23_a_deposit_mined_again_with_another_log_index_is_the_same_deposit(engine: Engine) -> None:
    """Identity is the place inside the transaction. Fails (two deposits) with `ordinal = log.index`."""
    watched(engine)
    tx_hash = engine.chain.pay(ALICE, 5)
    engine.mine()
    raw = engine.chain.raw(tx_hash)
    other = {"from": engine.chain.accounts[0], "to": TEST_USDT_ADDRESS, "gas": "0x30d40",
             "data": "0x" + mint(engine.chain.accounts[3], 9).hex()}  # fmt: skip
    engine.chain.reorg(1, [(other, 0), (raw, 0)])
    engine.mine(4)
    rows = TransferInclusion.objects.filter(transfer__recipient=ALICE).order_by("log_index")
    first, second = (row.log_index for row in rows)
    assert first < second
    assert TokenTransfer.objects.filter(recipient=ALICE).count() == 1
    assert events(engine) == ["transfer_in"]


def _creation_of(calls: list[bytes]) -> bytes:
    """Init code that calls the token with each of `calls`."""
    body, tail, per_call = b"", b"".join(calls), 44
    offset = per_call * len(calls) + 1
    for data in calls:
        body += (
            b"\x61" + len(data).to_bytes(2, "big") + b"\x61" + offset.to_bytes(2, "big") + b"\x60\x00\x39"
        )  # CODECOPY(0, offset, length): 9 bytes
        body += b"\x60\x00\x60\x00\x61" + len(data).to_bytes(2, "big") + b"\x60\x00\x60\x00"
        body += b"\x73" + bytes.fromhex(TEST_USDT_ADDRESS[2:]) + b"\x5a\xf1\x50"
        body += b"\x5b" * (per_call - (len(body) % per_call or per_call))
        offset += len(data)
    return body + b"\x00" + tail


def _created(account: str, nonce: int) -> str:
    return str(get_create_address(HexAddress(HexStr(account)), Nonce(nonce)))


@pytest.mark.parametrize("recipients", [[ALICE, BOB], [ALICE, ALICE]], ids=["two escrows", "one escrow"])
def test_f25_two_transfers_in_one_transaction_are_two_deposits(engine: Engine, recipients: list[str]) -> None:
    """Fails (one deposit) if the identity has no ordinal: `ordinal = 0` and no amount in the constraint."""
    watched(engine, ALICE, "esc_1")
    watched(engine, BOB, "esc_2")
    account = engine.chain.accounts[5]
    nonce = int(engine.chain.rpc("eth_getTransactionCount", account, "latest"), 16)
    engine.chain.send(TEST_USDT_ADDRESS, mint(_created(account, nonce), 100))
    engine.chain.mine()
    code = _creation_of([erc20_transfer(to, 10 + place) for place, to in enumerate(recipients)])
    request = {"from": account, "data": "0x" + code.hex(), "gas": hex(1_000_000)}
    tx_hash = engine.chain.rpc("eth_sendTransaction", request)
    engine.mine(4)
    assert engine.chain.receipt(tx_hash)["status"] == "0x1"
    rows = TokenTransfer.objects.filter(tx_hash=tx_hash).order_by("ordinal")
    assert [(row.ordinal, row.recipient, row.amount) for row in rows] == [
        (0, recipients[0], 10), (1, recipients[1], 11),
    ]  # fmt: skip
    assert events(engine) == ["transfer_in", "transfer_in"]


def test_f26_empty_answers_of_a_node_20_blocks_behind_are_refused(engine: Engine, proxy: RpcProxy) -> None:
    """D3; behind a balancer, the head came from a healthy node and the logs from a stale one.

    Fails (the deposit is skipped) without the comparison of the head after the logs in `Rpc.logs`.
    """
    watched(engine)
    engine.mine(30)
    engine.chain.pay(ALICE, 5)
    engine.chain.mine(4)
    proxy.on("eth_blockNumber", rpcproxy.stale_head(20))
    proxy.on("eth_getLogs", rpcproxy.result([]))
    before = selectors.final_head(engine.network)
    with pytest.raises(AllProvidersFailed):
        indexer.step(engine.network)
    assert selectors.final_head(engine.network) == before
    proxy.heal()
    engine.index()
    assert events(engine) == ["transfer_in"]


def test_f26_a_node_wholly_20_blocks_behind_moves_nothing_back(engine: Engine, proxy: RpcProxy) -> None:
    """D2, D3. Fails (an alarm as if finality had moved) if `_check_forward` forgets the head seen before."""
    watched(engine)
    engine.mine(30)
    before = selectors.head(engine.network)
    modes.lag(proxy, 20)
    with pytest.raises(AllProvidersFailed):
        indexer.step(engine.network)
    assert "finality_moved_back" not in alarms()
    assert selectors.head(engine.network) == before
    assert not Reorg.objects.exists()


def test_f26_the_next_provider_is_asked_when_the_first_is_20_blocks_behind(engine: Engine) -> None:
    """R: failover; two of three are enough. Fails (nothing is read) if `pool.providers` names one."""
    with nodes(engine, 3) as (stale, *_):
        watched(engine)
        engine.mine(30)
        modes.lag(stale, 20)
        engine.chain.pay(ALICE, 5)
        engine.mine(4)
        assert events(engine) == ["transfer_in"]
        assert pending(engine) == []


def test_f27_logs_truncated_once_are_found_by_the_balance(engine: Engine, proxy: RpcProxy) -> None:
    """D4: of two deposits in a range one was withheld; the balance gives it away.

    Fails (one of two credited) without `complete_by_balances` in `safe._read`.
    """
    watched(engine)
    engine.chain.pay(ALICE, 5)
    engine.chain.mine()
    engine.chain.pay(ALICE, 6)
    engine.chain.mine(4)
    proxy.on("eth_getLogs", _without_last_to_alice)
    while indexer.step(engine.network):
        pass
    proxy.heal()
    assert events(engine) == ["transfer_in", "transfer_in"]
    assert "logs_withheld" in alarms()
    assert "balance_differs" not in alarms()


def _without_last_to_alice(request: rpcproxy.Request, forward: rpcproxy.Forward) -> rpcproxy.Answer:
    """Truncates the answers about everybody, not those about named addresses."""
    answer = forward(request)
    topics = request["params"][0].get("topics") or []
    if len(topics) < 2 and TEST_USDT_ADDRESS in request["params"][0]["address"]:
        mine = [log for log in answer["result"] if ALICE[2:].lower() in str(log["topics"])]
        answer["result"] = [log for log in answer["result"] if not mine or log != mine[-1]]
    return answer


def test_f27_logs_always_truncated_are_found_by_the_audit(engine: Engine, proxy: RpcProxy) -> None:
    """D4: nothing of the address was shown, so only the nightly comparison can know.

    Fails (never credited) without `_read_again` in `audit.go_on`.
    """
    watched(engine)
    engine.chain.pay(ALICE, 5)
    engine.chain.mine(4)
    modes.withhold(proxy, ALICE, named=False)
    engine.index()
    assert events(engine) == []
    assert audit.go_on(engine.network) == 0
    assert events(engine) == ["transfer_in"]
    assert "logs_withheld" in alarms()


@pytest.mark.parametrize("reader", [1, 2, 3])
def test_f27_what_one_of_three_always_withholds_is_credited_at_once(engine: Engine, reader: int) -> None:
    """D7. Fails (nothing credited when the first withholds, nobody accused) with `Network.quorum = 1`."""
    with nodes(engine, 3) as found:
        watched(engine)
        modes.withhold(found[reader - 1], ALICE)
        engine.chain.pay(ALICE, 5)
        engine.mine(4)
        assert events(engine) == ["transfer_in"]
        assert ("provider_demoted" in alarms()) == (reader < 3), "the third was not asked"


@pytest.mark.parametrize("forger", [1, 2])
def test_f28_a_deposit_that_one_of_three_invented_is_not_credited(engine: Engine, forger: int) -> None:
    """D7: log, receipt and balance are forged to match. Two agree, the third is outvoted and demoted.

    Fails (the forged deposit is credited when the first forges) with `Network.quorum = 1`.
    """
    with nodes(engine, 3) as found:
        watched(engine)
        engine.chain.pay(ALICE, 5)
        number = engine.chain.mine()
        block = engine.chain.rpc("eth_getBlockByNumber", hex(number), False)
        tx_hash = modes.forge_deposit(found[forger - 1], ALICE, 10**9, block)
        engine.mine(3)
        assert [event.transfer.amount for event in FinalEvent.objects.all() if event.transfer] == [5]
        assert not TokenTransfer.objects.filter(tx_hash=tx_hash, final_block__isnull=False).exists()
        demoted = Provider.objects.exclude(demoted_reason="").get()
        assert demoted.url == found[forger - 1].url
        assert not Network.objects.get().halted_reason


def test_f28_two_providers_that_disagree_credit_nothing_until_they_agree(engine: Engine) -> None:
    """D7: with two, both must agree. Fails (the forged deposit is credited) with `Network.quorum = 1`."""
    with nodes(engine, 2) as (liar, _):
        watched(engine)
        engine.mine(3)
        before = selectors.final_head(engine.network)
        engine.chain.pay(ALICE, 5)
        number = engine.chain.mine()
        block = engine.chain.rpc("eth_getBlockByNumber", hex(number), False)
        modes.forge_deposit(liar, ALICE, 10**9, block)
        engine.chain.mine(3)
        with pytest.raises(AllProvidersFailed):
            engine.index()
        assert events(engine) == []
        assert "providers_disagree" in alarms()
        assert selectors.final_head(engine.network)[0] < number  # type: ignore[index]
        assert before is not None
        liar.heal()
        engine.index()
        assert events(engine) == ["transfer_in"]
        assert "providers_disagree" not in alarms()


def test_f28_a_final_block_that_one_of_three_forges_halts_nothing(engine: Engine) -> None:
    """D7. Fails (nothing is read) if `quorum.agree` raises the first `FinalConflict` it hears."""
    with nodes(engine, 3) as (liar, *_):
        watched(engine)
        engine.mine(3)
        modes.forge_block_hash(liar, ScanCursor.objects.get(lane="safe").number)
        engine.chain.pay(ALICE, 5)
        engine.mine(4)
        assert events(engine) == ["transfer_in"]
        assert not Network.objects.get().halted_reason


def test_f28_a_forged_block_hash_in_logs_is_refused(engine: Engine, proxy: RpcProxy) -> None:
    """D3: of the only provider. Fails (credited) without those of `_attach_headers` and `ordinal`."""
    watched(engine)
    engine.chain.pay(ALICE, 5)
    engine.chain.mine(4)
    forge = rpcproxy.changed(lambda logs: [{**log, "blockHash": "0x" + "5" * 64} for log in logs])
    proxy.on("eth_getLogs", forge)
    with pytest.raises(AllProvidersFailed):
        engine.index()
    assert events(engine) == []
    proxy.heal()
    engine.index()
    assert events(engine) == ["transfer_in"]


def test_f29_a_changed_chain_id_is_refused_and_the_next_provider_asked(
    engine: Engine, proxy: RpcProxy
) -> None:
    """D9. Fails (read from the wrong chain) without `check_chain` in `pool.ask`."""
    watched(engine)
    modes.wrong_chain(proxy)
    engine.chain.pay(ALICE, 5)
    engine.chain.mine(4)
    with pytest.raises(AllProvidersFailed):
        engine.index()
    assert not TokenTransfer.objects.exists()
    assert "wrong_chain" in alarms()
    more_nodes(engine, engine.chain.url + "/", engine.chain.url + "/?")
    engine.index()
    assert events(engine) == ["transfer_in"]


def test_f29_finality_that_moves_back_is_refused_with_an_alarm(engine: Engine, proxy: RpcProxy) -> None:
    """D9. Fails (no alarm) without `_check_forward` in `safe._final_number`."""
    engine.mine(10)
    proxy_final = engine.chain.head - 8

    def back(request: rpcproxy.Request, forward: rpcproxy.Forward) -> rpcproxy.Answer:
        if request["params"][0] == "finalized":
            return forward({**request, "params": [hex(proxy_final), False]})
        return forward(request)

    proxy.on("eth_getBlockByNumber", back)
    engine.chain.mine()
    with pytest.raises(AllProvidersFailed):
        engine.index()
    assert "finality_moved_back" in alarms()


@pytest.mark.parametrize(
    "message",
    ["query returned more than 10000 results", "block range is too wide, maximum is 4 blocks",
     "Log response size exceeded. this block range should work: [0x1, 0x3]", "Nope.", "", "invalid params"],
)  # fmt: skip
def test_f30_a_range_that_is_too_large_is_asked_in_smaller_parts(
    engine: Engine, proxy: RpcProxy, message: str
) -> None:
    """D4. Fails (never credited) if `windows.shrink` gives up instead."""
    watched(engine)
    engine.chain.pay(ALICE, 5)
    engine.chain.mine(12)

    def narrow(request: rpcproxy.Request, forward: rpcproxy.Forward) -> rpcproxy.Answer:
        asked = request["params"][0]
        if int(asked["toBlock"], 16) - int(asked["fromBlock"], 16) >= 4:
            return rpcproxy.error(message)(request, forward)
        return forward(request)

    proxy.on("eth_getLogs", narrow)
    engine.index()
    assert events(engine) == ["transfer_in"]
    rows = ScanCoverage.objects.order_by("from_number").values_list("from_number", "to_number")
    assert all(after[0] == before[1] + 1 for before, after in pairwise(rows))


def test_f30_a_single_block_that_cannot_be_read_is_an_alarm_and_never_skipped(
    engine: Engine, proxy: RpcProxy
) -> None:
    """D4. Fails (nobody is told) without the alarm in `windows.shrink`."""
    watched(engine)
    engine.mine(3)
    before = selectors.final_head(engine.network)
    engine.chain.pay(ALICE, 5)
    engine.chain.mine(4)
    proxy.on("eth_getLogs", rpcproxy.error("query returned more than 10000 results"))
    for _ in range(12):
        indexer.step(engine.network)
    assert "block_unreadable" in alarms()
    assert selectors.final_head(engine.network) == before
    proxy.heal()
    engine.index()
    assert events(engine) == ["transfer_in"]


@pytest.mark.parametrize(
    "fault",
    [rpcproxy.status(429), rpcproxy.status(500), rpcproxy.garbage, rpcproxy.drop_request,
     rpcproxy.drop_reply, rpcproxy.error("rate limit exceeded", -32005), rpcproxy.result({"not": "logs"})],
    ids=["429", "500", "no JSON", "dropped before", "reply dropped", "rate limit", "other shape"],
)  # fmt: skip
def test_f30_rate_limits_and_malformed_answers_lose_nothing(
    engine: Engine, proxy: RpcProxy, fault: rpcproxy.Fault
) -> None:
    """D3. Fails (the deposit is lost) if `Rpc.logs` takes an error for no logs."""
    watched(engine)
    engine.chain.pay(ALICE, 5)
    engine.chain.mine(4)
    proxy.on("eth_getLogs", fault)
    with pytest.raises(AllProvidersFailed):
        engine.index()
    assert events(engine) == []
    proxy.heal()
    with later():  # who wanted to be left alone is not asked before
        engine.index()
    assert events(engine) == ["transfer_in"]


def test_f30_a_missing_receipt_loses_nothing(engine: Engine, proxy: RpcProxy) -> None:
    """D3: the place of a log in its transaction is unknown. Fails (lost) if `with_ordinals` leaves it out."""
    watched(engine)
    engine.chain.pay(ALICE, 5)
    engine.chain.mine(4)
    proxy.on("eth_getTransactionReceipt", modes.null_receipt)
    with pytest.raises(AllProvidersFailed):
        engine.index()
    proxy.heal()
    engine.index()
    assert events(engine) == ["transfer_in"]


def test_f44_pause_and_deprecation_switch_the_token_and_call_a_human(engine: Engine) -> None:
    """D4. Fails (the token stays enabled) without `_apply_to_token`."""
    owner_calls(engine.chain, "pause")
    engine.mine(4)
    assert Token.objects.get().paused
    assert "token_paused" in alarms()
    owner_calls(engine.chain, "unpause")
    owner_calls(engine.chain, "deprecate", BOB)
    engine.mine(4)
    token = Token.objects.get()
    assert (token.paused, token.deprecated, token.enabled) == (False, True, False)
    assert "token_paused" not in alarms()
    assert "token_deprecated" in alarms()
    assert [(row.kind, row.key) for row in FinalEvent.objects.order_by("seq")] == [("token", "")] * 3


def test_f44_a_blacklisted_escrow_is_told_with_its_key_and_strangers_are_not(engine: Engine) -> None:
    """D4. Fails (no event) without `events.OF_ACCOUNT` in the filter."""
    watched(engine)
    owner_calls(engine.chain, "addBlackList", ALICE)
    owner_calls(engine.chain, "addBlackList", BOB)
    engine.mine(4)
    assert [(row.kind, row.key) for row in FinalEvent.objects.order_by("seq")] == [("token", "esc_1")]
    assert "address_blacklisted" in alarms()
    owner_calls(engine.chain, "removeBlackList", ALICE)
    engine.mine(4)
    assert "address_blacklisted" not in alarms()


def test_f44_destroyed_funds_are_told_and_the_balances_still_prove_everything(engine: Engine) -> None:
    """D4: they vanish without a Transfer. Fails (`balance_differs` for ever) without `_destroyed`."""
    watched(engine)
    engine.chain.pay(ALICE, 5)
    engine.mine(3)
    owner_calls(engine.chain, "addBlackList", ALICE)
    engine.chain.mine()
    owner_calls(engine.chain, "destroyBlackFunds", ALICE)
    engine.mine(4)
    assert events(engine) == ["transfer_in", "token", "token"]
    assert {row.key for row in FinalEvent.objects.all()} == {"esc_1"}
    assert "funds_destroyed" in alarms()
    assert audit.go_on(engine.network) == 0
    assert "balance_differs" not in alarms()
