"""A fight and its end: two sides, an arbitrator, a second person, and the money where the ruling says."""

from collections.abc import Callable

from playwright.sync_api import expect

from tests.e2e.person import PASSWORD, Person
from tests.e2e.test_deal import agreed

REASONS = (
    "The agreement asks for a catalogue of forty pages. Thirty were delivered, complete and in the agreed "
    "quality. The buyer keeps what was delivered and pays for that part."
)


def _pay_and_deliver(alice: Person, bob: Person) -> None:
    alice.page.get_by_role("link", name="Pay now").click()
    alice.page.get_by_role("button", name="Pay from the demo wallet").click()
    bob.expect_state("funded")
    bob.page.get_by_role("link", name="Hand in the delivery").click()
    bob.page.get_by_label("What did you deliver").fill("Thirty pages, as a link.")
    bob.page.get_by_role("button", name="Deliver").click()
    bob.expect_state("delivered")


def _dispute(alice: Person, bob: Person) -> None:
    alice.page.goto(bob.page.url)
    alice.page.get_by_role("link", name="Dispute", exact=True).click()
    alice.page.locator("input[name=reason]").first.check()
    alice.page.get_by_label("What happened?").fill("Ten of the forty pages are missing, and no answer came.")
    alice.shoot("dispute-open")
    alice.check_accessible()
    alice.page.get_by_role("button", name="Open the dispute").click()
    bob.expect_state("disputed")
    bob.shoot("disputed-seller")
    bob.page.get_by_role("link", name="Go to the dispute").click()
    bob.page.get_by_label("What do you want to say?").fill("The ten pages were never described.")
    bob.page.get_by_role("button", name="Send to both sides").click()
    for person in (bob, alice):
        person.page.get_by_role("button", name="I have nothing more to add").click()
    alice.shoot("dispute-room")
    alice.check_accessible()


def _open_case(staff: Person, title: str) -> None:
    staff.page.goto("/admin/disputes/dispute/")
    staff.shoot(f"console-queue-{staff.name}")
    staff.page.get_by_role("link", name=title).or_(
        staff.page.get_by_role("row").filter(has_text=title).get_by_role("link").first
    ).first.click()


def test_a_dispute_is_ruled_approved_and_executed(visitor: Callable[..., Person]) -> None:
    title = "A catalogue of forty pages"
    alice, bob = agreed(visitor, title, amount="2000")
    escrow = alice.page.url
    _pay_and_deliver(alice, bob)
    _dispute(alice, bob)

    ada = visitor("Ada")
    _open_case(ada, title)
    ada.shoot("console-case")
    ada.page.get_by_role("button", name="Take this case").click()
    ada.page.locator("input[name=preset][value=custom]").check()
    ada.page.get_by_role("textbox", name="To the seller").fill("1500")
    ada.page.get_by_role("textbox", name="To the buyer").fill("500")
    ada.page.get_by_role("textbox", name="Reasons").fill(REASONS)
    ada.page.get_by_role("button", name="Preview the ruling").click()
    ada.shoot("console-preview")
    ada.page.set_viewport_size({"width": 390, "height": 844})
    ada.check_fits()
    ada.page.set_viewport_size({"width": 1280, "height": 900})
    ada.page.get_by_label("Your password").fill(PASSWORD)
    ada.page.get_by_role("button", name="Send it for approval").click()

    lena = visitor("Lena")
    _open_case(lena, title)
    lena.page.get_by_label("Type the escrow").fill("2000")
    lena.page.get_by_label("Your password").fill(PASSWORD)
    lena.shoot("console-approve")
    lena.page.get_by_role("button", name="Approve the ruling").click()

    # The appeal window of the local settings is seconds; then the seats sign and the chain decides.
    alice.page.goto(escrow)
    alice.expect_state("settled", timeout=120_000)
    expect(alice.page.get_by_text("1,500.00 USDT to Bob and 500.00 USDT to you")).to_be_visible()
    alice.shoot("settled-buyer")
    alice.page.get_by_role("link", name="Receipt").first.click()
    expect(alice.page.get_by_text("Refunded to the buyer")).to_be_visible()
