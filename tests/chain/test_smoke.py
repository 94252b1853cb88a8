from chain.models import FinalEvent, ScanCursor
from chain.services.watch import watch
from tests.chain.fixtures import USDT, Engine
from django.db import transaction

def test_a_deposit_is_seen_counted_and_final(engine: Engine) -> None:
    address = "0x00000000000000000000000000000000000A11cE"
    with transaction.atomic():
        watch(network=engine.network, address=address, key="esc_1")
    engine.chain.pay(address, 5 * USDT)
    engine.mine()
    from chain import selectors
    print(selectors.pending_transfers(engine.network, ["esc_1"]))
    engine.mine()
    print(selectors.pending_transfers(engine.network, ["esc_1"]))
    engine.settle()
    print(list(FinalEvent.objects.all()), list(ScanCursor.objects.all()))
    assert FinalEvent.objects.filter(kind="transfer_in").count() == 1
