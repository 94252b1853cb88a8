"""Storing blocks: one hash stands for one block, whatever a node says."""

from dataclasses import replace

import pytest

from chain.indexer import store
from chain.models import Block
from chain.rpc import pool
from chain.rpc.answers import Header
from chain.rpc.errors import AllProvidersFailed
from tests.chain.fixtures import Engine


def header(engine: Engine) -> Header:
    number = engine.chain.mine(1)
    return pool.run(engine.network, lambda rpc: rpc.header(number))


def test_a_block_is_stored_once_and_found_again(engine: Engine) -> None:
    made = header(engine)
    assert store.keep_block(engine.network, made) == store.keep_block(engine.network, made)
    assert Block.objects.get(hash=made.hash).canonical


def test_a_known_hash_at_another_height_is_refused(engine: Engine) -> None:
    """A node that makes it up is told apart from a reorg: nothing halts, the next one is asked."""
    made = header(engine)
    store.keep_block(engine.network, made)
    with pytest.raises(AllProvidersFailed, match="another block"):
        store.keep_block(engine.network, replace(made, number=made.number + 1))
    assert not Block.objects.filter(number=made.number + 1, canonical=True).exists()


def test_one_hash_for_two_heights_of_one_range_is_refused(engine: Engine) -> None:
    made = header(engine)
    with pytest.raises(AllProvidersFailed, match="another block"):
        store.keep_blocks(engine.network, [made, replace(made, number=made.number + 1)])
