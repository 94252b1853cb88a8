"""One reading of paid, coming and due: every page says the same, at every moment of a payment."""

from decimal import Decimal

from payments import paid
from payments.models import Escrow
from payments.services import projection
from tests.chain.fixtures import USDT
from tests.payments.fixtures import Desk
from tests.payments.pages.conftest import Clients, url
from tests.payments.test_small_deposits import flood


def pages(clients: Clients, escrow: Escrow) -> list[str]:
    """The escrow's page and the list of both sides, and the checkout."""
    looks = [
        (clients.buyer, url(escrow)),
        (clients.buyer, "/deals/"),
        (clients.seller, url(escrow)),
        (clients.seller, "/deals/"),
        (clients.buyer, url(escrow, "pay/")),
    ]
    return [client.get(address).content.decode() for client, address in looks]


def expect(clients: Clients, escrow: Escrow, came: str) -> None:
    """Every page asks for the rest, and for nothing else."""
    buyer, buyers_list, seller, sellers_list, checkout = pages(clients, escrow)
    for page in (buyer, buyers_list):
        assert "Pay the remaining 150.00 USDT into the escrow." in page
    for page in (seller, sellers_list):
        assert "Buyer has to pay 150.00 USDT more." in page
    assert came in buyer and came in seller
    assert "Still to pay" in buyer and "Still to pay" in checkout
    assert 'data-copy="150.000000"' in checkout
    assert "Pay 250.00" not in "".join((buyer, buyers_list, seller, sellers_list))


def test_a_part_payment_counts_once_while_it_is_seen_final_and_booked(desk: Desk, clients: Clients) -> None:
    escrow = desk.agreed(250 * USDT).escrows.get()
    desk.pay(escrow, 100 * USDT)
    desk.engine.mine()
    expect(clients, escrow, "Of 250.00 USDT, 100.00 USDT is being confirmed.")
    desk.engine.mine(5)  # final, and nobody books it
    assert not escrow.deposits.exists()
    expect(clients, escrow, "Of 250.00 USDT, 100.00 USDT has come.")
    projection.project(desk.engine.network)
    assert escrow.deposits.count() == 1
    expect(clients, escrow, "Of 250.00 USDT, 100.00 USDT has come.")


def test_a_payment_that_is_final_and_not_booked_is_not_asked_for_again(desk: Desk, clients: Clients) -> None:
    escrow = desk.agreed(250 * USDT).escrows.get()
    desk.pay(escrow)
    desk.engine.mine(6)
    assert desk.state(escrow) == "awaiting_deposit" and not escrow.deposits.exists()
    *others, checkout = pages(clients, escrow)
    assert "Your payment is final. It is being booked." in checkout
    assert "Send to this address" not in checkout and "Pay from the demo wallet" not in checkout
    assert all("being confirmed" in page and "Pay " not in page for page in others[:2])
    assert all("has to pay" not in page for page in others)
    version = clients.buyer.get(url(escrow)).context["version"]
    desk.settle()
    assert desk.state(escrow) == "funded"
    assert clients.buyer.get(url(escrow, "live/"), {"v": version}).status_code == 200


def test_what_is_below_the_least_amount_changes_no_figure(desk: Desk, clients: Clients) -> None:
    escrow = desk.agreed(250 * USDT).escrows.get()
    flood(desk, 3, *[escrow.vault_address] * 2)
    for _ in range(2):
        desk.engine.mine(1)
        reading = paid.of(desk.fresh(escrow))
        assert (reading.due.decimal, reading.came) == (str(Decimal("250.000000")), False)
        desk.settle()
    buyer, *_, checkout = pages(clients, escrow)
    assert "Pay 250.00 USDT into the escrow." in buyer
    assert "2 payments below 0.01 USDT, together" in buyer and "2 payments below 0.01 USDT" in checkout
    assert "Being confirmed" not in checkout


def test_the_checkout_lists_payments_by_pages(desk: Desk, clients: Clients) -> None:
    escrow = desk.agreed(250 * USDT).escrows.get()
    flood(desk, USDT, *[escrow.vault_address] * 23)
    desk.settle()
    first = clients.buyer.get(url(escrow, "pay/")).content.decode()
    second = clients.buyer.get(url(escrow, "pay/"), {"payments": "2"}).content.decode()
    assert first.count('data-label="Transaction"') == 20 and "Earlier payments" in first
    assert second.count('data-label="Transaction"') == 3 and "Later payments" in second
    assert clients.buyer.get(url(escrow)).content.decode().count("A payment arrived") == 20
