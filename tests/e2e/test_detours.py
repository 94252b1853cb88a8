"""What goes another way than planned, clicked through: a lost password, other terms, a price paid in parts, a
payment that the token refuses."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

from eth_utils.address import to_checksum_address
from playwright.sync_api import expect

from contracts.artifacts import TEST_USDT_ADDRESS
from contracts.calls import erc20_transfer, test_token_mint
from tests.chain.fixtures import USDT, Anvil
from tests.e2e.person import PASSWORD, Person
from tests.payments.acts import refuse_on

Arrive = Callable[..., Person]
BUYER = "0x5555555555555555555555555555555555555555"
SELLER = "0x6666666666666666666666666666666666666666"
ANOTHER = "correct-horse-battery"


def _node() -> Anvil:
    node = Anvil(os.environ["RPC_URL"])
    node.accounts = [to_checksum_address(account) for account in node.rpc("eth_accounts")]
    return node


def _link(mail: Path, to: str) -> str:
    """The path of the link in the newest mail to somebody."""
    end = monotonic() + 20
    while True:
        found = [text for file in mail.glob("*.log") if f"To: {to}" in (text := file.read_text())]
        links = [
            link for text in found for link in re.findall(r"https?://[^/\s]+(/accounts/password/\S+)", text)
        ]
        if links:
            return links[-1]
        assert monotonic() < end, "no mail with a link came"
        sleep(0.2)


def test_a_lost_password_is_set_anew_by_the_link_in_the_mail(visitor: Arrive, mail: Path) -> None:
    dora = visitor()
    page = dora.page
    page.goto("/accounts/signup/")
    page.get_by_label("Your name").fill("Dora")
    page.get_by_label("E-mail").fill("dora@demo.test")
    page.get_by_label("Password").fill("the-one-that-is-lost")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="My deals")).to_be_visible()
    page.context.clear_cookies()

    page.goto("/accounts/login/")
    page.get_by_role("link", name=re.compile("[Ff]orgot|[Ll]ost")).click()
    page.get_by_label("E-mail").fill("dora@demo.test")
    dora.shoot("reset-ask")
    page.get_by_role("button", name="Send the link").click()
    dora.shoot("reset-sent")
    page.goto(_link(mail, "dora@demo.test"))
    page.get_by_label("The new password", exact=True).fill(ANOTHER)
    page.get_by_label("The new password again").fill(ANOTHER)
    dora.shoot("reset-form")
    dora.check_accessible()
    page.get_by_role("button", name="Set the password").click()
    dora.shoot("reset-done")

    page.context.clear_cookies()
    page.goto("/accounts/login/")
    page.get_by_label("E-mail").fill("dora@demo.test")
    page.get_by_label("Password").fill(ANOTHER)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="My deals")).to_be_visible()
    page.goto("/accounts/profile/")
    dora.shoot("reset-profile")


def test_other_terms_by_the_invited_side_a_price_in_parts_and_a_refused_payment(visitor: Arrive) -> None:
    node, alice, bob = _node(), visitor("Alice"), visitor("Bob", phone=True)
    invitation = alice.propose("A garden plan", amount="80", address=BUYER, other="bob@demo.test")

    # Bob was invited, and wants more money for it.
    bob.page.goto(invitation)
    bob.page.get_by_role("button", name="Open the deal").click()
    bob.page.get_by_role("link", name="Read and accept").click()
    bob.page.get_by_role("link", name="Propose other terms").click()
    bob.page.get_by_label("Amount", exact=True).fill("100")
    bob.page.get_by_label("Your payout address").fill(f"ethereum:{SELLER}")
    bob.shoot("counter")
    bob.check_accessible()
    bob.page.get_by_role("button", name="Propose these terms").click()
    bob.shoot("counter-sent")
    alice.page.reload()
    alice.page.get_by_role("link", name="Read and accept").click()
    expect(alice.page.locator("main")).to_contain_text("100.00 USDT")
    alice.shoot("counter-seen")
    alice.page.get_by_label("I have read these terms").check()
    alice.page.get_by_role("button", name="Accept these terms").click()
    alice.expect_state("awaiting_deposit")

    # Paid in two parts, from a wallet.
    alice.page.get_by_role("link", name="Pay now").click()
    vault = re.sub(r"\s+", "", alice.page.locator("[data-copy^='0x']").first.get_attribute("data-copy") or "")
    node.send(TEST_USDT_ADDRESS, test_token_mint(node.accounts[3], 100 * USDT))
    sleep(1.5)  # a block
    node.send(TEST_USDT_ADDRESS, erc20_transfer(vault, 40 * USDT), sender=node.accounts[3])
    expect(alice.page.locator("#live")).to_contain_text("60.00 USDT", timeout=20_000)
    alice.shoot("part-paid")
    bob.page.goto(alice.page.url.removesuffix("pay/"))
    expect(bob.page.locator("#live")).to_contain_text("60.00 USDT", timeout=20_000)
    bob.shoot("part-paid-seller")
    node.send(TEST_USDT_ADDRESS, erc20_transfer(vault, 60 * USDT), sender=node.accounts[3])
    alice.expect_state("funded")

    # The token refuses Bob's address; what is his waits, and he has it tried again.
    refuse_on(node, TEST_USDT_ADDRESS, SELLER)
    alice.page.get_by_role("link", name="Go to the escrow").click()
    alice.page.get_by_role("link", name="Release", exact=True).click()
    alice.page.get_by_label("Your password").fill(PASSWORD)
    alice.page.get_by_role("button", name="Release").click()
    again = bob.page.get_by_role("button", name="Try this payment again")
    expect(again).to_be_visible(timeout=60_000)
    bob.shoot("blocked-seller")
    bob.check_accessible()
    refuse_on(node, TEST_USDT_ADDRESS, None)
    again.click()
    bob.expect_state("released")
    expect(again).to_be_hidden(timeout=60_000)
    bob.shoot("blocked-paid")
