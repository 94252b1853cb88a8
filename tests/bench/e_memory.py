"""e. How much memory the processes of the product take, at their worst.

One worker reads a chain with 100,000 token transfers, a hundredth of them deposits, books all of it, and then
carries whole lives of escrows; each process's own high-water mark is taken from the kernel.
"""

from pathlib import Path
from typing import Any

from tests.bench import b_backfill, town
from tests.bench.ground import chain, target
from tests.bench.site import running, until

OPEN, BLOCKS, OURS, LIVES = 10_000, 500, 2, 20
LIMIT = 300.0  # MB


def run(folder: Path) -> dict[str, Any]:
    """Measure; returns what is published."""
    with chain(options=("--gas-limit", "100000000")) as node:
        desk = town.desk(node)
        original = desk.agreed().escrows.get()
        node.mine(3)
        desk.engine.index()
        town.populate(original, 1, OPEN - 1)
        b_backfill.fill(node, [town.vault(number) for number in range(1, 100)], blocks=BLOCKS, ours=OURS)
        with running(folder, workers=1, web=True) as site:
            until(lambda: _deposits() == BLOCKS * OURS, "every deposit was booked", limit=600)
            _live(desk, node)
            peaks = site.peaks()
    return {
        "what": f"memory after {BLOCKS * b_backfill.A_BLOCK:,} transfers and {LIVES} whole lives, "
        f"{OPEN:,} escrows open",
        "cases": [
            {
                "case": name,
                "shown": f"{peak:.0f} MB at most",
                **target("under 300 MB", peak, LIMIT, at_most=True),
            }
            for name, peak in peaks.items()
        ],
    }


def _deposits() -> int:
    from payments.models import Deposit

    return Deposit.objects.count()


def _live(desk: Any, node: Any) -> None:
    from payments.services import payouts
    from tests.payments.fixtures import actor

    for _ in range(LIVES):
        escrow = desk.agreed().escrows.get()
        desk.pay(escrow)
        _mine_until(desk, node, escrow, "funded")
        payouts.release(escrow_id=escrow.pk, role="buyer", acting=actor(desk.cast.buyer))
        _mine_until(desk, node, escrow, "released")


def _mine_until(desk: Any, node: Any, escrow: Any, state: str) -> None:
    def reached() -> bool:
        node.mine()
        return bool(desk.state(escrow) == state)

    until(reached, f"an escrow was {state}", pause=0.2)
