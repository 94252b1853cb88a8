"""c. Whole lives per minute, from the deposit to the final release, with two worker processes.

Product: all deposits are sent at once; every escrow is released by its buyer as soon as it is funded.
Floor: the node is put back to where it was, and a bare loop signs the very transactions that the product
sent, with the same signer, and sends deposits and releases without waiting for anything; its clock stops
when the last of them is final. How long the loop itself took is beside it.
"""

import time
from pathlib import Path
from typing import Any

from tests.bench import accounting, crowd
from tests.bench.ground import chain, expect, final_number, target
from tests.bench.site import running, until
from tests.chain.fixtures import Anvil

LIVES, PROFILED = 200, 40
AMOUNT = 100_000_000  # of each: all of them together stay below what a hot key pays in a day
WORKERS = 2


def run(folder: Path) -> dict[str, Any]:
    """Measure; returns what is published."""
    from tests.bench import town

    # In the order of arrival: the floor waits for no deposit before it sends the release.
    with chain(options=("--order", "fifo", "--gas-limit", "1000000000")) as node:
        desk = town.desk(node)
        crowd.gather(node)
        escrows = [desk.agreed(AMOUNT).escrows.get() for _ in range(LIVES)]
        profiled = [desk.agreed(AMOUNT).escrows.get() for _ in range(PROFILED)]
        node.mine(4)
        profile = accounting.of_lives(desk, node, profiled)
        with running(folder, workers=WORKERS) as site:
            until(lambda: _read(desk) >= node.head, "the workers had read everything")
            before = node.rpc("evm_snapshot")
            node.rpc("evm_setIntervalMining", 1)
            product = _product(desk, node, escrows)
            peaks = site.peaks()
        expect(bool(node.rpc("evm_revert", before)), "the node went back")
        floor, loop = _floor(desk, node, escrows)
    rate, bare = 60 * LIVES / product, 60 * LIVES / floor
    return {
        "what": f"{LIVES} whole lives, from the deposit to the final release",
        "cases": [
            {
                "case": f"{WORKERS} worker processes",
                "lives": LIVES,
                "seconds": round(product, 2),
                "floor_seconds": round(floor, 2),
                "floor_loop_seconds": round(loop, 2),
                "shown": f"{rate:,.0f} per minute",
                "floor_shown": f"{bare:,.0f} per minute (the loop alone: {60 * LIVES / loop:,.0f})",
                "peak_mb": peaks,
                "one_life": profile,
                **target("at least half of the floor's rate", rate / bare, 0.5, at_most=False),
            }
        ],
        "notes": _notes(profile),
    }


def _notes(profile: dict[str, dict[str, float]]) -> list[str]:
    return [
        "Where one life goes, each duty alone in one process:",
        "",
        "| duty | statements | processor, ms | waiting for the database, ms |",
        "| --- | --- | --- | --- |",
        *(
            f"| {duty} | {spent['statements']:g} | {spent['cpu_ms']:g} | {spent['sql_ms']:g} |"
            for duty, spent in profile.items()
        ),
        "",
        "Final events of a network are applied one after the other, in the order of the chain, each in a "
        "transaction with its journal, its transitions and what it tells. On this the rate hangs, not on "
        "the number of workers. A loop that only signs and sends does none of it.",
        "",
    ]


def _read(desk: Any) -> int:
    from chain.selectors import head

    top = head(desk.engine.network)
    return top[0] if top else 0


def _product(desk: Any, node: Anvil, escrows: list[Any]) -> float:
    from payments.models import Escrow
    from payments.services import payouts
    from tests.payments.fixtures import actor

    by_id = {escrow.pk: escrow for escrow in escrows}
    buyer = actor(desk.cast.buyer)
    start = time.perf_counter()
    crowd.pay_each(node, [escrow.vault_address for escrow in escrows], escrows[0].amount)
    waiting = set(by_id)

    def over() -> bool:
        for pk in Escrow.objects.filter(pk__in=waiting, state="funded").values_list("pk", flat=True):
            payouts.release(escrow_id=pk, role="buyer", acting=buyer)
            waiting.remove(pk)
        return not waiting and not Escrow.objects.filter(pk__in=by_id).exclude(state="released").exists()

    until(over, "every escrow was released", limit=600)
    return time.perf_counter() - start


def _floor(desk: Any, node: Anvil, escrows: list[Any]) -> tuple[float, float]:
    """(until all is final, the loop alone) in seconds."""
    from chain.models import Attempt
    from chain.signing import resolve, signed_fields
    from payments.models import Order

    calls = Order.objects.filter(escrow__in=escrows).values("call")
    attempts = Attempt.objects.filter(purpose="original", transaction__calls__in=calls).distinct()
    rows = attempts.order_by("pk").select_related("transaction__sender")
    orders = [(resolve(row.transaction.sender.key_ref), signed_fields(bytes(row.raw))) for row in rows]
    vaults = [escrow.vault_address for escrow in escrows]
    node.rpc("evm_setIntervalMining", 1)
    start = time.perf_counter()
    crowd.pay_each(node, vaults, escrows[0].amount)
    hashes = [
        node.rpc("eth_sendRawTransaction", "0x" + signer.sign_transaction(fields).raw.hex())
        for signer, fields in orders
    ]
    loop = time.perf_counter() - start
    until(lambda: all(node.rpc("eth_getTransactionReceipt", tx) for tx in hashes), "all were mined")
    top = max(int(node.rpc("eth_getTransactionReceipt", tx)["blockNumber"], 16) for tx in hashes)
    until(lambda: final_number(node) >= top, "all were final")
    seconds = time.perf_counter() - start
    left = [escrow.pk for escrow in escrows if desk.balance(escrow.vault_address)]
    expect(not left, f"{len(left)} escrows of the floor were not paid out")
    return seconds, loop
