"""Escrows before money: planned, opened, expired, cancelled."""

from collections import defaultdict
from collections.abc import Iterable

from django.db import transaction

from chain import selectors as chain_reads
from chain.models import TokenTransfer
from chain.services.watch import watch
from core import clock, deadlines, seen, transitions
from core.actors import CLOCK, SYSTEM, Actor
from core.errors import Conflict, Held
from core.models import Deadline, OutboxEvent
from payments import live, paid
from payments.agreement import Agreement, from_json
from payments.books import balances
from payments.locks import lock_escrow
from payments.models import Deal, Escrow
from payments.paid import Paid
from payments.services import addresses, chain_terms, clocks, controls, events, late
from payments.services.moves import move
from payments.services.seen import of_escrow
from payments.states import EscrowState


def plan(deal: Deal, agreement: Agreement) -> list[Escrow]:
    """One escrow for each milestone of a freshly agreed, locked deal; opens all or the first of them."""
    planned = []
    for position, milestone in enumerate(agreement.milestones, start=1):
        escrow = Escrow.objects.create(
            deal=deal,
            position=position,
            title=milestone.title,
            network=deal.network,
            token=deal.token,
            amount=agreement.escrow_amount(milestone),
            fee_bps=agreement.fee_bps,
            deliver_at=milestone.deliver_at,
            inspect_seconds=agreement.inspect_seconds,
            created=clock.now(),
        )
        transitions.record(escrow, source="", target=escrow.state, actor=SYSTEM, why="deal agreed")
        planned.append(escrow)
    for escrow in planned if agreement.opening == "all" else planned[:1]:
        open_escrow(escrow_id=escrow.pk, acting=SYSTEM)
    return planned


@transaction.atomic
def open_escrow(*, escrow_id: str, acting: Actor, expected: str | None = None) -> Escrow:
    """Compute the absolute deadlines, hash the terms, derive the deposit address and watch it.

    Raises `Conflict` unless planned, `Held` while intake is stopped, `Invalid` if a side's address has become
    one that nobody may be paid at.
    """
    escrow = lock_escrow(escrow_id)
    seen.check(expected, of_escrow, escrow)
    if escrow.state != EscrowState.PLANNED:
        raise Conflict("escrow_already_open", "This milestone is already open.")
    controls.check_intake(escrow.network)
    version = escrow.deal.agreed_version
    if version is None:
        raise Conflict("deal_not_agreed", "The deal is not agreed yet.")
    now = clock.now()
    addresses.bind(escrow.deal)
    chain_terms.write(escrow, escrow.deal, from_json(version.terms), now)
    addresses.check_derived(escrow.vault_address)
    escrow.remainder = escrow.amount
    escrow.opened_at = now
    fields = (
        "terms", "chain_id_hash", "vault_address", "fund_by", "deliver_by", "arbiters",
        "arbiters_threshold", "remainder", "opened_at",
    )  # fmt: skip
    move(escrow, EscrowState.AWAITING_DEPOSIT, actor=acting, fields=fields)
    watch(network=escrow.network, address=escrow.vault_address, key=escrow.pk)
    clocks.start_paying(escrow)
    events.of_escrow(escrow, "escrow.opened", address=escrow.vault_address)
    return escrow


def open_next(deal: Deal) -> None:
    """Milestone by milestone: when one ends well, the next opens. The deal is locked.

    While no money is taken in, its deadline asks again.
    """
    standing = list(deal.escrows.order_by("position"))
    waiting = [item for item in standing if item.state == EscrowState.PLANNED]
    opened = [item for item in standing if item.state != EscrowState.PLANNED]
    if waiting and all(item.closed_at for item in opened) and opened[-1].state == EscrowState.RELEASED:
        deadlines.start(clocks.OPEN, waiting[0].pk, clock.now())


def open_due(deadline: Deadline) -> bool:
    """Deadline handler: the milestone before ended well, so this one opens as soon as intake runs."""
    with transaction.atomic():
        escrow = lock_escrow(deadline.subject_id)
        try:
            controls.check_intake(escrow.network)
        except Held:
            return False
        if not deadlines.claim(deadline):
            return False
        if escrow.state == EscrowState.PLANNED:
            open_escrow(escrow_id=escrow.pk, acting=CLOCK)
    return True


@transaction.atomic
def cancel_unpaid(*, escrow_id: str, acting: Actor) -> Escrow:
    """End an escrow to which no money was ever seen. The address stays watched for ever.

    Raises `Conflict` if money was seen, final or not.
    """
    escrow = lock_escrow(escrow_id)
    if escrow.state in (EscrowState.CANCELLED, EscrowState.EXPIRED):
        return escrow
    if escrow.state not in (EscrowState.PLANNED, EscrowState.AWAITING_DEPOSIT) or paid.money_seen(escrow):
        raise Conflict("money_seen", "Money has arrived; this escrow cannot be cancelled any more.")
    deadlines.cancel_all(escrow.pk)
    move(escrow, EscrowState.CANCELLED, actor=acting)
    events.of_escrow(escrow, "escrow.cancelled")
    _follow(escrow, acting)
    return escrow


def expire_unpaid(deadline: Deadline) -> bool:
    """Deadline handler: a final block is past pay-by and the final deposits are too small."""
    with transaction.atomic():
        escrow = lock_escrow(deadline.subject_id)
        final = chain_reads.final_head(escrow.network)
        # Pay-by, or later where paused time was given back.
        if final is None or final[2] <= deadline.due_at:
            return False
        if not projected_to_final(escrow) or not deadlines.claim(deadline):
            return False
        if escrow.state in (EscrowState.AWAITING_DEPOSIT, EscrowState.CONFIRMING):
            move(escrow, EscrowState.EXPIRED, actor=CLOCK, why="not paid in time")
            events.of_escrow(escrow, "escrow.expired")
            if balances.money(escrow):
                late.return_when_possible(escrow)
            _follow(escrow, CLOCK)
    return True


def projected_to_final(escrow: Escrow) -> bool:
    """Whether every final event of the network has been applied; a deposit may wait among them."""
    from payments.services.projection import is_caught_up

    return is_caught_up(escrow.network)


def show_heads(escrow_ids: Iterable[str]) -> None:
    """Display only: what the newest blocks show of these escrows. Two queries for any number of which nothing
    changes, for a stranger may send next to nothing to all of them."""
    found = Escrow.objects.filter(pk__in=list(escrow_ids)).select_related("network", "token__network")
    for reading in paid.read(found).values():
        escrow = reading.escrow
        if _shown_next(reading):
            show_head(escrow.pk)
        elif escrow.state in paid.OPEN or reading.coming:
            live.escrow_changed(escrow.deal_id, escrow.pk)


def show_head(escrow_id: str) -> None:
    """Display only: awaiting_deposit <-> confirming by what the newest blocks show. Idempotent."""
    with transaction.atomic():
        escrow = lock_escrow(escrow_id)
        target = _shown_next(paid.of(escrow))
        if target == EscrowState.CONFIRMING:
            move(escrow, target, actor=SYSTEM, why="deposit seen")
            _tell(escrow, _coming(escrow), "deposit.detected")
        elif target == EscrowState.AWAITING_DEPOSIT:
            move(escrow, target, actor=SYSTEM, why="deposit gone or too small")
            _tell(escrow, _gone(escrow), "deposit.reversed")
        else:
            live.escrow_changed(escrow.deal_id, escrow.pk)


def _shown_next(reading: Paid) -> str | None:
    """Where the newest blocks take an escrow that waits for its money; None where it stays."""
    state, enough = reading.escrow.state, not reading.missing
    if state == EscrowState.AWAITING_DEPOSIT and enough:
        return EscrowState.CONFIRMING
    if state == EscrowState.CONFIRMING and not enough:
        return EscrowState.AWAITING_DEPOSIT
    return None


def _coming(escrow: Escrow) -> list[TokenTransfer]:
    """What the newest blocks bring of the escrow's token, and is not final."""
    pending = chain_reads.pending_transfers(escrow.network, [escrow.pk])
    return [item.transfer for item in pending if item.transfer.token_id == escrow.token_id]


def _gone(escrow: Escrow) -> list[TokenTransfer]:
    """What was told of as detected, and the chain does not hold any more."""
    told = OutboxEvent.objects.filter(subject_id=escrow.pk, type__in=["deposit.detected", "deposit.reversed"])
    newest = {event.payload.get("tx_hash"): event.type for event in told.order_by("sequence")}
    hashes = {tx_hash for tx_hash, type_ in newest.items() if type_ == "deposit.detected"}
    hashes -= {transfer.tx_hash for transfer in _coming(escrow)}
    found = TokenTransfer.objects.filter(token=escrow.token, tx_hash__in=hashes, final_block__isnull=True)
    return list(found.filter(recipient=escrow.vault_address).select_related("token__network"))


def _tell(escrow: Escrow, transfers: Iterable[TokenTransfer], type_: str) -> None:
    """One event for a transaction; those that move next to nothing only if there are no others."""
    groups: dict[str, list[TokenTransfer]] = defaultdict(list)
    for transfer in transfers:
        groups[transfer.tx_hash].append(transfer)
    least = escrow.token.least_amount
    large = [group for group in groups.values() if sum(item.amount for item in group) >= least]
    for group in large or groups.values():
        events.of_transfers(group, escrow, type_)


def _follow(escrow: Escrow, actor: Actor) -> None:
    from payments.services.deals import follow_escrows

    follow_escrows(escrow.deal_id, actor)
