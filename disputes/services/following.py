"""Cases follow the chain: what payments says of an escrow decides where its dispute stands.

Every function here may run twice, late or out of order; what is already so stays so.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Exists, F, OuterRef

from core import clock, transitions
from core.actors import CHAIN
from core.models import OutboxEvent
from disputes import hashing, reasons, timing
from disputes.locks import lock_dispute
from disputes.models import Dispute, Ruling
from disputes.services import appeals, opening
from disputes.services.base import move, move_ruling, stop_clocks, tell
from disputes.services.evidence import begin_evidence
from disputes.states import BEFORE_REVIEW, LIVE, STANDING, DisputeState, RulingState
from payments.locks import lock_escrow
from payments.models import Escrow
from payments.states import CLOSED, ENDED_UNPAID, HOLDING, EscrowState

# What payments says of an escrow and a case follows.
CONSUMED = (
    "escrow.disputed",
    "escrow.dispute_withdrawn",
    "escrow.dispute_failed",
    "escrow.appealed",
    "escrow.released",
    "escrow.refunded",
    "escrow.settled",
)
# The chain shows no dispute; the last two where a wallet disputed late money and took it back.
_NOT_DISPUTED = (*HOLDING, *ENDED_UNPAID)
NO_STATEMENT = hashing.canonical_hash([])


@dataclass(frozen=True, slots=True)
class Raised:
    """What the chain said when it froze an escrow."""

    side: str
    round: int
    evidence_hash: str
    tx_hash: str

    @classmethod
    def of(cls, event: OutboxEvent) -> "Raised":
        payload = event.payload
        return cls(
            payload["side"],
            payload["round"],
            payload.get("evidence_hash") or NO_STATEMENT,
            payload.get("tx_hash") or "",
        )


def consume(event: OutboxEvent) -> None:
    """Outbox consumer of `escrow.*`: bring the escrow's case in line, naming the event's transaction."""
    escrow_id = str(event.payload.get("escrow") or event.subject_id)
    if event.type == "escrow.disputed":
        _frozen(escrow_id, Raised.of(event))
    follow(escrow_id, tx_hash=str(event.payload.get("tx_hash") or ""))


@transaction.atomic
def follow(escrow_id: str, *, tx_hash: str = "") -> None:
    """Compare one escrow with its live case and move the case; opens the case the chain asks for."""
    live = Dispute.objects.filter(escrow_id=escrow_id, state__in=LIVE).values_list("pk", flat=True).first()
    if live is None:
        _open_from_chain(escrow_id)
        return
    dispute = lock_dispute(live)
    state = dispute.escrow.state
    if dispute.state not in LIVE:
        return
    if state not in CLOSED and 0 < dispute.raised_round < dispute.escrow.raised_round:
        _raised_anew(dispute, tx_hash)
        return
    if state not in CLOSED and 0 < dispute.round < dispute.escrow.dispute_round:
        appeals.appealed_on_chain(dispute, tx_hash)
    if state in CLOSED:
        _ended(dispute, tx_hash)
    elif state in _NOT_DISPUTED and dispute.state == DisputeState.OPENING:
        _end(dispute, DisputeState.CLOSED, "the chain refused the dispute", tx_hash)
    elif state in _NOT_DISPUTED:
        _taken_back(dispute, tx_hash)
    elif state == EscrowState.DISPUTED and dispute.state == DisputeState.OPENING:
        _opened(dispute, _last_raised(escrow_id))


def _taken_back(dispute: Dispute, tx_hash: str) -> None:
    if dispute.state in BEFORE_REVIEW:
        _end(dispute, DisputeState.WITHDRAWN, "", tx_hash)
    else:
        _end(dispute, DisputeState.CLOSED, "the opener took it back on the chain, past the review", tx_hash)


def _raised_anew(dispute: Dispute, tx_hash: str) -> None:
    """Taken back and raised again before the first of it was heard here: that is another case."""
    lock_escrow(dispute.escrow_id)
    _taken_back(dispute, tx_hash)
    _open_from_chain(dispute.escrow_id)


def behind() -> Iterable[str]:
    """Escrows whose case may not be where the chain is: what a lost event would leave behind."""
    live = Dispute.objects.filter(escrow=OuterRef("pk"), state__in=LIVE)
    missing = Escrow.objects.filter(state=EscrowState.DISPUTED).exclude(Exists(live))
    # From the live cases, which are few, and not from the escrows, of which most are over.
    cases = Dispute.objects.filter(state__in=LIVE).order_by()
    stale = cases.filter(escrow__state__in=[*CLOSED, *_NOT_DISPUTED])
    opening_ = cases.filter(state=DisputeState.OPENING, escrow__state=EscrowState.DISPUTED)
    anew = cases.filter(round__gt=0, round__lt=F("escrow__dispute_round")).exclude(escrow__state__in=CLOSED)
    yield from missing.values_list("pk", flat=True)
    for rows in (stale, opening_, anew):
        yield from rows.values_list("escrow_id", flat=True)


def _frozen(escrow_id: str, raised: Raised) -> None:
    """The chain froze the escrow for the case that carries this hash, unless it was raised anew since."""
    waiting = Dispute.objects.filter(escrow_id=escrow_id, state=DisputeState.OPENING)
    found = waiting.filter(evidence_hash=raised.evidence_hash).values_list("pk", flat=True).first()
    if found is None:
        return
    dispute = lock_dispute(found)
    if dispute.state == DisputeState.OPENING and raised.round == dispute.escrow.raised_round:
        _opened(dispute, raised)


def _opened(dispute: Dispute, raised: Raised) -> None:
    """Shown as frozen only now, when it is final on the chain."""
    if dispute.opened_by != raised.side:
        # Both sides disputed at once and the other one's transaction came first: its right to withdraw.
        dispute.n = opening.next_number(dispute.escrow_id, raised.side)
        dispute.opened_by = raised.side
        dispute.save(update_fields=["opened_by", "n"])
    dispute.opened_at, dispute.opened_tx_hash = clock.now(), raised.tx_hash
    dispute.round, dispute.raised_round = dispute.escrow.dispute_round, raised.round
    dispute.disputed = dispute.escrow.remainder
    dispute.save(update_fields=["opened_at", "opened_tx_hash", "round", "raised_round", "disputed"])
    move(dispute, DisputeState.OPENED, actor=CHAIN, tx_hash=raised.tx_hash)
    tell(dispute, "dispute.opened", reason=dispute.reason, tx_hash=raised.tx_hash)
    if dispute.answered_at is not None:
        begin_evidence(dispute, CHAIN, "answered before the chain confirmed")
    else:
        timing.start(timing.ANSWER, dispute)


def _open_from_chain(escrow_id: str) -> None:
    """A dispute raised straight on the chain gets its case; the opener adds the statement here."""
    escrow = lock_escrow(escrow_id)
    if escrow.state != EscrowState.DISPUTED or escrow.disputes.filter(state__in=LIVE).exists():
        return
    raised = _last_raised(escrow_id)
    dispute = opening.create(
        escrow_id=escrow_id,
        role=raised.side,
        reason=reasons.ON_CHAIN,
        evidence_hash=raised.evidence_hash,
        actor=CHAIN,
    )
    _opened(lock_dispute(dispute.pk), raised)


def _last_raised(escrow_id: str) -> Raised:
    """What payments wrote, in the transaction that moved the escrow to disputed."""
    events = OutboxEvent.objects.filter(type="escrow.disputed", subject_id=escrow_id)
    return Raised.of(events.order_by("-sequence")[0])


def _ended(dispute: Dispute, tx_hash: str) -> None:
    """The money is decided: by the ruling that was ordered, or by something else on the chain."""
    if dispute.state == DisputeState.EXECUTING and _how(dispute.escrow) == "ruling":
        _end(dispute, DisputeState.EXECUTED, "", tx_hash)
    else:
        _end(dispute, DisputeState.CLOSED, f"the escrow was {dispute.escrow.state} on the chain", tx_hash)


def _how(escrow: Escrow) -> str:
    """By which action of the contract the escrow ended, as payments wrote it down."""
    ended = transitions.history(escrow).filter(target__in=CLOSED).last()
    return ended.why if ended else ""


def _end(dispute: Dispute, target: str, why: str, tx_hash: str) -> None:
    stop_clocks(dispute)
    dispute.closed_at, dispute.closed_why, dispute.closed_tx_hash = clock.now(), why, tx_hash
    dispute.save(update_fields=["closed_at", "closed_why", "closed_tx_hash"])
    move(dispute, target, actor=CHAIN, why=why, tx_hash=tx_hash)
    if target != DisputeState.EXECUTED:
        for ruling in Ruling.objects.select_for_update().filter(dispute=dispute, state__in=STANDING):
            move_ruling(ruling, RulingState.SUPERSEDED, actor=CHAIN, why=why)
    tell(dispute, f"dispute.{target}", tx_hash=tx_hash, why=why)
