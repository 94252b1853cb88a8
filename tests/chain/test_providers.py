"""The pool of providers: health, failover, agreement before credit, rest for a network that is down."""

import threading
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from chain import selectors
from chain.indexer import quorum
from chain.models import Breaker, Network, Provider, ScanCoverage, ScanCursor
from chain.rpc import health, pool, subscription
from chain.rpc.errors import AllProvidersFailed, RpcError, Unreachable, WrongChain
from chain.services import breaker, heads, indexer, networks, providers
from chain.services.sweep import sweep
from chain.tasks import index
from core import clock
from core.actors import Actor
from core.errors import Invalid
from core.models import AuditEntry
from escrow_platform import routing
from tests.chain.fixtures import Engine
from tests.chain.helpers import ALICE, alarms, events, later, more_nodes, through, watched
from tests.chaos import modes, rpcproxy
from tests.chaos.rpcproxy import RpcProxy

DEAD = "http://127.0.0.1:1/"


@pytest.mark.parametrize(("count", "need"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 3), (7, 5), (10, 7)])
def test_money_needs_two_voices_where_there_are_two_and_two_thirds_where_there_are_four(
    count: int, need: int
) -> None:
    assert quorum.needed(Network(), count) == need
    assert quorum.needed(Network(quorum=2), count) == 2


def test_one_who_claims_a_far_head_makes_no_liar_of_the_others() -> None:
    assert health.trail([10**9, 100, 99, 98]) == 100
    assert health.trail([100, 90]) == 100, "with two, the one behind may be the one that is stuck"


def test_a_provider_that_fails_too_often_rests_and_is_asked_last(engine: Engine, proxy: RpcProxy) -> None:
    sick = Provider.objects.get(url=proxy.url)
    well = more_nodes(engine, engine.chain.url + "/?")[0]
    proxy.on("*", rpcproxy.drop_request)
    for _ in range(health.BUDGET // health.COST):
        assert pool.providers(engine.network)[0] == sick
        pool.run(engine.network, lambda rpc: rpc.heads())
    assert pool.providers(engine.network) == [well, sick], "asked last, never dropped"
    asked = len(proxy.calls)
    pool.run(engine.network, lambda rpc: rpc.heads())
    assert len(proxy.calls) == asked
    assert "no_healthy_provider" not in alarms()
    with later(int(health.LONGEST_REST)):
        assert pool.providers(engine.network)[0] == sick, "after its rest it has a new chance"


def test_the_last_provider_is_alarmed_and_asked_all_the_same(engine: Engine, proxy: RpcProxy) -> None:
    rule = proxy.on("*", rpcproxy.drop_request)
    for _ in range(health.BUDGET // health.COST):
        with pytest.raises(AllProvidersFailed):
            pool.run(engine.network, lambda rpc: rpc.heads())
    assert "no_healthy_provider" in alarms()
    proxy.rules.remove(rule)
    assert pool.run(engine.network, lambda rpc: rpc.heads()).latest.number == engine.chain.head
    assert "no_healthy_provider" not in alarms()


def test_a_hiccup_of_the_only_provider_is_tried_again_for_reading_alone(
    engine: Engine, proxy: RpcProxy
) -> None:
    """Work that may not be done twice is never repeated by the pool."""
    proxy.on("eth_chainId", rpcproxy.status(500), times=1)
    assert pool.read(engine.network, lambda rpc: rpc.heads()).latest.number == engine.chain.head
    proxy.on("eth_chainId", rpcproxy.status(500), times=1)
    with pytest.raises(AllProvidersFailed):
        pool.run(engine.network, lambda rpc: rpc.heads())


def test_the_inspection_sends_who_trails_to_the_back_until_it_caught_up(
    engine: Engine, proxy: RpcProxy
) -> None:
    stale = Provider.objects.get(url=proxy.url)
    fresh = more_nodes(engine, engine.chain.url + "/?")[0]
    engine.chain.mine(providers.allowed_lag(engine.network) + 5)
    modes.freeze(proxy, 3)
    assert providers.inspect(engine.network) == 1
    assert pool.providers(engine.network) == [fresh, stale]
    assert "provider_lags" in alarms()
    proxy.heal()
    assert providers.inspect(engine.network) == 2
    assert pool.providers(engine.network) == [stale, fresh]
    stale.refresh_from_db()
    assert (stale.head_number, stale.lagging) == (engine.chain.head, False)
    assert "provider_lags" not in alarms()


def test_who_withheld_comes_last_until_a_person_gives_a_reason(engine: Engine) -> None:
    first = Provider.objects.get(enabled=True)
    second = more_nodes(engine, engine.chain.url + "/?")[0]
    health.demote(engine.network, first, "withheld logs")
    assert pool.providers(engine.network) == [second, first]
    first.refresh_from_db()
    with pytest.raises(Invalid):
        providers.trust_again(provider=first, reason=" ", acting=Actor("staff", "op_1", "Olga"))
    providers.trust_again(provider=first, reason="it was repaired", acting=Actor("staff", "op_1", "Olga"))
    assert pool.providers(engine.network) == [first, second]
    assert "provider_demoted" not in alarms()
    assert AuditEntry.objects.filter(action="provider.trusted").exists()


def test_an_operator_switches_off_who_is_gone_but_never_the_last(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = more_nodes(engine, DEAD)[0]
    words = ["chain_provider", "--network", "local"]
    call_command(*words, "off", "--id", str(gone.pk), "--by", "Olga", "--reason", "its maker closed")
    assert [row.url for row in pool.providers(engine.network)] == [engine.chain.url]
    last = str(pool.providers(engine.network)[0].pk)
    with pytest.raises(CommandError, match="at least one"):
        call_command(*words, "off", "--id", last, "--by", "Olga", "--reason", "spite")
    with pytest.raises(CommandError, match="Say what was found"):
        call_command(*words, "on", "--id", str(gone.pk), "--by", "Olga")
    capsys.readouterr()
    call_command(*words, "list")
    assert [line.split(": ")[1].split(",")[0] for line in capsys.readouterr().out.splitlines()] == [
        "on",
        "off",
    ]
    assert AuditEntry.objects.get(action="provider.off").data["reason"] == "its maker closed"


def test_credit_waits_and_a_human_is_told_while_the_second_of_two_providers_is_silent(
    engine: Engine, proxy: RpcProxy
) -> None:
    more_nodes(engine, DEAD)
    watched(engine)
    engine.chain.pay(ALICE, 5)
    engine.chain.mine(4)
    with pytest.raises(AllProvidersFailed):
        engine.index()
    assert events(engine) == []
    assert "quorum_missing" in alarms()
    Provider.objects.filter(url=DEAD).update(enabled=False)
    engine.index()
    assert events(engine) == ["transfer_in"]


def test_a_range_names_who_agreed_on_it(engine: Engine) -> None:
    more_nodes(engine, engine.chain.url + "/?")
    engine.mine(4)
    row = ScanCoverage.objects.latest("from_number")
    assert row.provider_id not in row.witnesses
    assert len(row.witnesses) == 1
    assert row.digest


def test_a_dead_network_rests_and_delays_only_itself(engine: Engine, settings: Any) -> None:
    """R: its own breaker. Its nodes hang; the other network is read in the same sweeps meanwhile."""
    settings.DEMO = False
    with rpcproxy.running_proxy(engine.chain.url) as hanging:
        hanging.on("*", modes.delay(0.5))
        dead = Network.objects.create(slug="dead", name="Dead", chain_id=1, escrow_contract=ALICE,
                                      escrow_code_hash="0x" + "1" * 64)  # fmt: skip
        hanging.on("*", rpcproxy.drop_request)
        hanging.rules.reverse()
        Provider.objects.create(network=dead, url=hanging.url)
        watched(engine)
        engine.chain.pay(ALICE, 5)
        engine.chain.mine(4)
        for _ in range(breaker.ALLOWED + 1):
            sweep(dead)
            sweep(engine.network)
        assert events(engine) == ["transfer_in"]
        assert breaker.is_open(dead)
        assert not breaker.is_open(engine.network)
        assert "network_down" in alarms()
        asked = len(hanging.calls)
        sweep(dead)
        index(dead.pk)
        assert len(hanging.calls) == asked, "a resting network is not asked"
        with later(int(breaker.LONGEST) * 2):
            sweep(dead)
        assert len(hanging.calls) > asked, "but probed when its rest is over"


def test_a_network_that_answers_again_is_read_at_once(engine: Engine, proxy: RpcProxy) -> None:
    rule = proxy.on("*", rpcproxy.drop_request)
    for _ in range(breaker.ALLOWED + 1):
        sweep(engine.network)
    assert breaker.is_open(engine.network)
    proxy.rules.remove(rule)
    watched(engine)
    engine.chain.pay(ALICE, 5)
    engine.chain.mine(4)
    with later(int(breaker.LONGEST) * 2):
        sweep(engine.network)
    assert events(engine) == ["transfer_in"]
    assert Breaker.objects.get().failures == 0
    assert "network_down" not in alarms()


def test_a_missing_quorum_is_no_reason_to_rest(engine: Engine) -> None:
    """Paying goes on with one provider while crediting waits for two."""
    more_nodes(engine, DEAD)
    for _ in range(breaker.ALLOWED + 2):
        sweep(engine.network)
    assert not breaker.is_open(engine.network)


def test_each_network_has_its_own_queue() -> None:
    assert routing.route("chain.index", [7], {}) == {"queue": "network.7"}
    assert routing.route("payments.tasks.project_network", (), {"network_id": 8}) == {"queue": "network.8"}
    assert routing.route("payments.tasks.run_deadlines", [], {}) is None


def test_every_duty_of_a_network_goes_to_its_queue(engine: Engine) -> None:
    """A new duty that is forgotten there would wait behind a network that is down."""
    from escrow_platform import schedule

    of_networks = {duty.task for duty in schedule.duties() if engine.network.pk in duty.args}
    assert of_networks == routing.OF_A_NETWORK


def test_new_heads_ring_by_subscription(engine: Engine) -> None:
    url, stop = engine.chain.url.replace("http", "ws", 1), threading.Event()
    Provider.objects.filter(enabled=True).update(ws_url=url)
    rung: list[float] = []

    def ring(network_id: int) -> None:
        rung.append(time.monotonic())
        if len(rung) == 2:
            stop.set()

    thread = threading.Thread(target=_mine_until, args=(engine, stop))
    thread.start()
    try:
        assert heads.subscribe_once(engine.network, ring, stop)
    finally:
        stop.set()
        thread.join()
    assert len(rung) >= 2


def _mine_until(engine: Engine, stop: threading.Event) -> None:
    while not stop.wait(0.1):
        engine.chain.mine()


def test_a_subscription_of_another_chain_or_of_a_silent_node_is_refused(engine: Engine) -> None:
    url, stop = engine.chain.url.replace("http", "ws", 1), threading.Event()
    with pytest.raises(WrongChain):
        next(subscription.heads(url, 1, 1, stop))
    with pytest.raises(Unreachable):
        next(subscription.heads(url, engine.network.chain_id, 0.6, stop))
    with pytest.raises(Unreachable):
        next(subscription.heads("ws://127.0.0.1:1/", engine.network.chain_id, 1, stop))


@pytest.mark.parametrize("said", ["[" * 200_000, '{"a":' * 40_000, "[1]", "x", b"\xff"])
def test_a_message_of_any_shape_is_the_nodes_failure_and_not_ours(said: str | bytes) -> None:
    def speak(socket: ServerConnection) -> None:
        socket.recv()
        socket.send(said)
        with suppress(ConnectionClosed):
            socket.recv()  # until the other side hangs up

    with serve(speak, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        with pytest.raises(RpcError):
            next(subscription.heads(url, 1, 1, threading.Event()))
        server.shutdown()


def test_without_a_subscription_heads_are_polled_at_the_block_time(engine: Engine) -> None:
    rung, stop = list[int](), threading.Event()
    Provider.objects.filter(enabled=True).update(ws_url="ws://127.0.0.1:1/")
    assert not heads.subscribe_once(engine.network, rung.append, stop)
    heads.poll(engine.network, rung.append, stop, seconds=1.5)
    assert rung == [engine.network.pk] * 2


def test_geth_mode_enforces_its_replacement_rule_in_its_own_words(engine: Engine, proxy: RpcProxy) -> None:
    """The proxy's own test: what it refuses, geth refuses."""
    from eth_account import Account

    modes.geth(proxy)
    key = "0x" + "11" * 32
    engine.chain.rpc("anvil_setBalance", Account.from_key(key).address, hex(10**18))

    def send(tip: int, fee: int) -> str:
        fields = {"chainId": engine.network.chain_id, "nonce": 0, "to": ALICE, "value": 0, "gas": 21000,
                  "maxPriorityFeePerGas": tip, "maxFeePerGas": fee}  # fmt: skip
        raw = Account.sign_transaction(fields, key).raw_transaction
        request = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "eth_sendRawTransaction",
            "params": ["0x" + raw.hex()],
        }
        answer = proxy.answer(request)
        return str(answer.get("error", {}).get("message", "accepted"))

    gwei = 10**9
    assert send(gwei, 10 * gwei) == "accepted"
    assert send(gwei, 10 * gwei) == "already known"
    assert send(2 * gwei, 10 * gwei) == "replacement transaction underpriced", "both fees must rise"
    assert send(11 * gwei // 10, 11 * gwei) == "accepted"
    engine.chain.mine()
    assert send(3 * gwei, 30 * gwei) == "nonce too low: next nonce 1, tx nonce 0"


def test_reading_goes_on_where_the_cursor_stands_when_providers_change_places(engine: Engine) -> None:
    more_nodes(engine, engine.chain.url + "/?", engine.chain.url + "/??")
    watched(engine)
    for place in range(3):
        Provider.objects.filter(enabled=True).update(rests_until=None)
        one = Provider.objects.filter(enabled=True).order_by("pk")[place]
        Provider.objects.filter(pk=one.pk).update(rests_until=clock.now() + timedelta(hours=1))
        engine.chain.pay(ALICE, 5)
        engine.mine(3)
    assert events(engine) == ["transfer_in"] * 3
    top = selectors.final_head(engine.network)
    assert top is not None
    assert ScanCursor.objects.get(lane="safe").number == top[0]
    assert indexer.step(engine.network) is False
    through(engine, engine.chain.url + "/???")


def test_the_local_chain_counts_blocks_where_the_setting_says_so(engine: Engine, settings: Any) -> None:
    """D9: the way out for a node that calls its newest block final, as the refusal names it."""
    engine.chain.mine(10)
    with rpcproxy.running_proxy(engine.chain.url) as proxy:
        through(engine, proxy.url)
        newest = engine.chain.rpc("eth_getBlockByNumber", "latest", False)
        proxy.on("eth_getBlockByNumber", rpcproxy.result(newest), times=2)
        with pytest.raises(networks.UnfitNode, match="LOCAL_FINALITY_DEPTH=2"):
            networks.verify(engine.network)
        settings.LOCAL_FINALITY_DEPTH = 2
        network = networks.local_network(proxy.url)
        networks.verify(network)
        assert pool.run(network, lambda rpc: rpc.heads()).final.number == engine.chain.head - 2
    settings.LOCAL_FINALITY_DEPTH = 0
    assert networks.local_network(engine.chain.url).finality == Network.Finality.TAG
