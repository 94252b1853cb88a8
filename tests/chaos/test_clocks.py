"""F34: the host's clock is ahead of the chain's."""

from datetime import timedelta

from chain.models import Call
from core import clock
from tests.chain.fixtures import Engine
from tests.chain.helpers import order

AHEAD = timedelta(hours=1)


def test_f34_a_call_that_is_too_early_for_the_chain_alone_waits_instead_of_failing(engine: Engine) -> None:
    """The sender has no tokens, so the chain refuses; before its own instant that proves nothing."""
    with clock.travelled(AHEAD):
        order(engine, not_before=clock.now())
        _try_often(engine)
        waiting = Call.objects.get()
        assert (waiting.outcome, waiting.refusals) == ("waiting", 0)
        assert waiting.reason.startswith("refused")
        engine.chain.travel(int(AHEAD.total_seconds()) + 60)
        engine.index()
        with clock.travelled(timedelta(minutes=30)):
            _try_often(engine)
        assert Call.objects.get().outcome == "failed"


def _try_often(engine: Engine) -> None:
    for round_ in range(6):
        with clock.travelled(timedelta(minutes=2) * (round_ + 1)):
            engine.send()
