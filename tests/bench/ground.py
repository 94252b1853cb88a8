"""What every benchmark stands on: a database and a chain of its own, the product's processes, figures."""

import math
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_utils.address import to_checksum_address

from contracts.artifacts import TEST_USDT_ADDRESS, deploy_test_token, deploy_transactions
from escrow_platform.stack.anvil import running_anvil
from tests.chain.fixtures import USDT, Anvil, NodeRefused

ROOT = Path(__file__).resolve().parent.parent.parent
SETTINGS = "escrow_platform.settings.local"
# Seconds for a command that only prepares: on a busy machine the migrations alone take minutes.
PREPARING = 1800


class Broken(RuntimeError):
    """A measurement that means nothing, because what it measures did not happen."""


def expect(holds: bool, what: str) -> None:
    """Raise `Broken` unless it holds."""
    if not holds:
        raise Broken(what)


@contextmanager
def chain(*, block_time: int | None = None, options: tuple[str, ...] = ()) -> Iterator[Anvil]:
    """A fresh node with the contracts; without a block time blocks come only when mined."""
    kept = options if block_time else ("--no-mining", *options)
    with running_anvil(block_time=block_time, options=kept) as url:
        node = Anvil(url)
        node.accounts = [to_checksum_address(account) for account in node.rpc("eth_accounts")]
        for deployment in [*deploy_transactions(), deploy_test_token()]:
            node.send(deployment.to, deployment.data)
            node.mine()
        node.mine(4)
        yield node


def final_number(node: Anvil) -> int:
    """Number of the newest final block; -1 while the node knows none, as after it was put back."""
    try:
        block = node.rpc("eth_getBlockByNumber", "finalized", False)
    except NodeRefused:
        return -1
    return int(block["number"], 16) if block else -1


def network(node: Anvil, **changes: Any) -> Any:
    """The network row with provider, token and funded senders. Mines where no blocks come by themselves."""
    from chain.models import Network
    from chain.services import deployment, networks
    from wallets.services.operators import ensure_senders

    found = networks.local_network(node.url)
    deployment.deploy(found)
    networks.register_token(found, TEST_USDT_ADDRESS, "USDT", 6, USDT)
    ensure_senders(found)
    if changes:
        Network.objects.filter(pk=found.pk).update(**changes)
        found.refresh_from_db()
    return found


def offices(node: Anvil, net: Any) -> None:
    """Gate, seats and policy: what escrows need."""
    from payments.services import setup
    from tests.payments.fixtures import FEE_ADDRESS
    from wallets.services import gates, seats

    gates.ensure_gate(net, cold=node.accounts[-1])
    named = [seat.address for seat in seats.ensure_seats(net, cold=node.accounts[-2])]
    setup.ensure_policy(net, seats=named, fee_recipient=FEE_ADDRESS)


@dataclass(frozen=True, slots=True)
class Spread:
    """Seconds of many repetitions."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(tuple(sorted(values)))

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def p95(self) -> float:
        """The smallest value that 95 of 100 do not exceed."""
        return self.values[math.ceil(0.95 * len(self.values)) - 1]

    def as_json(self, scale: float = 1000) -> dict[str, Any]:
        """In milliseconds."""
        return {
            "samples": len(self.values),
            "median_ms": round(self.median * scale, 1),
            "p95_ms": round(self.p95 * scale, 1),
            "worst_ms": round(self.values[-1] * scale, 1),
        }


def target(what: str, value: float, limit: float, *, at_most: bool) -> dict[str, Any]:
    """A published target beside what was measured."""
    met = value <= limit if at_most else value >= limit
    return {"target": what, "measured": round(value, 3), "limit": limit, "met": met}


def peak_mb(pid: int) -> float:
    """The most memory a process ever held, its own and not its parent's; the kernel's high-water mark."""
    return _status(pid, "VmHWM")


def resident_mb(pid: int) -> float:
    """What a process holds now."""
    return _status(pid, "VmRSS")


def _status(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return round(int(line.split()[1]) / 1024, 1)
    raise Broken(f"process {pid} has no {name}")


def children(pid: int) -> list[int]:
    """Processes that a process started."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def process(
    name: str, *argv: str, folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[int]:
    """A process of the product for as long as the block runs; its output goes to a log in `folder`."""
    from escrow_platform.stack.process import spawn

    child = spawn(
        name,
        [sys.executable, *argv],
        env={**os.environ, **(environment or {})},
        cwd=ROOT,
        log=folder / f"{name}.log",
    )
    try:
        yield child.pid
        expect(child.running(), f"{name} ended by itself: {(folder / f'{name}.log').read_text()[-2000:]}")
    finally:
        child.stop()


def manage(*words: str, environment: Mapping[str, str] | None = None) -> None:
    """Run `manage.py` to its end."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *words],
        env={**os.environ, **(environment or {})},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PREPARING,
        check=False,
    )
    expect(done.returncode == 0, f"manage.py {words[0]} failed: {done.stderr[-2000:]}")
