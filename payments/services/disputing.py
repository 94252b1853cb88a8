"""What a dispute does to an escrow's money: freeze, withdraw, execute. The case itself is above."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from contracts.terms import Terms
from core import seen
from core.actors import CHAIN, SYSTEM, Actor
from core.errors import Conflict, Invalid
from payments.locks import live_orders, lock_escrow
from payments.models import Escrow, Order, OrderKind
from payments.services import chain_terms, clocks, delivery, events, guarding, orders, payouts
from payments.services.moves import move
from payments.services.seen import of_escrow
from payments.states import ENDED_UNPAID, HOLDING, EscrowState

MAX_DISPUTES_PER_SIDE = 2
# A ruling must be final this long before anyone may execute the fallback.
RULE_MARGIN = timedelta(days=7)
_DISPUTABLE = (*HOLDING, EscrowState.RELEASING, EscrowState.REFUNDING)


@dataclass(frozen=True, slots=True, kw_only=True)
class RulingContext:
    """What the seats' signatures bind. Amounts in base units."""

    terms: Terms
    round: int
    remainder: int
    seats: list[str]
    threshold: int
    fallback_after: datetime | None


@transaction.atomic
def order_dispute(
    *, escrow_id: str, role: str, evidence_hash: str, acting: Actor, expected: str | None = None
) -> Order:
    """Freeze the escrow on behalf of one side: every off-chain timer stops at once, the chain follows.

    After a release or refund was ordered a dispute is still pushed, and the chain decides which came
    first. Raises `Conflict` where nothing is left to dispute, or the escrow is not what the caller saw.
    """
    escrow = lock_escrow(escrow_id)
    seen.check(expected, of_escrow, escrow)
    if escrow.state not in _DISPUTABLE:
        raise Conflict("escrow_state", f"Not possible while the escrow is {escrow.state.replace('_', ' ')}.")
    if live_orders(escrow, OrderKind.DISPUTE):
        raise Conflict("dispute_under_way", "A dispute is being recorded on the chain already.")
    if escrow.disputes_of(role) >= MAX_DISPUTES_PER_SIDE:
        raise Conflict("disputes_used_up", "Each side may dispute an escrow at most twice.")
    order = orders.place(
        escrow,
        OrderKind.DISPUTE,
        reason=f"disputed by the {role}",
        acting=acting,
        payload={"side": role, "evidence_hash": evidence_hash},
        # After it the chain takes no dispute; it also lets this call go out before payouts that wait.
        must_be_final_by=escrow.marked_until or escrow.deliver_by,
    )
    if escrow.state in HOLDING:
        clocks.pause(escrow)
        payouts.close_refund_requests(escrow)
        escrow.state_before_dispute = escrow.state
        move(escrow, EscrowState.DISPUTING, actor=acting, fields=("state_before_dispute",))
    events.of_escrow(escrow, "escrow.dispute_ordered", side=role)
    return order


@transaction.atomic
def order_withdrawal(*, escrow_id: str, role: str, acting: Actor) -> Order:
    """The side that opened the dispute takes it back; the clocks go on when that is final."""
    escrow = _disputed(escrow_id)
    guarding.check_pays(escrow, role)
    if escrow.disputed_by != role:
        raise Conflict("not_opener", "Only the side that opened the dispute can withdraw it.")
    if escrow.dispute_sender != chain_terms.of(escrow).operator:
        message = "This dispute was raised with a wallet; only that wallet can withdraw it."
        raise Conflict("withdraw_by_wallet", message)
    if live_orders(escrow, OrderKind.WITHDRAW):
        raise Conflict("withdrawal_under_way", "The withdrawal is on its way.")
    orders.check_free(escrow)
    order = orders.place(escrow, OrderKind.WITHDRAW, reason=f"withdrawn by the {role}", acting=acting)
    events.of_escrow(escrow, "escrow.withdrawal_ordered", side=role)
    return order


def ruling_context(escrow: Escrow) -> RulingContext:
    """What a ruling on this disputed escrow must bind at this moment."""
    return RulingContext(
        terms=chain_terms.of(escrow),
        round=escrow.dispute_round,
        remainder=escrow.remainder,
        seats=list(escrow.arbiters),
        threshold=escrow.arbiters_threshold,
        fallback_after=escrow.fallback_after,
    )


@transaction.atomic
def order_ruling(
    *,
    escrow_id: str,
    to_seller: int,
    to_buyer: int,
    ruling_hash: str,
    round: int,
    not_before: int,
    deadline: int,
    signers: Sequence[str],
    signatures: Sequence[bytes],
    reason: str,
    acting: Actor,
) -> Order:
    """Execute a final ruling. Amounts in base units that sum to the remainder; `signers` and `signatures`
    as `contracts.rulings.sort_signatures` gives them; instants in unix seconds.

    Raises `Invalid` for a wrong sum, `Conflict` for another round or state, `Held` while payouts stop.
    """
    escrow = _disputed(escrow_id)
    if to_seller < 0 or to_buyer < 0 or to_seller + to_buyer != escrow.remainder:
        raise Invalid("ruling_sum", f"The parts must sum to {escrow.remainder_money}.")
    if round != escrow.dispute_round:
        raise Conflict("ruling_round", "The dispute has moved on to another round.")
    orders.supersede(escrow, (OrderKind.WITHDRAW,), "a ruling is executed")
    order = orders.place(
        escrow,
        OrderKind.RULE,
        must_be_final_by=escrow.fallback_after and escrow.fallback_after - RULE_MARGIN,
        reason=reason[:80],
        acting=acting,
        to_seller=to_seller,
        to_buyer=to_buyer,
        payload={
            # As signed; a part that a party concedes meanwhile scales what is executed, not this.
            "signed": [str(to_seller), str(to_buyer)],
            "ruling_hash": ruling_hash,
            "round": round,
            "not_before": not_before,
            "deadline": deadline,
            "signers": list(signers),
            "signatures": [signature.hex() for signature in signatures],
        },
    )
    move(escrow, EscrowState.SETTLING, actor=acting)
    events.of_escrow(escrow, "escrow.ruling_ordered")
    return order


def dispute_failed(escrow: Escrow, order: Order) -> None:
    """The dispute call failed for good and the chain shows no dispute: everything is as before."""
    if escrow.state != EscrowState.DISPUTING:
        return
    before, escrow.state_before_dispute = escrow.state_before_dispute, ""
    move(escrow, before, actor=SYSTEM, why=order.failure, fields=("state_before_dispute",))
    clocks.resume(escrow)
    clocks.watch_hold(escrow)
    if before == EscrowState.FUNDED and escrow.marked_until and not live_orders(escrow, OrderKind.REOPEN):
        # The seller marked with a wallet meanwhile: the chain's inspection runs, so the buyer's does.
        delivery.handed_over(escrow, CHAIN)
    events.of_escrow(escrow, "escrow.dispute_failed", side=order.payload["side"], reason=order.failure)


def note_frozen(escrow: Escrow, *, actor: Actor, tx_hash: str) -> None:
    """The chain says disputed: it wins over whatever was ordered (rule 0)."""
    overtaken = (
        OrderKind.PAY,
        OrderKind.CLAIM_UNFUNDED,
        OrderKind.CANCEL,
        OrderKind.MARK,
        OrderKind.REOPEN,
        OrderKind.EXTEND,
    )
    orders.supersede(escrow, overtaken, "disputed on chain")
    if escrow.state in HOLDING:
        clocks.pause(escrow)
        payouts.close_refund_requests(escrow)
        escrow.state_before_dispute = escrow.state
    elif not escrow.state_before_dispute:
        ended = escrow.state in ENDED_UNPAID
        escrow.state_before_dispute = escrow.state if ended else _state_by_facts(escrow)
    clocks.stop_all(escrow)
    fields = (
        "state_before_dispute",
        "dispute_round",
        "raised_round",
        "buyer_disputes",
        "seller_disputes",
        "disputed_by",
        "dispute_sender",
        "fallback_after",
    )
    move(escrow, EscrowState.DISPUTED, actor=actor, why="final on chain", tx_hash=tx_hash, fields=fields)


def _state_by_facts(escrow: Escrow) -> str:
    return EscrowState.DELIVERED if escrow.delivered_at else EscrowState.FUNDED


def _disputed(escrow_id: str) -> Escrow:
    escrow = lock_escrow(escrow_id)
    if escrow.state != EscrowState.DISPUTED:
        raise Conflict("not_disputed", "The dispute is not final on the chain, or is over.")
    return escrow
