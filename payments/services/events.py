"""What payments tells the outside: finished public payloads, written in the change's transaction."""

from collections.abc import Sequence
from typing import Any

from chain.models import TokenTransfer
from core import outbox
from core.money import Amount, total
from payments import live
from payments.models import Deal, Deposit, Escrow, Order, PayoutLeg


def amount_json(amount: Amount) -> dict[str, Any]:
    """An amount as every public payload shows it."""
    return {
        "amount": amount.decimal,
        "base_units": str(amount.units),
        "token": amount.unit.symbol,
        "network": amount.unit.slug,
    }


def tell(deal: Deal, type_: str, *, subject_id: str, payload: dict[str, Any]) -> None:
    """One event in the deal's sequence, for its partner's keys of the deal's mode."""
    outbox.emit(
        type_,
        subject_id=subject_id,
        payload=payload,
        group_id=deal.id,
        owner_id=deal.partner_id or "",
        livemode=deal.livemode,
    )


def of_deal(deal: Deal, type_: str, **facts: Any) -> None:
    """`deal.*`: something happened to the agreement."""
    payload = {"deal": deal.id, "status": deal.state, "title": deal.title, **facts}
    tell(deal, type_, subject_id=deal.id, payload=payload)
    live.deal_changed(deal.id)


def of_escrow(escrow: Escrow, type_: str, **facts: Any) -> None:
    """`escrow.*`, `deposit.*`, `payout.*`: something happened to the money of one escrow."""
    payload = {"deal": escrow.deal_id, "escrow": escrow.id, "status": escrow.state, **facts}
    tell(escrow.deal, type_, subject_id=escrow.id, payload=payload)
    live.escrow_changed(escrow.deal_id, escrow.id)


def of_decision(escrow: Escrow, order: Order, *, tx_hash: str) -> None:
    """`escrow.decided`: what one decision gave to each side, the fee included, and what it left undecided."""
    of_escrow(
        escrow,
        "escrow.decided",
        tx_hash=tx_hash,
        to_seller=amount_json(order.to_seller_money),
        to_buyer=amount_json(order.to_buyer_money),
        remainder=amount_json(escrow.remainder_money),
    )


def of_end(escrow: Escrow, type_: str, *, tx_hash: str) -> None:
    """The end of an escrow: what all its decisions gave to each side, the fee included."""
    of_escrow(
        escrow,
        type_,
        tx_hash=tx_hash,
        to_seller=amount_json(escrow.decided_seller_money),
        to_buyer=amount_json(escrow.decided_buyer_money),
    )


def of_transfers(transfers: Sequence[TokenTransfer], escrow: Escrow, type_: str) -> None:
    """Transfers of one transaction that are not final and so are no deposits yet: the same members."""
    first = transfers[0]
    of_escrow(
        escrow,
        type_,
        deposit=None,
        transfers=len(transfers),
        tx_hash=first.tx_hash,
        flags=[],
        **amount_json(total((transfer.money for transfer in transfers), first.money.unit)),
    )


def of_deposits(deposits: Sequence[Deposit], escrow: Escrow, type_: str, *, units: int | None = None) -> None:
    """Deposits of one token that one transaction made: the first of them, how many, their sum (or `units`)
    and their flags."""
    first = deposits[0]
    whole = total((deposit.money for deposit in deposits), first.money.unit)
    of_escrow(
        escrow,
        type_,
        deposit=first.id,
        transfers=len(deposits),
        tx_hash=first.tx_hash,
        flags=list(dict.fromkeys(flag for deposit in deposits for flag in deposit.flags)),
        **amount_json(whole if units is None else Amount(units, whole.unit)),
    )


def of_order(order: Order, escrow: Escrow, type_: str, **facts: Any) -> None:
    """`payout.*` before any leg moves: what is ordered for both sides together."""
    order.escrow = escrow
    money = order.to_seller_money + order.to_buyer_money
    of_escrow(escrow, type_, order=order.id, kind=order.kind, **facts, **amount_json(money))


def of_leg(leg: PayoutLeg, escrow: Escrow, type_: str) -> None:
    """A payout leg with its amount, recipient and transaction."""
    of_escrow(
        escrow,
        type_,
        leg=leg.id,
        kind=leg.kind,
        recipient=leg.recipient,
        tx_hash=leg.tx_hash,
        **amount_json(leg.money),
    )
