"""Due payouts of one target share a transaction: cheaper for everybody, and one nonce for all of them.

Whatever takes a batch has `batch(bytes[]) returns (bool[])` and runs each item on its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from chain.models import Call, Network, Sender
from chain.rpc.answers import hexadecimal
from chain.rpc.client import Rpc
from chain.rpc.errors import BadAnswer, RpcError
from contracts.calls import batch
from core import clock

MOST_ITEMS = 20
# Below 2**24, which no transaction may ask for more than on most networks (EIP-7825).
MOST_GAS = 16_000_000
# Beside the items' own bounds: the floor that the last item finds below it, and what calls do not pass on.
OVERHEAD_GAS = 500_000
_SELECTOR = batch([])[:4]


@dataclass(frozen=True, slots=True)
class Load:
    """The calls of one transaction, one or several, with exactly what is simulated and signed."""

    calls: tuple[Call, ...]
    target: str
    data: bytes
    gas: int

    @property
    def urgent(self) -> bool:
        """Whether it has a deadline on the chain."""
        return any(call.must_be_final_by is not None for call in self.calls)


def make_load(network: Network, calls: Sequence[Call]) -> Load:
    """One call as it is, several as a batch; the gas is a static bound for each item, never an estimate."""
    first = calls[0]
    if len(calls) == 1:
        return Load((first,), first.target, bytes(first.data), first.gas_limit + network.extra_gas)
    items = [bytes(call.data) for call in calls]
    if len(set(items)) < len(items):
        raise ValueError("the same call twice in one batch")
    gas = sum(call.gas_limit for call in calls) + OVERHEAD_GAS + network.extra_gas
    return Load(tuple(calls), first.target, batch(items), gas)


def items_of(data: bytes) -> list[bytes]:
    """The calldata of each item of a batch; of a single call, its own."""
    if data[:4] != _SELECTOR:
        return [data]
    (items,) = decode(["bytes[]"], data[4:])
    return [bytes(item) for item in items]


def pack(network: Network, calls: Sequence[Call], affordable: int) -> list[Load]:
    """Loads in the order of their first call; what may not share a transaction has one of its own.

    No batch asks for more than `affordable` gas: what is too dear together may still go in parts.
    """
    most = min(room(network), affordable - OVERHEAD_GAS - network.extra_gas)
    packs: list[list[Call]] = []
    for call in calls:
        fitting = next((pack for pack in packs if _fits(pack, call, most)), None)
        if fitting is None:
            packs.append([call])
        else:
            fitting.append(call)
    return [make_load(network, entry) for entry in packs]


def room(network: Network) -> int:
    """Gas that the bounds of a batch's items may add up to on this network."""
    own = network.transaction_gas - network.extra_gas if network.transaction_gas else MOST_GAS
    return min(MOST_GAS, own) - OVERHEAD_GAS


def _fits(pack: list[Call], call: Call, most: int) -> bool:
    first = pack[0]
    gas = sum(entry.gas_limit for entry in pack) + call.gas_limit
    return (
        first.batchable
        and call.batchable
        and first.target == call.target
        and len(pack) < MOST_ITEMS
        and gas <= most
        and all(bytes(entry.data) != bytes(call.data) for entry in pack)
    )


def ripe(network: Network, calls: Sequence[Call]) -> list[Call]:
    """The calls that go out now: those for a batch wait until it is full or the oldest waited long enough."""
    waiting = [call for call in calls if call.batchable and call.refusals == 0]
    oldest = min((call.created_at for call in waiting), default=clock.now())
    due = clock.now() - oldest >= timedelta(seconds=network.batch_seconds)
    gas = [call.gas_limit for call in waiting]
    full = len(waiting) >= MOST_ITEMS or (waiting and sum(gas) + max(gas) > room(network))
    if due or full:
        return list(calls)
    return [call for call in calls if call not in waiting]


def without_failing(rpc: Rpc, sender: Sender, loads: Sequence[Load]) -> list[Load]:
    """The same loads without items that fail in the company of the others; those go alone, later.

    Each item was simulated alone before: together they may exceed a limit that each of them keeps.
    """
    batches = [load for load in loads if len(load.calls) > 1]
    answers = rpc.batch_or_errors([simulation(sender, load, "pending") for load in batches])
    verdicts = {id(load): _verdict(load, answer) for load, answer in zip(batches, answers, strict=True)}
    kept: list[Load] = []
    for load in loads:
        good = verdicts.get(id(load), load.calls)
        kept.append(load if len(good) == len(load.calls) else make_load(rpc.network, good))
    return kept


def _verdict(load: Load, answer: Any) -> tuple[Call, ...]:
    if isinstance(answer, RpcError):
        return load.calls[:1]
    try:
        (done,) = decode(["bool[]"], bytes.fromhex(hexadecimal(answer, "batch result")[2:]))
    except DecodingError as error:
        raise BadAnswer("a batch answered with something else than bool[]") from error
    if len(done) != len(load.calls):
        raise BadAnswer("a batch answered for another number of items")
    return tuple(call for call, good in zip(load.calls, done, strict=True) if good) or load.calls[:1]


def simulation(sender: Sender, load: Load, block: str) -> tuple[str, list[Any]]:
    """The request that runs `load` with exactly the gas that will be signed."""
    what = {
        "from": sender.address,
        "to": load.target,
        "data": "0x" + load.data.hex(),
        "gas": hex(load.gas),
    }
    return "eth_call", [what, block]
