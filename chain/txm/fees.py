"""What gas costs now, and what to offer. All in wei per gas, all integers."""

from dataclasses import dataclass
from typing import Any

from chain.models import Attempt, Network
from chain.rpc.answers import a_list, an_object, quantity
from chain.rpc.client import Rpc

_BLOCKS = 10
_PERCENTILE = 50


class FeeCapReached(RuntimeError):
    """The network's caps allow no higher offer."""


@dataclass(frozen=True, slots=True)
class Fees:
    """An offer; on a legacy network both numbers are the gas price."""

    max_fee: int
    max_tip: int


@dataclass(frozen=True, slots=True)
class Market:
    """What the last blocks took: the next base fee and a middle tip, within the network's bounds."""

    base_fee: int
    tip: int

    def offer(self) -> Fees:
        """Room for the base fee to double before the transaction has to be bumped."""
        return Fees(max_fee=2 * self.base_fee + self.tip, max_tip=self.tip)


def read_market(rpc: Rpc) -> Market:
    """From `eth_feeHistory`, or `eth_gasPrice` on a legacy network."""
    network = rpc.network
    if network.legacy_fees:
        return Market(0, _bounded(network, quantity(rpc.call("eth_gasPrice"), "gas price")))
    history = rpc.call("eth_feeHistory", hex(_BLOCKS), "latest", [_PERCENTILE])
    fees = a_list(an_object(history, "fee history").get("baseFeePerGas"), "base fees")
    base_fee = quantity(fees[-1] if fees else None, "base fee")
    return Market(base_fee, _bounded(network, _middle_tip(history)))


def _middle_tip(history: dict[str, Any]) -> int:
    # Empty blocks report a tip of zero and say nothing about the price.
    rows = [a_list(row, "tips") for row in a_list(history.get("reward") or [], "rewards")]
    tips = sorted(tip for row in rows if row and (tip := quantity(row[0], "tip")) > 0)
    return tips[len(tips) // 2] if tips else 0


def _bounded(network: Network, tip: int) -> int:
    return min(max(tip, network.tip_floor), network.tip_ceiling)


def first_offer(network: Network, market: Market, gas_limit: int, *, urgent: bool = False) -> Fees:
    """Fees of an original attempt; raises `FeeCapReached` when the market is above the caps.

    `urgent` work has a deadline on the chain, and higher caps.
    """
    return _capped(network, market, gas_limit, market.offer(), urgent)


def bumped(network: Network, market: Market, gas_limit: int, last: Attempt, *, urgent: bool = False) -> Fees:
    """Fees that replace `last` everywhere: each at least ten per cent and one wei more, and the market's.

    Raises `FeeCapReached`: the highest attempt is then sent again and a human told.
    """
    offer = market.offer()
    tip = max(offer.max_tip, _raised(last.max_tip))
    fee = max(offer.max_fee, _raised(last.max_fee), 2 * market.base_fee + tip)
    if network.legacy_fees:
        tip = fee = max(fee, tip)
    return _capped(network, market, gas_limit, Fees(fee, tip), urgent)


def _raised(value: int) -> int:
    return max(-(-value * 11 // 10), value + 1)


def _capped(network: Network, market: Market, gas_limit: int, fees: Fees, urgent: bool) -> Fees:
    multiple = network.market_multiple_cap * max(market.offer().max_fee, network.tip_floor)
    factor = network.urgent_factor if urgent else 1
    limit = min(factor * network.max_fee_cap, factor * network.cost_cap // gas_limit, multiple)
    if fees.max_fee > limit:
        raise FeeCapReached(f"{fees.max_fee} wei per gas is above {limit}")
    return fees


def fee_fields(network: Network, fees: Fees) -> dict[str, int]:
    """The fields of a transaction, with eth-account's names."""
    if network.legacy_fees:
        return {"gasPrice": fees.max_fee}
    return {"maxFeePerGas": fees.max_fee, "maxPriorityFeePerGas": fees.max_tip, "type": 2}
