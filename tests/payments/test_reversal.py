"""The chain leaves a block that it had called final: what was credited is taken back, a person decides."""

import pytest

from chain.models import TokenTransfer
from chain.rpc.errors import AllProvidersFailed
from chain.services.deep_reorg import accept_chain
from chain.services.recovery import resume_network
from contracts import calls
from core.actors import Actor
from core.errors import Conflict
from payments.books import balances
from payments.models import Escrow, Journal
from payments.services import controls, payouts, projection
from tests.payments.acts import pay_many
from tests.payments.fixtures import SELLER_ADDRESS, Desk, actor

STAFF = Actor("staff", "op_1", "Olga")


def leave(desk: Desk, escrow: Escrow) -> str:
    """The chain forgets the deposit; a person accepts that. Returns the payment's bytes."""
    chain = desk.engine.chain
    transfer = TokenTransfer.objects.filter(recipient=escrow.vault_address).earliest("pk")
    raw = chain.raw(transfer.tx_hash)
    number = int(chain.receipt(transfer.tx_hash)["blockNumber"], 16)
    chain.reorg(chain.head - number + 1)
    chain.mine(3)
    with pytest.raises(AllProvidersFailed):
        desk.engine.index()
    accept_chain(network=desk.engine.network, reason="all nodes have it", acting=STAFF)
    resume_network(network=desk.engine.network, reason="looked at the books", acting=STAFF)
    desk.engine.network.refresh_from_db()
    desk.settle()
    escrow.refresh_from_db()
    return raw


def test_f24_a_credited_deposit_is_reversed_in_the_books_and_its_escrow_frozen(desk: Desk) -> None:
    """Red when the projection passes over what was taken back: the books hold what the chain does not."""
    escrow = desk.funded()
    leave(desk, escrow)
    assert (escrow.state, escrow.frozen) == ("funded", True)
    assert (balances.held(escrow), balances.counted(escrow)) == (0, 0)
    assert Journal.objects.filter(what__startswith="reversal of deposit").count() == 1
    with pytest.raises(Conflict, match="holds less"):
        payouts.release(escrow_id=escrow.pk, role="buyer", acting=actor(desk.cast.buyer))


def test_f24_a_reversed_deposit_that_comes_back_is_the_same_deposit(desk: Desk) -> None:
    """Red when the second coming is a deposit of its own: its identity is taken."""
    escrow = desk.funded()
    raw = leave(desk, escrow)
    desk.engine.chain.rpc("eth_sendRawTransaction", raw)
    desk.settle()
    assert escrow.deposits.count() == 1
    assert (balances.held(escrow), balances.counted(escrow)) == (escrow.amount, escrow.amount)
    controls.unfreeze(escrow_id=escrow.pk, reason="it came back", acting=STAFF)
    payouts.release(escrow_id=escrow.pk, role="buyer", acting=actor(desk.cast.buyer))
    desk.settle()
    escrow.refresh_from_db()
    assert escrow.state == "released"


def test_deposits_that_were_booked_together_are_taken_back_each(desk: Desk) -> None:
    escrow = desk.agreed().escrows.get()
    half = escrow.amount // 2
    pay_many(desk, (escrow.vault_address, half), (escrow.vault_address, half))
    desk.settle()
    assert (desk.state(escrow), Journal.objects.count()) == ("funded", 1)
    leave(desk, escrow)
    assert (balances.held(escrow), balances.counted(escrow)) == (0, 0)
    assert Journal.objects.filter(what__startswith="reversal of deposit").count() == 2


def test_a_seller_cancels_on_the_chain_what_was_funded_and_taken_back(desk: Desk) -> None:
    """Red where what was funded and holds nothing would end as never paid: nothing later is applied."""
    escrow = desk.funded()
    leave(desk, escrow)
    desk.as_party(SELLER_ADDRESS, calls.cancel(desk.terms(escrow)))
    desk.settle()
    assert desk.state(escrow) == "refunded"
    assert projection.is_caught_up(desk.engine.network)
