"""A deal from the first word to the receipt, in two browsers, with real transactions."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.person import PASSWORD, Person

BUYER = "0x1111111111111111111111111111111111111111"
SELLER = "0x2222222222222222222222222222222222222222"
Arrive = Callable[..., Person]


def agreed(visitor: Arrive, title: str, amount: str = "250", **how: bool) -> tuple[Person, Person]:
    """Alice and Bob on the page of an escrow that waits for its deposit."""
    alice, bob = visitor("Alice", **how), visitor("Bob", **how)
    link = alice.propose(title, amount=amount, address=BUYER, other="bob@demo.test")
    bob.accept(link, address=SELLER)
    alice.page.goto(bob.page.url)
    alice.expect_state("awaiting_deposit")
    return alice, bob


@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
def test_a_deal_is_agreed_paid_delivered_and_released(visitor: Arrive, tmp_path: Path, phone: bool) -> None:
    alice, bob = agreed(visitor, "A logo for the bakery", phone=phone)
    alice.shoot("awaiting-buyer")
    bob.shoot("awaiting-seller")
    alice.check_accessible()

    # Paying: the confirmations count up on a page that is never loaded again.
    alice.page.get_by_role("link", name="Pay now").click()
    alice.shoot("pay")
    alice.check_accessible()
    alice.page.get_by_role("button", name="Pay from the demo wallet").click()
    alice.page.evaluate("window.neverReloaded = true")
    counts = alice.page.locator("[data-confirmations]")
    expect(counts).to_have_text(re.compile(r"\d of \d"))
    alice.shoot("confirming")
    alice.expect_state("funded")
    assert alice.page.evaluate("window.neverReloaded")
    alice.shoot("paid")

    # Delivering: the seller's page has followed the payment by itself.
    bob.expect_state("funded")
    bob.shoot("funded-seller")
    bob.page.get_by_role("link", name="Hand in the delivery").click()
    bob.page.get_by_label("What did you deliver").fill("The logo is attached, *final*.")
    picture = tmp_path / "logo.png"
    picture.write_bytes(_PNG)
    bob.page.get_by_label("Files").set_input_files(picture)
    bob.page.get_by_role("button", name="Deliver").click()
    bob.expect_state("delivered")
    bob.shoot("delivered-seller")

    # Releasing: not without the password.
    alice.page.get_by_role("link", name="Go to the escrow").click()
    alice.expect_state("delivered")
    alice.shoot("delivered-buyer")
    alice.check_accessible()
    alice.page.get_by_role("link", name="Release the money").click()
    alice.page.get_by_label("Your password").fill("a guess")
    alice.page.get_by_role("button", name="Release").click()
    expect(alice.page.get_by_role("alert")).to_contain_text("No money has moved")
    alice.shoot("release")
    alice.check_accessible()
    alice.page.get_by_label("Your password").fill(PASSWORD)
    alice.page.get_by_role("button", name="Release").click()
    alice.expect_state("released")
    alice.shoot("released-buyer")
    bob.expect_state("released")
    bob.shoot("released-seller")

    bob.page.get_by_role("link", name="Receipt").first.click()
    expect(bob.page.get_by_text("Paid to the seller")).to_be_visible()
    bob.shoot("receipt")
    bob.check_accessible()
    with bob.page.expect_download() as download:
        bob.page.get_by_role("link", name="Download as PDF").click()
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF-")


def test_two_payments_add_up(visitor: Arrive) -> None:
    alice, _ = agreed(visitor, "Paid in two parts", amount="100")
    alice.page.get_by_role("link", name="Pay now").click()
    alice.page.get_by_role("button", name="Pay only half of it").click()
    expect(alice.page.get_by_text("Still to pay")).to_be_visible()
    expect(alice.page.locator(".amount-xl")).to_contain_text("50.00")
    alice.shoot("half-paid")
    alice.page.get_by_role("button", name="Pay from the demo wallet").click()
    alice.expect_state("funded")
    expect(alice.page.get_by_text("Payments so far")).to_be_visible()


def test_the_checkout_works_without_javascript(visitor: Arrive) -> None:
    alice, _ = agreed(visitor, "Without scripts")
    plain = visitor("Alice", javascript=False)
    plain.page.goto(alice.page.url + "pay/")
    assert plain.page.locator("noscript").count()
    expect(plain.page.locator(".address-lg")).to_be_visible()
    expect(plain.page.get_by_text("Send only USDT")).to_be_visible()
    plain.shoot("pay-plain")
    plain.page.get_by_role("button", name="Pay from the demo wallet").click()
    expect(plain.page.get_by_text("Paid. The money is in escrow.")).to_be_visible(timeout=60_000)


def test_a_stranger_sees_nothing_of_a_deal(visitor: Arrive) -> None:
    alice, _ = agreed(visitor, "A private matter")
    carol = visitor("Carol")
    answer = carol.page.goto(alice.page.url)
    assert answer is not None
    assert answer.status == 404
    expect(carol.page.get_by_text("A private matter")).to_have_count(0)
    carol.complaints.clear()


_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d494844520000000100000001080600000 01f15c4890000000d49444154789c6360"
    "f8ffff3f0005fe02fea7356081 0000000049454e44ae426082".replace(" ", "")
)
