"""A bump replaces on every node: geth, erigon, nethermind and hardhat want ten per cent on both fees."""

from hypothesis import given
from hypothesis import strategies as st

from chain.models import Attempt, Network
from chain.txm.fees import Market, bumped

_WEI = st.integers(0, 10**15)


@given(tip=_WEI, fee=_WEI, base_fee=_WEI, market_tip=_WEI)
def test_both_fees_rise_by_ten_per_cent_and_one_wei(
    tip: int, fee: int, base_fee: int, market_tip: int
) -> None:
    """T6: also where anvil would take one wei, and in whole wei however small."""
    network = Network(max_fee_cap=10**30, cost_cap=10**40, market_multiple_cap=10**30, tip_floor=1)
    last = Attempt(max_fee=max(fee, tip), max_tip=tip)
    offer = bumped(network, Market(base_fee, market_tip), 21_000, last)
    for old, new in ((last.max_fee, offer.max_fee), (last.max_tip, offer.max_tip)):
        assert 10 * new >= 11 * old
        assert new > old
    assert offer.max_fee >= 2 * base_fee + offer.max_tip
