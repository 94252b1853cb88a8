"""Who is watched and what is read again: the set in memory, second pass, re-scan, plans of hot queries."""

import subprocess
import sys
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, connections
from django.db.models import QuerySet

from chain import selectors
from chain.indexer import balances, watchset
from chain.models import (
    Block,
    FinalEvent,
    Network,
    Provider,
    ScanCoverage,
    ScanCursor,
    SecondPass,
    TokenTransfer,
    WatchedAddress,
)
from chain.services import indexer
from chain.services.rescan import rescan
from core import clock
from core.errors import Invalid
from tests.chain.fixtures import Engine
from tests.chain.helpers import (
    ALICE,
    BOB,
    ROOT,
    alarms,
    events,
    later,
    more_nodes,
    process_environment,
    watched,
)
from tests.chaos import modes, rpcproxy
from tests.chaos.rpcproxy import RpcProxy

HOURS = 7 * 3600
# What an indexer holds: the product, and everybody who is watched.
_READER = """
import django
django.setup()
import escrow_platform.celery
from chain.indexer import watchset
from chain.models import Network
assert len(watchset.candidates(Network.objects.get(), ["0x%040x" % 99_999])) == 1
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1024)
"""


def crowd(network: Network, count: int, start: int = 10_000) -> None:
    """Many addresses that are watched since long ago."""
    WatchedAddress.objects.bulk_create(
        (
            WatchedAddress(
                network=network, address=f"0x{place:040x}", key=f"k{place}", from_block=0,
                caught_up=True, since_version=1, created_at=clock.now(),
            )
            for place in range(start, start + count)
        ),
        batch_size=5000,
    )  # fmt: skip


# The set in memory -------------------------------------------------------------------------------------


def test_the_set_holds_old_addresses_new_ones_and_no_strangers(engine: Engine) -> None:
    watched(engine)
    engine.mine()
    assert watchset.candidates(engine.network, [ALICE, BOB]) == {ALICE}
    watched(engine, BOB, "esc_2")
    assert watchset.candidates(engine.network, [ALICE, BOB]) == {ALICE, BOB}, "before it is covered"
    engine.mine()
    assert watchset.candidates(engine.network, [ALICE, BOB]) == {ALICE, BOB}
    assert WatchedAddress.objects.get(address=BOB).since_version > 0


def test_a_row_committed_late_with_an_early_number_is_not_missed(engine: Engine) -> None:
    """Two transactions, the one that began first commits last: its row has the lower id."""
    early, begun, go_on = threading.Event(), threading.Event(), threading.Event()

    def slow() -> None:
        from django.db import transaction

        from chain.services.watch import watch

        with transaction.atomic():
            watch(network=engine.network, address=ALICE, key="esc_1")
            begun.set()
            go_on.wait(30)
        early.set()
        connections.close_all()

    thread = threading.Thread(target=slow)
    thread.start()
    assert begun.wait(30)
    watched(engine, BOB, "esc_2")
    engine.mine(3)
    assert watchset.candidates(engine.network, [ALICE, BOB]) == {BOB}
    go_on.set()
    thread.join()
    assert early.is_set()
    assert WatchedAddress.objects.get(address=ALICE).pk < WatchedAddress.objects.get(address=BOB).pk
    engine.chain.pay(ALICE, 5)
    engine.mine(4)
    assert events(engine) == ["transfer_in"]


def test_the_set_is_read_anew_when_the_database_was_restored(engine: Engine) -> None:
    """F33: the newest row that was known is gone, so nothing that was known can be relied on."""
    watched(engine)
    engine.mine()
    assert watchset.candidates(engine.network, [ALICE, BOB]) == {ALICE}
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("DELETE FROM chain_watchedaddress")
        cursor.execute("SET session_replication_role = origin")
    crowd(engine.network, 1, start=int(BOB, 16))
    assert watchset.candidates(engine.network, [ALICE, BOB]) == {BOB}


def test_beyond_its_limit_the_set_gives_way_to_a_join(engine: Engine, monkeypatch: Any) -> None:
    monkeypatch.setattr(watchset, "MOST", 2)
    watched(engine)
    crowd(engine.network, 5)
    engine.mine()
    assert watchset.candidates(engine.network, [ALICE, BOB]) == {ALICE, BOB}
    engine.chain.pay(ALICE, 5)
    engine.mine(4)
    assert events(engine) == ["transfer_in"]
    watchset._sets.pop(engine.network.pk)


def test_a_hundred_thousand_addresses_fit_and_only_what_is_new_is_read(
    engine: Engine, django_assert_max_num_queries: Any
) -> None:
    """D4: a process stays under 300 MB, and a block costs a few rows however many are watched."""
    crowd(engine.network, 100_000)
    assert watchset.candidates(engine.network, [f"0x{99_999:040x}", ALICE]) == {f"0x{99_999:040x}"}
    with django_assert_max_num_queries(2) as queries:
        watchset.candidates(engine.network, [ALICE])
    assert all("LIMIT" in query["sql"] or "NOT" in query["sql"] for query in queries.captured_queries)
    assert watchset._portion(engine.network.pk, watchset._sets[engine.network.pk].newest)[1:] == []
    done = subprocess.run(
        [sys.executable, "-c", _READER],
        env=process_environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) < 300, f"{done.stdout.strip()} MB"


# The second pass ---------------------------------------------------------------------------------------


def test_a_log_that_the_first_reader_withheld_is_found_hours_later_by_another(
    engine: Engine, proxy: RpcProxy
) -> None:
    """D5"""
    Network.objects.update(quorum=1)
    engine.network.refresh_from_db()
    other = more_nodes(engine, engine.chain.url + "/?")[0]
    watched(engine)
    engine.index()
    modes.withhold(proxy, ALICE)
    engine.chain.pay(ALICE, 5)
    engine.mine(4)
    assert events(engine) == []
    indexer.read_again(engine.network)
    assert not SecondPass.objects.exists(), "it is too early"
    with later(HOURS):
        indexer.read_again(engine.network)
    assert events(engine) == ["transfer_in"]
    assert SecondPass.objects.filter(late=1, provider=other).count() == 1
    assert {"late_log", "provider_demoted"} <= alarms()
    assert Provider.objects.exclude(demoted_reason="").get().url == proxy.url
    with later(2 * HOURS):
        assert not indexer.read_again(engine.network), "every range once"
    assert events(engine) == ["transfer_in"]


def test_a_credited_log_that_the_second_reader_does_not_show_calls_a_human(
    engine: Engine, proxy: RpcProxy
) -> None:
    """D5, the other way round: one of the two lies, and nothing is taken back by itself."""
    Network.objects.update(quorum=1)
    engine.network.refresh_from_db()
    watched(engine)
    engine.index()
    more_nodes(engine, engine.chain.url + "/?")
    block = engine.chain.rpc("eth_getBlockByNumber", hex(engine.chain.mine()), False)
    modes.forge_deposit(proxy, ALICE, 10**9, block)
    engine.mine(4)
    assert events(engine) == ["transfer_in"]
    with later(HOURS):
        indexer.read_again(engine.network)
    assert "final_event_unconfirmed" in alarms()
    assert events(engine) == ["transfer_in"]


def test_the_second_pass_covers_every_final_block_and_nothing_twice(engine: Engine) -> None:
    watched(engine)
    for _ in range(5):
        engine.chain.pay(ALICE, 5)
        engine.mine(2)
    with later(HOURS):
        ScanCursor.objects.filter(lane="second").update(window=3)
        while indexer.read_again_once(engine.network):
            ScanCursor.objects.filter(lane="second").update(window=3)
    passes = list(SecondPass.objects.order_by("from_number"))
    assert [row.from_number for row in passes[1:]] == [row.to_number + 1 for row in passes[:-1]]
    first = ScanCoverage.objects.order_by("from_number")[0].from_number
    top = selectors.final_head(engine.network)
    assert top is not None
    assert (passes[0].from_number, passes[-1].to_number) == (first, top[0])
    assert {row.late for row in passes} | {row.unconfirmed for row in passes} == {0}
    assert alarms() == set()


# Re-scan -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [False, True])
def test_a_rescan_finds_what_was_missed_once(engine: Engine, proxy: RpcProxy, named: bool) -> None:
    watched(engine)
    engine.index()
    rule = modes.withhold(proxy, ALICE)
    engine.chain.pay(ALICE, 5)
    engine.mine(4)
    assert events(engine) == []
    proxy.rules.remove(rule)
    top = ScanCursor.objects.get(lane="safe").number
    words = ["chain_rescan", "--network", "local", "--from", "0", "--to", str(top)]
    for _ in range(2):
        call_command(*words, *(["--address", ALICE.lower()] if named else []))
        assert events(engine) == ["transfer_in"]
    assert "logs_withheld" in alarms()


def test_a_rescan_ends_where_reading_ended(engine: Engine) -> None:
    top = ScanCursor.objects.get(lane="safe").number
    with pytest.raises(Invalid):
        rescan(engine.network, 0, top + 1)
    with pytest.raises(CommandError):
        call_command("chain_rescan", "--network", "local", "--from", "3", "--to", "1")
    assert rescan(engine.network, 0, top) == 0


def test_a_rescan_of_a_wide_range_narrows_its_windows(engine: Engine, proxy: RpcProxy) -> None:
    engine.chain.pay(ALICE, 5)
    engine.mine(12)
    watched(engine)
    engine.index()

    def narrow(request: rpcproxy.Request, forward: rpcproxy.Forward) -> rpcproxy.Answer:
        asked = request["params"][0]
        if int(asked["toBlock"], 16) - int(asked["fromBlock"], 16) >= 4:
            return rpcproxy.error("block range is too wide")(request, forward)
        return forward(request)

    proxy.on("eth_getLogs", narrow)
    assert rescan(engine.network, 0, ScanCursor.objects.get(lane="safe").number, [ALICE]) == 1
    assert events(engine) == ["transfer_in"]


# Plans of hot queries ----------------------------------------------------------------------------------


@pytest.fixture
def grown(engine: Engine) -> Engine:
    """A database in which no table that is read for a block is small."""
    watched(engine)
    engine.chain.pay(ALICE, 5)
    engine.mine(4)
    crowd(engine.network, 15_000)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for statement in _GROWTH:
            cursor.execute(statement, [engine.network.pk])
        cursor.execute("SET session_replication_role = origin")
        cursor.execute("ANALYZE")
    return engine


_GROWTH = (
    """INSERT INTO chain_block (network_id, number, hash, parent_hash, timestamp, canonical)
       SELECT %s, 1000000 + n, '0x' || lpad(to_hex(n), 64, '0'), '0x' || lpad(to_hex(n - 1), 64, '0'),
              now(), true
       FROM generate_series(1, 15000) n""",
    """INSERT INTO chain_tokentransfer (token_id, tx_hash, ordinal, source, recipient, amount, final_block_id)
       SELECT t.id, b.hash, 0, '0x' || lpad(to_hex(b.number - 1000000), 40, '0'),
              '0x' || lpad(to_hex(b.number - 990000), 40, '0'), 1, b.id
       FROM chain_token t JOIN chain_block b ON b.network_id = t.network_id AND b.number > 1000000
       WHERE t.network_id = %s""",
    """INSERT INTO chain_transferinclusion (transfer_id, block_id, log_index)
       SELECT x.id, x.final_block_id, 0
       FROM chain_tokentransfer x JOIN chain_block b ON b.id = x.final_block_id
       WHERE b.network_id = %s AND b.number > 1000000""",
    """INSERT INTO chain_finalevent (network_id, seq, kind, block_number, block_hash, block_timestamp, key,
              transfer_id, outcome, reason, created_at)
       SELECT b.network_id, b.number, 'transfer_in', b.number, b.hash, now(), '', x.id, '', '', now()
       FROM chain_tokentransfer x JOIN chain_block b ON b.id = x.final_block_id
       WHERE b.network_id = %s AND b.number > 1000000""",
    """INSERT INTO chain_scancoverage (network_id, provider_id, from_number, to_number, end_hash, digest,
              witnesses, created_at)
       SELECT b.network_id, (SELECT min(id) FROM chain_provider), b.number, b.number, b.hash, '', '[]', now()
       FROM chain_block b WHERE b.network_id = %s AND b.number > 1000000""",
)


def _hot(engine: Engine) -> dict[str, "QuerySet[Any, Any]"]:
    network, now = engine.network, clock.now()
    token = network.tokens.get()
    accounts = [ALICE, *(f"0x{place:040x}" for place in range(20_000, 20_040))]
    hashes = [f"0x{place:064x}" for place in range(50)]
    return {
        "addresses to catch up": WatchedAddress.objects.filter(network=network, caught_up=False),
        "new in the set": WatchedAddress.objects.filter(
            network=network, caught_up=True, since_version__gt=1
        ).order_by("since_version", "pk")[:100],
        "keys of hits": WatchedAddress.objects.filter(network=network, address__in=accounts),
        "pending": selectors.pending_rows(network).filter(transfer__recipient__in=accounts),
        "all pending": selectors.pending_rows(network),
        "next final events": FinalEvent.objects.filter(network=network, seq__gt=1_014_990)
        .order_by("seq")[:100],
        "events of facts": FinalEvent.objects.filter(transfer__in=list(range(5000, 5050))),
        "events of blocks": FinalEvent.objects.filter(
            network=network, block_number__range=(1_005_000, 1_005_100)
        ),
        "received": TokenTransfer.objects.filter(token__in=[token.pk], recipient__in=accounts),
        "sent": TokenTransfer.objects.filter(token__in=[token.pk], source__in=accounts),
        "a known transfer": TokenTransfer.objects.filter(token=token, tx_hash__in=hashes),
        "a block by hash": Block.objects.filter(network=network, hash=hashes[7]),
        "a block by number": Block.objects.filter(network=network, number=1_000_500, canonical=True),
        "walking back": Block.objects.filter(network=network, canonical=True, number__lte=1_000_500).order_by(
            "-number"
        )[:32],
        "second pass": ScanCoverage.objects.filter(
            network=network, from_number__gt=1_000_500, from_number__lte=1_001_000,
            created_at__lte=now - timedelta(hours=6),
        ),
    }  # fmt: skip


def test_no_hot_query_of_reading_scans_a_table(grown: Engine) -> None:
    """At 15,000 rows the planner already has the choice; it must have an index to choose."""
    scans = {
        name: plan
        for name, rows in _hot(grown).items()
        if any(f"Seq Scan on {table}" in (plan := rows.explain()) for table in _BIG)
    }
    assert scans == {}


_BIG = ("chain_watchedaddress", "chain_tokentransfer", "chain_transferinclusion", "chain_finalevent",
        "chain_block", "chain_scancoverage")  # fmt: skip


def test_the_sums_of_many_accounts_are_a_handful_of_queries(
    grown: Engine, django_assert_max_num_queries: Any
) -> None:
    """Nightly proof: accounts that received one unit each, the first ten of which sent it on."""
    token = grown.network.tokens.get()
    sent_on, kept = ([f"0x{first + place:040}" for place in range(10)] for first in (3000, 4000))
    with django_assert_max_num_queries(5):
        known = balances.known_balances([(token.pk, account) for account in [*sent_on, *kept]], 2_000_000)
    assert [known[token.pk, account] for account in sent_on] == [0] * 10
    assert [known[token.pk, account] for account in kept] == [1] * 10
