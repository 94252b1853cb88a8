"""What is told outside: in the order of cause and effect, with its money, in numbers that survive JSON."""

from collections.abc import Iterator
from typing import Any

from core.models import OutboxEvent
from payments.services import escrows
from tests.chain.fixtures import USDT
from tests.payments.acts import release
from tests.payments.fixtures import Desk

_LIFE = [
    "deal.agreed",
    "escrow.opened",
    "deposit.detected",
    "deposit.confirmed",
    "escrow.funded",
    "deal.active",
    "escrow.release_ordered",
    "escrow.decided",
    "payout.confirmed",
    "escrow.released",
    "deal.completed",
]
# JSON numbers beyond it become others in JavaScript.
_EXACT = 2**53


def numbers(value: Any) -> Iterator[int | float]:
    """Every number in it, however deep."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from numbers(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from numbers(inner)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def test_a_whole_life_is_told_in_the_order_of_cause_with_its_money(desk: Desk) -> None:
    escrow = desk.agreed(250 * USDT).escrows.get()
    tx_hash = desk.pay(escrow)
    desk.engine.mine()
    escrows.show_head(escrow.pk)
    desk.settle()
    release(desk, escrow)
    desk.settle()
    events = list(OutboxEvent.objects.filter(group_id=escrow.deal_id).order_by("sequence"))
    types = [event.type for event in events]
    places = [types.index(type_) for type_ in _LIFE]
    assert places == sorted(places), types
    assert types[-1] == "deal.completed"
    for event in events:
        money = event.type.startswith("deposit.") or event.type == "payout.confirmed"
        assert not money or {"amount", "base_units", "token", "network", "tx_hash"} <= event.payload.keys()
        assert all(type(number) is int and abs(number) < _EXACT for number in numbers(event.payload))
    told = {event.type: event.payload for event in events}
    for type_ in ("deposit.detected", "deposit.confirmed"):
        shown = told[type_]
        assert (shown["tx_hash"], shown["transfers"], shown["amount"]) == (tx_hash, 1, "250.000000")
    assert (told["deposit.detected"]["deposit"], told["deposit.detected"]["flags"]) == (None, [])
    for type_ in ("escrow.decided", "escrow.released"):
        assert told[type_]["to_seller"]["amount"] == "250.000000"
        assert told[type_]["to_buyer"]["base_units"] == "0"
    assert told["escrow.decided"]["remainder"]["base_units"] == "0"
