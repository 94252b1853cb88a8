"""One throw-away chain for all tests of the contracts."""

from collections.abc import Iterator

import pytest

from contracts.devchain import DevChain, devchain
from contracts.gas import Bench


@pytest.fixture(scope="session")
def chain() -> Iterator[DevChain]:
    with devchain() as running:
        yield running


@pytest.fixture(scope="session")
def bench(chain: DevChain) -> Bench:
    """Keys, seats and money to build escrows with."""
    return Bench(chain)
