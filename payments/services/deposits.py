"""Final token transfers to a vault: booked once, split into what counts and what is surplus."""

from datetime import datetime

from django.db.models import QuerySet

from chain.models import FinalEvent, TokenTransfer
from core import clock, deadlines
from core.actors import CHAIN
from payments.books import balances
from payments.books.post import Line, post
from payments.locks import lock_escrow
from payments.models import AccountKind, Deposit, DepositReversal, Escrow, Journal, OrderKind
from payments.services import clocks, controls, deals, delivery, events, late, orders, pausing
from payments.services.moves import move
from payments.states import CLOSED, ENDED_UNPAID, EscrowState

# What sends money on an expired escrow back.
RETURNING = (OrderKind.PAY, OrderKind.CLAIM_UNFUNDED)


def received(escrow: Escrow, event: FinalEvent) -> None:
    """Book a final transfer to a locked escrow's vault and move the escrow if it is paid now."""
    transfer = event.transfer
    if transfer is None:
        return
    known = _of(transfer).first()
    deposit = known or _record(escrow, transfer, event)
    if known is not None:
        _turn(known, event, returned=True)
    what = f"deposit {deposit.pk}"
    post(
        event,
        escrow,
        what,
        [
            Line(AccountKind.VAULT, deposit.amount, deposit.token),
            Line(AccountKind.HELD, -deposit.counted, deposit.token),
            Line(AccountKind.SURPLUS, -deposit.surplus, deposit.token),
        ],
    )
    events.of_deposit(deposit, escrow, "deposit.confirmed")
    for flag, type_ in (("under", "underpaid"), ("over", "overpaid"), ("late", "late")):
        if flag in deposit.flags:
            events.of_deposit(deposit, escrow, f"deposit.{type_}")
    _fund(escrow, event)
    if escrow.state in ENDED_UNPAID and deposit.counted:
        late.return_when_possible(escrow)
    if deposit.surplus:
        late.sweep_surplus(escrow)


def _of(transfer: TokenTransfer) -> QuerySet[Deposit]:
    """The deposit of a transfer, by its identity: a reorg may bring it a second time."""
    return Deposit.objects.filter(
        network=transfer.token.network,
        token=transfer.token,
        tx_hash=transfer.tx_hash,
        ordinal=transfer.ordinal,
    )


def _turn(deposit: Deposit, event: FinalEvent, *, returned: bool) -> None:
    DepositReversal.objects.create(deposit=deposit, seq=event.seq, returned=returned, created=clock.now())


def taken_back(event: FinalEvent) -> None:
    """A person accepted a chain without something that was final: its journal is reversed, the escrow frozen.

    The states stay as they are: what was done on the strength of it is for a person, and nothing leaves the
    escrow before that. Alarms were raised where the chain was accepted.
    """
    told = int(event.reason.removeprefix("event "))
    journal = Journal.objects.filter(network=event.network, seq=told).first()
    entry = journal.entries.select_related("account").first() if journal else None
    if journal is None or entry is None:
        return
    escrow = lock_escrow(entry.account.escrow_id)
    lines = [
        Line(line.account.kind, -line.amount, line.account.token)
        for line in journal.entries.select_related("account__token")
    ]
    post(event, escrow, f"reversal of {journal.what}"[:120], lines)
    deposit = _of(event.transfer).first() if event.transfer is not None else None
    if deposit is not None:
        _turn(deposit, event, returned=False)
        events.of_deposit(deposit, escrow, "deposit.reversed")
    controls.freeze(escrow)


def _record(escrow: Escrow, transfer: TokenTransfer, event: FinalEvent) -> Deposit:
    before = balances.counted(escrow)
    counted = _counted_part(escrow, transfer, before)
    return Deposit.objects.create(
        escrow=escrow,
        network_id=event.network_id,
        token=transfer.token,
        tx_hash=transfer.tx_hash,
        ordinal=transfer.ordinal,
        sender=transfer.source,
        amount=transfer.amount,
        counted=counted,
        surplus=transfer.amount - counted,
        flags=_flags(escrow, transfer, before, counted, event),
        block_number=event.block_number,
        block_time=event.block_timestamp,
        created=clock.now(),
    )


def _counted_part(escrow: Escrow, transfer: TokenTransfer, before: int) -> int:
    """What still counts towards the amount; nothing in another token or after the decision."""
    if transfer.token_id != escrow.token_id or escrow.state in CLOSED or escrow.remainder == 0:
        return 0
    return min(transfer.amount, max(0, escrow.amount - before))


def _flags(
    escrow: Escrow, transfer: TokenTransfer, before: int, counted: int, event: FinalEvent
) -> list[str]:
    if transfer.token_id != escrow.token_id:
        return ["wrong_token"]
    facts = {
        "late": _is_late(escrow, event.block_timestamp),
        "extra": counted == 0,
        "over": 0 < counted < transfer.amount,
        "under": counted > 0 and before + counted < escrow.amount,
    }
    return [name for name, holds in facts.items() if holds]


def _is_late(escrow: Escrow, at: datetime) -> bool:
    """After pay-by, which an incident moves for the platform and not on the chain."""
    if escrow.closed_at is not None:
        return True
    if escrow.fund_by is None or at <= escrow.fund_by:
        return False
    wait = deadlines.waiting(escrow.pk).filter(kind=clocks.PAY).first()
    return wait is None or at > wait.due_at + pausing.lost_until_now(wait)


def _fund(escrow: Escrow, event: FinalEvent) -> None:
    """awaiting_deposit, confirming or revived -> funded, when the final deposits reach the amount."""
    if escrow.state == EscrowState.EXPIRED and escrow.revived_at:
        _fund_revived(escrow, event)
        return
    if escrow.state not in (EscrowState.AWAITING_DEPOSIT, EscrowState.CONFIRMING):
        return
    if balances.counted(escrow) < escrow.amount:
        return
    escrow.funded_at = clock.now()
    move(escrow, EscrowState.FUNDED, actor=CHAIN, tx_hash=event.tx_hash, fields=("funded_at",))
    clocks.start_delivering(escrow)
    events.of_escrow(escrow, "escrow.funded", **events.amount_json(escrow.money))
    deals.follow_escrows(escrow.deal_id, CHAIN)


def revive(escrow: Escrow, event: FinalEvent) -> None:
    """Both sides extended a locked escrow after pay-by: it is funded as soon as all of its money is there."""
    unpaid = (EscrowState.EXPIRED, EscrowState.AWAITING_DEPOSIT, EscrowState.CONFIRMING)
    if escrow.state in unpaid:
        escrow.revived_at = clock.now()
        escrow.save(update_fields=["revived_at"])
        _fund(escrow, event)


def _fund_revived(escrow: Escrow, event: FinalEvent) -> None:
    """expired -> funded: the return of the late money, if it is under way, is not wanted any more."""
    if not 0 < escrow.remainder <= balances.held(escrow) or escrow.deliver_by is None:
        return
    orders.supersede(escrow, RETURNING, "revived by both sides", tx_hash=event.tx_hash)
    deadlines.cancel(clocks.LATE_MONEY, escrow.pk)
    escrow.funded_at, escrow.closed_at = clock.now(), None
    fields = ("funded_at", "closed_at")
    why = "revived by both sides"
    move(escrow, EscrowState.FUNDED, actor=CHAIN, why=why, tx_hash=event.tx_hash, fields=fields)
    clocks.start_delivering(escrow)
    if escrow.marked_until:
        delivery.stop_inspection(escrow, tx_hash=event.tx_hash)
    events.of_escrow(escrow, "escrow.funded", **events.amount_json(escrow.remainder_money))
    deals.follow_escrows(escrow.deal_id, CHAIN)
