"""a. One block of 200 transfers, 20 of them deposits, while 100, 10,000 and 100,000 escrows are open.

Three databases with that many open escrows follow the same chain, each by a process of its own, in turn and
in changing order: what disturbs the machine disturbs all of them. The floor is the time with 100.
"""

import json
import os
import subprocess
import sys
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.bench import crowd, databases
from tests.bench.ground import ROOT, Spread, chain, expect, target
from tests.chain.fixtures import Anvil

SIZES = (100, 10_000, 100_000)
A_BLOCK, OURS = 200, 20
WARM_UP, ROUNDS = 5, 24
UNITS = 1_000_000  # of a deposit: a small part of what the escrow waits for


def run(folder: Path) -> dict[str, Any]:
    """Measure; returns what is published."""
    with chain() as node, ExitStack() as stack:
        urls = prepare(node, SIZES)
        crowd.gather(node)
        readers = {size: _reader(stack, url, folder / f"{size}.log") for size, url in urls.items()}
        answers = _play(node, readers)
    return {
        "what": f"ingesting a block of {A_BLOCK} transfers, {OURS} of them deposits",
        "cases": [_case(size, answers) for size in SIZES],
    }


def prepare(node: Anvil, sizes: tuple[int, ...]) -> dict[int, str]:
    """A database with so many open escrows for each size; returns their URLs."""
    from django.db import connections

    from tests.bench import town

    desk = town.desk(node, second_pass_after=86_400)
    original = desk.agreed().escrows.get()
    node.mine(3)
    desk.engine.index()
    first = 1
    urls = {}
    for size in sorted(sizes):
        town.populate(original, first, size - 1)
        first = size
        connections.close_all()
        urls[size] = databases.create(f"bench_open_{size}", databases.current())
    return urls


def _reader(stack: ExitStack, url: str, log: Path) -> "subprocess.Popen[str]":
    reader = stack.enter_context(
        subprocess.Popen(
            [sys.executable, "-m", "tests.bench.ingest"],
            env={**os.environ, "DATABASE_URL": url},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stack.enter_context(log.open("w")),
            text=True,
        )
    )
    stack.callback(reader.kill)
    return reader


def _ask(reader: "subprocess.Popen[str]") -> dict[str, Any]:
    assert reader.stdin is not None
    assert reader.stdout is not None
    reader.stdin.write("\n")
    reader.stdin.flush()
    while line := reader.stdout.readline():
        if line.startswith('{"read"'):
            answer: dict[str, Any] = json.loads(line)
            return answer
    expect(False, "the process that ingests ended by itself")
    return {}


def _play(node: Anvil, readers: dict[int, "subprocess.Popen[str]"]) -> dict[int, list[dict[str, Any]]]:
    answers: dict[int, list[dict[str, Any]]] = defaultdict(list)
    order = list(readers)
    for block in range(WARM_UP + ROUNDS):
        mine_block(node, block)
        order.append(order.pop(0))
        for size in order:
            answer = _ask(readers[size])
            if block >= WARM_UP:
                expect(answer["booked"] == OURS, f"{answer['booked']} of {OURS} deposits were booked")
                answers[size].append(answer)
    return answers


def mine_block(node: Anvil, block: int) -> None:
    """The next block of 200 transfers."""
    from tests.bench.town import vault

    theirs = A_BLOCK - OURS
    crowd.among_strangers(node, [crowd.stranger((block * theirs + at) % 5000) for at in range(theirs)])
    crowd.pay_each(node, [vault(1 + (block * OURS + at) % 99) for at in range(OURS)], UNITS)
    node.mine()


def _case(size: int, answers: dict[int, list[dict[str, Any]]]) -> dict[str, Any]:
    parts = ("read", "shown", "projected")
    whole = {
        count: Spread.of([sum(answer[part] for part in parts) for answer in rows])
        for count, rows in answers.items()
    }
    mine, floor = whole[size], whole[SIZES[0]]
    case = {
        "case": f"{size:,} open escrows",
        "shown": f"median {mine.median * 1000:.0f} ms, p95 {mine.p95 * 1000:.0f} ms",
        "floor_shown": f"{floor.median * 1000:.0f} ms with {SIZES[0]}",
        **mine.as_json(),
        "parts_median_ms": {
            part: round(Spread.of([answer[part] for answer in answers[size]]).median * 1000, 1)
            for part in parts
        },
        "peak_mb": answers[size][-1]["peak_mb"],
    }
    if size == SIZES[-1]:
        case |= target("at most 1.2 x the time with 100", mine.median / floor.median, 1.2, at_most=True)
    return case
