"""Final token transfers to a vault: booked once, split into what counts and what is surplus."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import Sum

from chain.models import FinalEvent, TokenTransfer
from core import clock, deadlines
from core.actors import CHAIN
from payments.books import balances
from payments.books.post import Line, post
from payments.locks import lock_escrow
from payments.models import SMALL, AccountKind, Deposit, DepositReversal, Escrow, Journal, OrderKind
from payments.services import clocks, controls, deals, delivery, events, late, orders, pausing
from payments.services.moves import move
from payments.states import CLOSED, ENDED_UNPAID, EscrowState

# What sends money on an expired escrow back.
RETURNING = (OrderKind.PAY, OrderKind.CLAIM_UNFUNDED)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A transfer that became final, and the deposit it is."""

    event: FinalEvent
    deposit: Deposit


def received(escrow: Escrow, final: Sequence[FinalEvent]) -> None:
    """Book final transfers to a locked escrow's vault, in the order of the chain, and move the escrow if
    it is paid now.

    What one transaction sent is one journal and one event, and so is everything that came in transactions too
    small to count. A few statements for any number of these.
    """
    final = [event for event in final if event.transfer is not None and event.transfer.amount]
    if not final:
        return
    waited = balances.held(escrow) if escrow.state in ENDED_UNPAID else 0
    arrivals = _arrivals(escrow, final, balances.counted(escrow))
    groups = _together(arrivals)
    for group in groups:
        _book(escrow, group)
    for group in groups:
        _tell(escrow, [item.deposit for item in group])
    counted = [item for item in arrivals if item.deposit.counted]
    _fund(escrow, (counted or arrivals)[-1].event)
    if escrow.state in ENDED_UNPAID and counted:
        late.money_came(escrow, waited)
    if any(item.deposit.surplus for item in arrivals):
        late.sweep_surplus(escrow)


def _arrivals(escrow: Escrow, final: Sequence[FinalEvent], before: int) -> list[Arrival]:
    """Each with its deposit: made now, or known already, because a reorg brings a transfer a second time."""
    hashes = {event.tx_hash for event in final}
    same = Deposit.objects.filter(network=escrow.network, tx_hash__in=hashes).select_related("token__network")
    known = {(row.token_id, row.tx_hash, row.ordinal): row for row in same}
    small, late_after = _small(final), _late_after(escrow, max(event.block_timestamp for event in final))
    found, fresh, turned = [], [], []
    for event in final:
        transfer = event.transfer
        if transfer is None:
            continue
        deposit = known.get((transfer.token_id, transfer.tx_hash, transfer.ordinal))
        if deposit is None:
            deposit = _deposit(escrow, transfer, event, before)
            is_late = late_after is not None and event.block_timestamp > late_after
            deposit.flags = _flags(escrow, deposit, before, is_late=is_late, is_small=_key(transfer) in small)
            fresh.append(deposit)
        else:
            turned.append(DepositReversal(deposit=deposit, seq=event.seq, returned=True, created=clock.now()))
        before += deposit.counted
        found.append(Arrival(event, deposit))
    Deposit.objects.bulk_create(fresh)
    DepositReversal.objects.bulk_create(turned)
    return found


def _key(transfer: TokenTransfer) -> tuple[int, str]:
    return transfer.token_id, transfer.tx_hash


def _small(final: Iterable[FinalEvent]) -> set[tuple[int, str]]:
    """Token and transaction of those that move less than the token's least amount to the vault in all."""
    sums: dict[tuple[int, str], int] = defaultdict(int)
    least = {}
    for event in final:
        if event.transfer is not None:
            sums[_key(event.transfer)] += event.transfer.amount
            least[event.transfer.token_id] = event.transfer.token.least_amount
    return {key for key, units in sums.items() if units < least[key[0]]}


def _together(arrivals: Iterable[Arrival]) -> list[list[Arrival]]:
    """What is booked and told at once: a token's transfers of one transaction, or all its small ones."""
    groups: dict[tuple[int, str], list[Arrival]] = defaultdict(list)
    for item in arrivals:
        deposit = item.deposit
        groups[deposit.token_id, "" if SMALL in deposit.flags else deposit.tx_hash].append(item)
    return list(groups.values())


def _book(escrow: Escrow, group: Sequence[Arrival]) -> None:
    deposits = [item.deposit for item in group]
    more = f" and {len(group) - 1} more" if len(group) > 1 else ""
    post(group[0].event, escrow, f"deposit {deposits[0].pk}{more}", _lines(deposits))


def _lines(deposits: Sequence[Deposit], sign: int = 1) -> list[Line]:
    """Of deposits in one token."""
    token = deposits[0].token
    return [
        Line(AccountKind.VAULT, sign * sum(deposit.amount for deposit in deposits), token),
        Line(AccountKind.HELD, -sign * sum(deposit.counted for deposit in deposits), token),
        Line(AccountKind.SURPLUS, -sign * sum(deposit.surplus for deposit in deposits), token),
    ]


def _tell(escrow: Escrow, deposits: Sequence[Deposit]) -> None:
    """One `deposit.confirmed` for a transaction, and one for each fact about it."""
    if SMALL in deposits[0].flags:
        _tell_small(escrow, deposits)
        return
    events.of_deposits(deposits, escrow, "deposit.confirmed")
    facts = {flag for deposit in deposits for flag in deposit.flags} - {"under"}
    if "under" in deposits[-1].flags:
        facts.add("under")  # the last of them has not completed it
    for flag, type_ in (("under", "underpaid"), ("over", "overpaid"), ("late", "late")):
        if flag in facts:
            events.of_deposits(deposits, escrow, f"deposit.{type_}")


def _tell_small(escrow: Escrow, deposits: Sequence[Deposit]) -> None:
    """What is small is told when it has added up to the least amount once more, as so many least amounts: a
    flood of it tells nobody anything."""
    token = deposits[0].token
    rows = Deposit.objects.filter(escrow=escrow, token=token, flags__contains=[SMALL])
    now = int(rows.aggregate(total=Sum("amount"))["total"] or 0)
    before = now - sum(deposit.amount for deposit in deposits)
    reached = now // token.least_amount - before // token.least_amount
    if reached > 0:
        events.of_deposits(deposits[-1:], escrow, "deposit.confirmed", units=reached * token.least_amount)


def taken_back(event: FinalEvent) -> None:
    """A person accepted a chain without something that was final: what was booked for it is booked back, the
    escrow frozen.

    The states stay as they are: what was done on the strength of it is for a person, and nothing leaves the
    escrow before that. Alarms were raised where the chain was accepted.
    """
    if event.transfer is not None:
        if event.outcome.startswith(FinalEvent.Kind.TRANSFER_IN.value):
            _deposit_taken_back(event, event.transfer)
        return
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
    controls.freeze(escrow)


def _deposit_taken_back(event: FinalEvent, transfer: TokenTransfer) -> None:
    """Its own part of what it was booked with: one journal may stand for many deposits."""
    same = Deposit.objects.filter(
        network=event.network, token=transfer.token, tx_hash=transfer.tx_hash, ordinal=transfer.ordinal
    )
    deposit = same.select_related("token__network").first()
    if deposit is None:
        return
    escrow = lock_escrow(deposit.escrow_id)
    post(event, escrow, f"reversal of deposit {deposit.pk}", _lines([deposit], sign=-1))
    DepositReversal.objects.create(deposit=deposit, seq=event.seq, created=clock.now())
    events.of_deposits([deposit], escrow, "deposit.reversed")
    controls.freeze(escrow)


def _deposit(escrow: Escrow, transfer: TokenTransfer, event: FinalEvent, before: int) -> Deposit:
    """`before` counts already; its flags are not set yet."""
    counted = _counted_part(escrow, transfer, before)
    return Deposit(
        escrow=escrow,
        network_id=event.network_id,
        token=transfer.token,
        tx_hash=transfer.tx_hash,
        ordinal=transfer.ordinal,
        sender=transfer.source,
        amount=transfer.amount,
        counted=counted,
        surplus=transfer.amount - counted,
        block_number=event.block_number,
        block_time=event.block_timestamp,
        created=clock.now(),
    )


def _counted_part(escrow: Escrow, transfer: TokenTransfer, before: int) -> int:
    """What still counts towards the amount; nothing in another token or after the decision."""
    if transfer.token_id != escrow.token_id or escrow.state in CLOSED or escrow.remainder == 0:
        return 0
    return min(transfer.amount, max(0, escrow.amount - before))


def _flags(escrow: Escrow, deposit: Deposit, before: int, *, is_late: bool, is_small: bool) -> list[str]:
    facts = {"wrong_token": True}
    if deposit.token_id == escrow.token_id:
        facts = {
            "late": is_late,
            "extra": deposit.counted == 0,
            "over": 0 < deposit.counted < deposit.amount,
            "under": deposit.counted > 0 and before + deposit.counted < escrow.amount,
        }
    return [name for name, holds in (facts | {SMALL: is_small}).items() if holds]


def _late_after(escrow: Escrow, newest: datetime) -> datetime | None:
    """What comes after this is late: pay-by, which an incident moves for the platform and not on the chain;
    all of it when the escrow is over. `newest` is when the last of it came."""
    if escrow.closed_at is not None:
        return datetime.min.replace(tzinfo=UTC)
    if escrow.fund_by is None or newest <= escrow.fund_by:
        return escrow.fund_by
    wait = deadlines.waiting(escrow.pk).filter(kind=clocks.PAY).first()
    return max(escrow.fund_by, wait.due_at + pausing.lost_until_now(wait)) if wait else escrow.fund_by


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
