"""Celery is off: the sweeper alone finishes both deals of the product."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from payments.models import Escrow
from tests.chaos import once, stories
from tests.chaos.outages import sweeping, until_swept
from tests.payments.fixtures import BUYER_ADDRESS, Desk


@pytest.mark.parametrize("story", [stories.released, stories.ruled])
def test_f36_the_sweeper_alone_finishes_a_deal(
    desk: Desk, tmp_path: Path, story: Callable[[Desk], Iterator[stories.Step]]
) -> None:
    """F36: see `rules_off` for the rule that is switched off."""
    with sweeping(tmp_path) as process:
        for what, done in story(desk):
            until_swept(desk, process, done, what)
    desk.settle()
    once.check_paid_once(desk, list(Escrow.objects.all()))
    once.check_nonces(desk)
    if story is stories.ruled:
        assert desk.balance(BUYER_ADDRESS) == stories.PRICE - stories.TO_SELLER
