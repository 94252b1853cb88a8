"""Row locks, always in this order: deal, escrow, order, leg. Services take them, nobody else."""

from collections.abc import Iterable

from django.db import connection

from core.errors import NotFound
from payments.models import Deal, Escrow, Order, OrderKind
from payments.states import OrderState


def lock_deal(deal_id: str) -> Deal:
    """The deal, re-read and locked until the transaction ends."""
    deal = (
        Deal.objects.select_for_update(of=("self",), no_key=True)
        .select_related("network", "token__network")
        .filter(pk=deal_id)
        .first()
    )
    if deal is None:
        raise NotFound("deal_not_found", "There is no such deal.")
    return deal


def lock_escrow(escrow_id: str) -> Escrow:
    """The escrow, re-read and locked until the transaction ends, its deal locked before it."""
    deal_id = Escrow.objects.filter(pk=escrow_id).values_list("deal_id", flat=True).first()
    if deal_id is None:
        raise NotFound("escrow_not_found", "There is no such escrow.")
    deal = lock_deal(deal_id)
    escrow = (
        Escrow.objects.select_for_update(of=("self",), no_key=True)
        .select_related("network", "token__network")
        .get(pk=escrow_id)
    )
    escrow.deal = deal
    return escrow


def lock_escrows(escrow_ids: Iterable[str]) -> list[Escrow]:
    """`lock_escrow` for several, which every caller takes in the same order."""
    wanted = Escrow.objects.filter(pk__in=list(escrow_ids)).order_by("deal_id", "pk")
    return [lock_escrow(pk) for pk in wanted.values_list("pk", flat=True)]


def live_orders(escrow: Escrow, *kinds: OrderKind) -> list[Order]:
    """Orders of a locked escrow that may still have an effect, locked, oldest first."""
    orders = Order.objects.select_for_update(of=("self",)).filter(
        escrow=escrow, state__in=[OrderState.LIVE, OrderState.NEEDS_HUMAN]
    )
    return list((orders.filter(kind__in=kinds) if kinds else orders).order_by("created", "id"))


def keep_switch(name: str) -> None:
    """Until the end of this transaction nobody throws this switch: who throws it later finds everything that
    was done before."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 13))", [name])


def throw_switch(name: str) -> None:
    """Wait for everybody who keeps this switch, and keep others waiting until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 13))", [name])


def keep_addresses(addresses: Iterable[str]) -> None:
    """Until the end of this transaction nobody makes one of these addresses a deposit address. Any number of
    deals may keep one address."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock_shared(hashtextextended(one, 17)) FROM unnest(%s) one",
            [sorted(addresses)],
        )


def take_address(address: str) -> None:
    """Wait for everybody who keeps this address for a party, and keep others waiting until the transaction
    ends; it becomes a deposit address."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 17))", [address])
