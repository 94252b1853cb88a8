"""Appeals: a ruled case goes back to review once, by other people; the chain's rounds follow."""

from core import clock, deadlines, doorbell
from core.actors import CHAIN
from disputes import timing
from disputes.models import Dispute, Ruling
from disputes.services.base import move, move_ruling, tell
from disputes.states import STANDING, DisputeState, RulingState

# The parties have heard the ruling and it is not executed.
_RULED = (DisputeState.RULED, DisputeState.FINAL, DisputeState.EXECUTING)


def appealed_on_chain(dispute: Dispute, tx_hash: str) -> None:
    """The chain began a new round for a locked case: whatever was signed for an earlier one is void.

    The first appeal against a ruling has it reviewed by others. A later one changes nothing but the round,
    in which the seats sign again; so does one before there is anything to appeal against.
    """
    dispute.round = dispute.escrow.dispute_round
    dispute.save(update_fields=["round"])
    if dispute.state in _RULED and dispute.appealed_at is None:
        _review_again(dispute, tx_hash)
    elif dispute.state == DisputeState.EXECUTING:
        _sign_again(dispute, tx_hash)


def _review_again(dispute: Dispute, tx_hash: str) -> None:
    deadlines.cancel(timing.APPEAL, dispute.pk)
    for ruling in Ruling.objects.select_for_update().filter(dispute=dispute, state__in=STANDING):
        move_ruling(ruling, RulingState.SUPERSEDED, actor=CHAIN, why="appealed")
    now = clock.now()
    facts = {"arbitrator": None, "appealed_at": now, "review_at": now}
    move(dispute, DisputeState.UNDER_REVIEW, actor=CHAIN, why="appealed", tx_hash=tx_hash, **facts)
    timing.start(timing.FIRST_ACTION, dispute)
    timing.start(timing.RULING, dispute)
    tell(dispute, "dispute.appealed", tx_hash=tx_hash)


def _sign_again(dispute: Dispute, tx_hash: str) -> None:
    from disputes import tasks

    why = "appealed again; the seats sign anew"
    move(dispute, DisputeState.FINAL, actor=CHAIN, why=why, tx_hash=tx_hash)
    doorbell.on_commit(tasks.execute.delay, dispute.pk)
