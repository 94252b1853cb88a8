"""F24: a reorg deeper than finality, after credit. Each docstring names the rule that holds it, and how the
test was seen to fail with that rule switched off.
"""

import pytest

from chain.models import FinalEvent, TokenTransfer
from chain.rpc.errors import AllProvidersFailed
from chain.services import audit, indexer
from chain.services.deep_reorg import accept_chain
from chain.services.recovery import resume_network
from core.actors import Actor
from core.errors import Conflict, Invalid
from tests.chain.fixtures import Engine
from tests.chain.helpers import ALICE, alarms, events, watched

STAFF = Actor("staff", "op_1", "Olga")


def _credited(engine: Engine) -> int:
    """A final deposit of 5 for ALICE, and the number of blocks above its parent."""
    watched(engine)
    engine.chain.pay(ALICE, 5)
    number = engine.chain.mine()
    engine.mine(6)
    assert events(engine) == ["transfer_in"]
    return engine.chain.head - number + 1


def test_f24_a_reorg_deeper_than_finality_after_credit_halts_and_is_reversed_by_a_person(
    engine: Engine,
) -> None:
    """D2, D8: nothing more is credited or paid; whoever accepts the new chain takes back what it lost.

    Fails (nobody is told, and payouts go on) if `indexer._explain` takes a `FinalConflict` for any failure.
    """
    depth = _credited(engine)
    engine.chain.reorg(depth)
    engine.chain.mine(3)
    with pytest.raises(AllProvidersFailed):
        engine.index()
    engine.network.refresh_from_db()
    assert engine.network.halted_reason
    assert "halted" in alarms()
    engine.chain.pay(ALICE, 6)
    engine.mine(6)
    assert events(engine) == ["transfer_in"], "only a human goes on"

    with pytest.raises(Conflict):
        resume_network(network=engine.network, reason="hope", acting=STAFF)
    outcome = accept_chain(network=engine.network, reason="the others have it too", acting=STAFF)
    assert (outcome.reversed, outcome.added) == (1, 0)
    resume_network(network=engine.network, reason="the books were reversed", acting=STAFF)
    engine.index()
    assert events(engine) == ["transfer_in", "reversed:transfer_in", "transfer_in"]
    taken_back = FinalEvent.objects.get(kind="reversed")
    assert (taken_back.key, taken_back.transfer.amount) == ("esc_1", 5)  # type: ignore[union-attr]
    assert "final_event_reversed" in alarms()
    assert audit.go_on(engine.network) == 0, "balances and final transfers agree again"


def test_f24_a_deposit_that_the_new_chain_holds_too_is_not_taken_back(engine: Engine) -> None:
    """D8: the same deposit. Fails (reversed) if `_reversals` ignores what stands on the new chain."""
    depth = _credited(engine)
    raw = engine.chain.raw(TokenTransfer.objects.get().tx_hash)
    engine.chain.reorg(depth, [(raw, 1)])
    engine.chain.mine(3)
    with pytest.raises(AllProvidersFailed):
        engine.index()
    outcome = accept_chain(network=engine.network, reason="the others have it too", acting=STAFF)
    assert (outcome.reversed, outcome.added) == (0, 0)
    resume_network(network=engine.network, reason="nothing was lost", acting=STAFF)
    engine.mine(4)
    assert events(engine) == ["transfer_in"]
    transfer = TokenTransfer.objects.get()
    assert transfer.final_block is not None
    assert transfer.final_block.canonical


def test_f24_a_deposit_that_comes_back_later_is_credited_again(engine: Engine) -> None:
    """D8. Fails (lost) if `store.finalize` takes a fact that was taken back for known."""
    depth = _credited(engine)
    raw = engine.chain.raw(TokenTransfer.objects.get().tx_hash)
    engine.chain.reorg(depth)
    engine.chain.mine(3)
    with pytest.raises(AllProvidersFailed):
        engine.index()
    accept_chain(network=engine.network, reason="the others have it too", acting=STAFF)
    resume_network(network=engine.network, reason="the books were reversed", acting=STAFF)
    engine.chain.rpc("eth_sendRawTransaction", raw)
    engine.mine(4)
    assert events(engine) == ["transfer_in", "reversed:transfer_in", "transfer_in:again 1"]


def test_f24_a_healthy_network_takes_no_other_chain(engine: Engine) -> None:
    """Fails (an accident, no refusal) without the checks at the start of `accept_chain`."""
    _credited(engine)
    with pytest.raises(Conflict):
        accept_chain(network=engine.network, reason="curiosity", acting=STAFF)
    indexer.halt(engine.network, "a test")
    with pytest.raises(Conflict):
        accept_chain(network=engine.network, reason="curiosity", acting=STAFF)
    with pytest.raises(Invalid):
        accept_chain(network=engine.network, reason=" ", acting=STAFF)
    assert events(engine) == ["transfer_in"]
