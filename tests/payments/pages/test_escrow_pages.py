"""The escrow page says where the money is, what I can do, by when, and what happens if I don't."""

from io import BytesIO
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from contracts import exit
from contracts.terms import Terms
from payments.models import Escrow
from payments.services import delivery, payouts
from tests.chain.fixtures import USDT
from tests.payments.fixtures import Desk, actor
from tests.payments.pages.conftest import PASSWORD, Clients, url


def text_of(client, address: str) -> str:
    page = client.get(address)
    assert page.status_code == 200
    return page.content.decode()


def deliver(desk: Desk, escrow: Escrow) -> None:
    delivery.deliver(escrow_id=escrow.pk, role="seller", acting=actor(desk.cast.seller), note="Done.")


def test_before_the_deposit_the_buyer_pays_and_the_seller_waits(desk: Desk, clients: Clients) -> None:
    escrow = desk.agreed().escrows.get()
    buyer, seller = text_of(clients.buyer, url(escrow)), text_of(clients.seller, url(escrow))
    assert "Pay 250.00 USDT into the escrow." in buyer
    assert "Pay now" in buyer
    assert "Buyer has to pay 250.00 USDT." in seller
    assert "Do not deliver before the escrow is funded." in seller
    assert "Pay now" not in seller


def test_the_checkout_shows_exact_amount_whole_address_and_a_warning(desk: Desk, clients: Clients) -> None:
    escrow = desk.agreed(250_000_001).escrows.get()
    page = text_of(clients.buyer, url(escrow, "pay/"))
    assert "250.000001" in page
    assert f'data-copy="{escrow.vault_address}"' in page
    assert "Send only USDT on" in page
    assert '<noscript><meta http-equiv="refresh"' in page
    assert page.count("<svg") >= 2


def test_the_checkout_counts_confirmations_and_adds_payments_up(desk: Desk, clients: Clients) -> None:
    escrow = desk.agreed().escrows.get()
    desk.pay(escrow, 100 * USDT)
    desk.engine.mine()
    page = text_of(clients.buyer, url(escrow, "pay/"))
    assert "Still to pay" in page
    assert "150.00" in page
    assert "1 of " in page
    desk.settle()
    desk.pay(escrow, 150 * USDT)
    desk.settle()
    page = text_of(clients.buyer, url(escrow, "pay/"))
    assert "Paid. The money is in escrow." in page


def test_a_reversed_payment_is_said_in_one_sentence(desk: Desk, clients: Clients) -> None:
    from payments.services.escrows import show_head

    escrow = desk.agreed().escrows.get()
    desk.pay(escrow)
    desk.engine.mine()
    show_head(escrow.pk)
    assert "confirmations" in text_of(clients.buyer, url(escrow, "pay/"))
    desk.engine.chain.reorg(1)
    desk.engine.mine()
    show_head(escrow.pk)
    assert desk.state(escrow) == "awaiting_deposit"
    assert "The network took a payment back" in text_of(clients.buyer, url(escrow, "pay/"))


def test_a_page_that_is_up_to_date_is_sent_nothing(desk: Desk, clients: Clients) -> None:
    escrow = desk.agreed().escrows.get()
    for page, live in (("", "live/"), ("pay/", "pay/live/")):
        shown = clients.buyer.get(url(escrow, page))
        version = shown.context["version"]
        assert clients.buyer.get(url(escrow, live), {"v": version}).status_code == 204
        fresh = clients.buyer.get(url(escrow, live), {"v": "old"})
        assert fresh.status_code == 200
        assert b"<html" not in fresh.content


def test_a_delivery_needs_a_note_or_a_file_and_keeps_what_was_typed(desk: Desk, clients: Clients) -> None:
    escrow = desk.funded()
    empty = clients.seller.post(url(escrow, "deliver/"), {"note": ""})
    assert "Add a note or a file" in empty.content.decode()
    wrong = SimpleUploadedFile("page.html", b"<html><script>1</script></html>")
    refused = clients.seller.post(url(escrow, "deliver/"), {"note": "See file", "files": wrong})
    assert "This kind of file is not accepted" in refused.content.decode()
    assert "See file" in refused.content.decode()
    good = SimpleUploadedFile("notes.txt", b"All pages are online.")
    assert clients.seller.post(url(escrow, "deliver/"), {"note": "Online", "files": good}).status_code == 302
    assert desk.state(escrow) == "delivered"
    page = text_of(clients.buyer, url(escrow))
    assert "Inspect it, then choose." in page
    handed = escrow.deliveries.get().files.get()
    download = clients.buyer.get(url(escrow, f"files/{handed.pk}/"))
    assert download["Content-Disposition"].startswith("attachment")
    assert download["Content-Type"] == "application/octet-stream"
    assert b"".join(download.streaming_content) == b"All pages are online."


def test_money_leaves_only_with_the_password(desk: Desk, clients: Clients) -> None:
    escrow = desk.funded()
    page = clients.buyer.post(url(escrow, "release/"), {"how_much": "all", "password": "guess"})
    assert "No money has moved" in page.content.decode()
    assert desk.state(escrow) == "funded"
    clients.buyer.post(url(escrow, "release/"), {"how_much": "all", "password": PASSWORD})
    assert desk.state(escrow) == "releasing"


def test_a_part_is_released_and_the_rest_stays(desk: Desk, clients: Clients) -> None:
    escrow = desk.funded()
    too_much = {"how_much": "part", "amount": "250.01", "password": PASSWORD}
    page = clients.buyer.post(url(escrow, "release/"), too_much)
    assert "at most 250.00 USDT" in page.content.decode()
    clients.buyer.post(url(escrow, "release/"), too_much | {"amount": "100"})
    assert "100.00 USDT is on its way to Seller" in text_of(clients.buyer, url(escrow)).replace("\n", " ")
    desk.settle()
    assert "150.00" in text_of(clients.buyer, url(escrow))
    assert desk.fresh(escrow).remainder == 150 * USDT


def test_a_double_click_on_release_orders_once(desk: Desk, clients: Clients) -> None:
    escrow = desk.funded()
    twice = {"how_much": "all", "password": PASSWORD}
    clients.buyer.post(url(escrow, "release/"), twice)
    second = clients.buyer.post(url(escrow, "release/"), twice)
    assert second.status_code == 200
    assert escrow.orders.filter(kind="pay").count() == 1


def test_changes_are_requested_with_a_reason_that_the_seller_reads(desk: Desk, clients: Clients) -> None:
    escrow = desk.funded()
    deliver(desk, escrow)
    clients.buyer.post(url(escrow, "changes/"), {"note": "The third page is missing."})
    page = text_of(clients.seller, url(escrow))
    assert "Buyer asked for changes. Deliver again." in page
    assert "The third page is missing." in page


def test_a_refund_request_is_asked_and_answered(desk: Desk, clients: Clients) -> None:
    escrow = desk.funded()
    clients.buyer.post(url(escrow, "refund-request/"), {"reason": "I do not need it any more."})
    assert "Buyer asks for everything back" in text_of(clients.seller, url(escrow))
    clients.seller.post(url(escrow, "refund-answer/"), {"verdict": "yes", "password": PASSWORD})
    assert desk.state(escrow) == "refunding"


def test_a_hold_is_said_and_stops_the_release(desk: Desk, clients: Clients) -> None:
    from core.actors import SYSTEM
    from payments.services import controls

    escrow = desk.funded()
    controls.place_hold(escrow_id=escrow.pk, reason="screening", acting=SYSTEM)
    page = clients.buyer.post(url(escrow, "release/"), {"how_much": "all", "password": PASSWORD})
    assert "on hold" in page.content.decode()
    shown = text_of(clients.buyer, url(escrow))
    assert "The money is safe" in shown
    assert "screening" not in shown


def test_the_receipt_lists_every_final_transaction(desk: Desk, clients: Clients) -> None:
    escrow = desk.funded()
    payouts.release(escrow_id=escrow.pk, role="buyer", acting=actor(desk.cast.buyer))
    desk.settle()
    page = text_of(clients.seller, url(escrow, "receipt/"))
    for fact in ("250.000000 USDT", "247.50", "2.50", escrow.terms["buyer"], escrow.deal.agreed_version.hash):
        assert fact in page
    for transaction in (*escrow.deposits.all(), *escrow.legs.all()):
        assert transaction.tx_hash in page
    pdf = clients.seller.get(url(escrow, "receipt.pdf"))
    assert pdf["Content-Type"] == "application/pdf"
    assert BytesIO(pdf.content).read(5) == b"%PDF-"


def test_the_terms_file_is_enough_to_get_the_money_without_us(desk: Desk, clients: Clients) -> None:
    escrow = desk.agreed().escrows.get()
    body = clients.buyer.get(url(escrow, "terms.json")).json()
    assert body["terms"] == escrow.terms
    assert body["arbiters"] == escrow.arbiters
    assert body["vault_address"] == escrow.vault_address
    found = exit.variables(body)
    assert (found["ID"], found["VAULT"]) == (escrow.chain_id_hash, escrow.vault_address)
    words = [int(word, 16) for word in found["T"].strip("()").split(",")]
    packed = Terms.from_json(escrow.terms).as_abi()
    assert words == [word if isinstance(word, int) else int.from_bytes(word, "big") for word in packed]


@pytest.mark.parametrize("page", ["", "pay/", "receipt/"])
def test_queries_do_not_grow_with_what_has_happened(
    desk: Desk, clients: Clients, django_assert_max_num_queries, page: str
) -> None:
    escrow = desk.funded()
    clients.buyer.get(url(escrow, page))
    with django_assert_max_num_queries(200) as before:
        clients.buyer.get(url(escrow, page))
    desk.pay(escrow, 5 * USDT)
    desk.settle()
    payouts.release(escrow_id=escrow.pk, role="buyer", acting=actor(desk.cast.buyer), units=10 * USDT)
    desk.settle()
    with django_assert_max_num_queries(len(before)):
        clients.buyer.get(url(escrow, page))


def test_who_has_a_question_about_late_money_writes_to_the_platform(
    desk: Desk, clients: Clients, settings: Any
) -> None:
    settings.SUPPORT_EMAIL = "help@holdfast.example"
    escrow = desk.agreed().escrows.get()
    clients.buyer.post(f"/deals/{escrow.deal_id}/cancel/")
    for client, other in ((clients.buyer, desk.cast.seller), (clients.seller, desk.cast.buyer)):
        for page in ("", "pay/"):
            shown = client.get(url(escrow, page)).content.decode()
            live = shown[shown.index('id="live"') : shown.index("<footer")]
            assert "mailto:help@holdfast.example" in live, page
            assert other.email not in shown, page
