from typing import Any

import pytest

from disputes.models import Dispute
from disputes.services import evidence, review
from payments.models import Escrow
from tests.chain.fixtures import *  # noqa: F403  (fixtures are shared by import)
from tests.disputes import cast as stage
from tests.disputes.cast import Cast
from tests.payments.fixtures import cast, desk

__all__ = ["cast", "desk"]


@pytest.fixture
def people(db: None) -> Cast:
    return stage.cast()


@pytest.fixture
def token(db: None) -> Any:
    token = stage.local_token()
    stage.set_policy(token.network)
    return token


@pytest.fixture
def escrow(people: Cast, token: Any) -> Escrow:
    """2,500 USDT: above the four-eyes amount."""
    return stage.funded(people, token)


@pytest.fixture
def small_escrow(people: Cast, token: Any) -> Escrow:
    """250 USDT: below the four-eyes amount."""
    return stage.funded(people, token, 250 * stage.USDT)


@pytest.fixture
def opened(people: Cast, escrow: Escrow) -> Dispute:
    """Frozen on chain; the seller has to answer."""
    dispute = stage.open_dispute(escrow, people.buyer)
    stage.chain_freezes(escrow, evidence_hash=dispute.evidence_hash)
    return stage.reread(dispute)


def reviewed(dispute: Dispute, people: Cast) -> Dispute:
    """Both sides have nothing more to add, and the arbitrator has the case."""
    for role, user in (("buyer", people.buyer), ("seller", people.seller)):
        evidence.nothing_more(dispute_id=dispute.pk, role=role, acting=stage.actor(user))
    review.claim(dispute_id=dispute.pk, person=people.arbitrator)
    return stage.reread(dispute)


@pytest.fixture
def under_review(people: Cast, opened: Dispute) -> Dispute:
    return reviewed(opened, people)


@pytest.fixture
def small_under_review(people: Cast, small_escrow: Escrow) -> Dispute:
    dispute = stage.open_dispute(small_escrow, people.buyer)
    stage.chain_freezes(small_escrow, evidence_hash=dispute.evidence_hash)
    return reviewed(dispute, people)
