"""b. Back-fill: 100,000 token transfers that are on the chain before the indexer starts.

Product: the safe lane from the first block to the last final one, with all its checks: headers, the place of
every log of ours in its receipt, the balance of every touched address, blocks, transfers, final events.
Floor: same node, same ranges, one connection; plain HTTP and JSON, and COPY into a table without keys.
"""

import http.client
import io
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.bench import crowd
from tests.bench.accounting import of_backfill
from tests.bench.ground import Broken, Spread, chain, expect, network, target
from tests.chain.fixtures import Anvil

BLOCKS, A_BLOCK, ADDRESSES = 500, 200, 100
LOGS = BLOCKS * A_BLOCK
# How many of the 200 transfers of a block concern us.
SHARES = (2, 20)
ROUNDS = 3


def run(folder: Path) -> dict[str, Any]:
    """Measure; returns what is published."""
    cases = [_case(ours) for ours in SHARES]
    return {
        "what": f"back-fill of {LOGS} transfers in {BLOCKS} blocks",
        "cases": cases,
        "notes": _notes(cases),
    }


def _notes(cases: list[dict[str, Any]]) -> list[str]:
    """Where one log goes, in both cases side by side."""
    profiles = [case["one_log"] for case in cases]
    return [
        "Where the time of one log goes, microseconds:",
        "",
        "| | " + " | ".join(case["case"] for case in cases) + " |",
        "| --- | " + "--- | " * len(cases),
        *(
            f"| {what} | " + " | ".join(f"{profile.get(what, 0):g}" for profile in profiles) + " |"
            for what in profiles[0]
        ),
        "",
        "Of a stranger's log the floor stores six columns; the product checks every field and forgets it. "
        "For a log of ours it asks for header, receipt and balance, and writes block, transfer, inclusion "
        "and final event, through the models.",
        "",
    ]


def _case(ours: int) -> dict[str, Any]:
    with chain(options=("--gas-limit", "100000000")) as node:
        net = network(node)
        addresses = watch_some(net, ADDRESSES)
        first = node.head + 1
        fill(node, addresses, blocks=BLOCKS, ours=ours)
        rates = [_once(net, node, first, ours) for _ in range(ROUNDS)]
        forget()
        profile = of_backfill(lambda: read_all(net), LOGS)
    product = Spread.of([pair[0] for pair in rates])
    floor = Spread.of([pair[1] for pair in rates])
    ratio = floor.median / product.median
    return {
        "case": f"{ours} of {A_BLOCK} transfers are ours",
        "logs": LOGS,
        "stored": BLOCKS * ours,
        "shown": f"{LOGS / product.median:,.0f} logs/s",
        "floor_shown": f"{LOGS / floor.median:,.0f} logs/s",
        "product_logs_per_second": round(LOGS / product.median),
        "floor_logs_per_second": round(LOGS / floor.median),
        "rounds": ROUNDS,
        "one_log": profile,
        **target("at least half of the floor's rate", ratio, 0.5, at_most=False),
    }


def watch_some(net: Any, count: int) -> list[str]:
    """Watch so many addresses from the first block on; returns them."""
    from django.db import transaction
    from eth_utils.address import to_checksum_address

    from chain.services.watch import watch

    addresses = [str(to_checksum_address(f"0x{0xE5C0 << 144 | place:040x}")) for place in range(1, count + 1)]
    with transaction.atomic():
        for place, address in enumerate(addresses):
            watch(network=net, address=address, key=f"bench_{place}")
    return addresses


def fill(node: Anvil, addresses: list[str], *, blocks: int, ours: int) -> None:
    """Blocks of 200 transfers, `ours` of them to `addresses` in turn, and empty ones to make them final."""
    crowd.gather(node)
    for block in range(blocks):
        theirs = A_BLOCK - ours
        crowd.among_strangers(
            node, [crowd.stranger((block * theirs + place) % 5000) for place in range(theirs)]
        )
        turns = [addresses[(block * ours + place) % len(addresses)] for place in range(ours)]
        crowd.pay_each(node, turns, crowd.UNITS)
        node.mine()
    node.mine(4)


def _once(net: Any, node: Anvil, first: int, ours: int) -> tuple[float, float]:
    """Seconds of the product and of the floor, one after the other, on the same ranges."""
    forget()
    start = time.perf_counter()
    read_all(net)
    product = time.perf_counter() - start
    check(net, ours)
    return product, _floor(node.url, ranges(net))


def forget() -> None:
    """As before the first block was read: only this benchmark's database is emptied like this."""
    from django.db import connection

    names = "chain_finalevent, chain_finalsequence, chain_transferinclusion, chain_loginclusion, "
    names += "chain_tokentransfer, chain_contractlog, "
    names += "chain_scancursor, chain_scancoverage, chain_block, payments_projectioncursor"
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
        cursor.execute("UPDATE chain_watchedaddress SET caught_up = false, since_version = 0")
        cursor.execute("SET session_replication_role = origin")


def read_all(net: Any) -> None:
    """Read until there is nothing new."""
    from chain.services import indexer

    while indexer.step(net):
        pass


def check(net: Any, ours: int) -> None:
    """Every transfer of ours is in the sequence of final events, once, and no alarm was raised."""
    from chain.models import Alarm, FinalEvent

    found = FinalEvent.objects.filter(network=net, kind=FinalEvent.Kind.TRANSFER_IN).count()
    expect(found == BLOCKS * ours, f"{found} of {BLOCKS * ours} transfers became final events")
    alarms = list(Alarm.objects.filter(network=net, resolved_at=None).values_list("kind", "detail"))
    expect(not alarms, f"alarms: {alarms}")


def ranges(net: Any) -> list[tuple[int, int]]:
    """What the product asked for at once."""
    from chain.models import ScanCoverage

    rows = ScanCoverage.objects.filter(network=net).order_by("from_number")
    return list(rows.values_list("from_number", "to_number"))


def _floor(url: str, wanted: list[tuple[int, int]]) -> float:
    from django.db import connection

    parts = urlsplit(url)
    node = http.client.HTTPConnection(parts.hostname or "", parts.port)
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS bare")
        cursor.execute(
            "CREATE TABLE bare (block bigint, tx text, place int, source text, recipient text, units numeric)"
        )
        start = time.perf_counter()
        for low, high in wanted:
            text = io.StringIO("".join(map(_line, _logs(node, low, high))))
            cursor.copy_expert("COPY bare FROM STDIN", text)
        seconds = time.perf_counter() - start
        cursor.execute("SELECT count(*) FROM bare")
        stored = cursor.fetchone()[0]
    node.close()
    if stored < LOGS:
        raise Broken(f"the floor stored {stored} of {LOGS} logs")
    return seconds


def _logs(node: http.client.HTTPConnection, low: int, high: int) -> list[dict[str, Any]]:
    from chain.indexer.events import TRANSFER
    from contracts.artifacts import TEST_USDT_ADDRESS

    wanted = {"fromBlock": hex(low), "toBlock": hex(high), "address": TEST_USDT_ADDRESS, "topics": [TRANSFER]}
    body = {"jsonrpc": "2.0", "id": 1, "method": "eth_getLogs", "params": [wanted]}
    node.request("POST", "/", json.dumps(body), {"Content-Type": "application/json"})
    found: list[dict[str, Any]] = json.loads(node.getresponse().read())["result"]
    return found


def _line(log: dict[str, Any]) -> str:
    topics = log["topics"]
    values = (int(log["blockNumber"], 16), log["transactionHash"], int(log["logIndex"], 16),
              "0x" + topics[1][26:], "0x" + topics[2][26:], int(log["data"], 16))  # fmt: skip
    return "\t".join(map(str, values)) + "\n"
