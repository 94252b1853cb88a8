"""Gas bounds come from a network's data, and no transaction asks for more than the network allows."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from chain.models import Call, Network
from chain.txm import batching
from core import clock
from core.actors import Actor
from core.errors import Invalid
from core.models import AuditEntry
from payments.models import OrderKind
from payments.services import gas

pytestmark = pytest.mark.django_db
PERSON = Actor("staff", "ada", "ada")
# Measured at the prices of EIP-8037, in units of gas.
MEASURED = {OrderKind.RESCUE: 573_831, OrderKind.PAY: 991_573, OrderKind.PAY_LEG: 688_075}


@pytest.fixture
def network() -> Network:
    return Network.objects.create(slug="bounds", name="Bounds", chain_id=77)


def payouts(network: Network, number: int) -> list[Call]:
    limit = gas.bound(network, OrderKind.PAY)
    now = clock.now()
    return [
        Call(
            gas_limit=limit, data=bytes([place]) * 40, target="0x" + "1" * 40, batchable=True, created_at=now
        )
        for place in range(number)
    ]


@pytest.mark.parametrize("kind", list(MEASURED))
def test_every_bound_holds_what_was_measured_with_room(network: Network, kind: OrderKind) -> None:
    assert gas.bound(network, kind) >= 1.15 * MEASURED[kind]


def test_every_kind_of_order_has_a_bound_above_the_contracts_floor(network: Network) -> None:
    assert set(gas.DEFAULTS) == set(OrderKind) - {OrderKind.FOREIGN}
    assert min(gas.bounds(network).values()) >= gas.LEAST


@pytest.mark.parametrize(("cap", "extra"), [(2**24, 0), (8_000_000, 0), (0, 0), (2**24, 3_000_000)])
def test_a_batch_holds_as_many_as_fit_into_a_transaction_of_the_network(
    network: Network, cap: int, extra: int
) -> None:
    network.transaction_gas, network.extra_gas = cap, extra
    loads = batching.pack(network, payouts(network, 40), affordable=10**9)
    assert sum(len(load.calls) for load in loads) == 40
    most = cap or 2**24
    assert all(load.gas <= most for load in loads)
    limit = gas.bound(network, OrderKind.PAY)
    assert len(loads[0].calls) == batching.room(network) // limit <= batching.MOST_ITEMS


def test_what_is_too_dear_together_is_packed_into_what_can_be_paid_and_alone_at_worst(
    network: Network,
) -> None:
    network.extra_gas = 70_000
    limit = gas.bound(network, OrderKind.PAY)
    for fits, affordable in ((3, 4 * limit), (1, limit), (1, -5)):
        loads = batching.pack(network, payouts(network, 12), affordable)
        assert [len(load.calls) for load in loads] == [fits] * (12 // fits)
        assert fits == 1 or all(load.gas <= affordable for load in loads)


def test_payouts_wait_no_longer_once_a_transaction_is_full(network: Network) -> None:
    fits = batching.room(network) // gas.bound(network, OrderKind.PAY)
    few, full = payouts(network, fits - 1), payouts(network, fits)
    assert batching.ripe(network, few) == []
    assert batching.ripe(network, full) == full
    few[0].created_at -= timedelta(seconds=network.batch_seconds)
    assert batching.ripe(network, few) == few


def test_a_network_has_bounds_of_its_own_and_its_change_is_written_down(network: Network) -> None:
    changes = {"pay": 2_000_000}
    after = gas.set_bounds(network=network, changes=changes, reason="new prices", acting=PERSON)
    network.refresh_from_db()
    assert after["pay"] == gas.bound(network, "pay") == 2_000_000
    assert gas.bound(network, "rescue") == gas.DEFAULTS[OrderKind.RESCUE]
    assert AuditEntry.objects.get().data == {"reason": "new prices", "pay": "1150000 -> 2000000"}
    gas.set_bounds(network=network, changes={"pay": 0}, reason="back", acting=PERSON)
    network.refresh_from_db()
    assert (network.gas_bounds, gas.bound(network, "pay")) == ({}, 1_150_000)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"pay": 100}, "x"), ({"pay": 2**24}, "x"), ({"tip": 500_000}, "x"), ({"pay": 900_000}, " ")],
)
def test_what_is_no_bound_is_refused(network: Network, changes: dict[str, int], reason: str) -> None:
    with pytest.raises(Invalid):
        gas.set_bounds(network=network, changes=changes, reason=reason, acting=PERSON)
    assert Network.objects.get(pk=network.pk).gas_bounds == {}


def test_the_command_shows_and_changes_them(network: Network) -> None:
    out = StringIO()
    call_command("network_gas", "bounds", "--pay-leg", "1600000", "--by", "ada", "--reason", "x", stdout=out)
    assert "pay_leg 1600000" in out.getvalue().splitlines()
    for wrong in (["nowhere"], ["bounds", "--pay", "900000", "--reason", "x"]):
        with pytest.raises(CommandError):
            call_command("network_gas", *wrong, stdout=StringIO())
