"""What no eye checks on every change: contrast, labels, order, and nothing wider than the window."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.person import Person

OPEN = ("/", "/help/", "/rules/", "/accounts/login/", "/accounts/signup/", "/nowhere/")
OWN = ("/deals/", "/deals/new/", "/accounts/profile/", "/accounts/2fa/")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_public_pages_are_accessible(browser: Browser, site: str, scheme: str) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844},
        base_url=site,
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    person = Person("", context.new_page())
    for path in OPEN:
        person.page.goto(path)
        person.check_accessible()
        person.shoot(f"open{path.replace('/', '-')}{scheme}")
    context.close()


def test_a_persons_own_pages_are_accessible(visitor: Callable[..., Person]) -> None:
    for phone in (False, True):
        carol = visitor("Carol", phone=phone)
        for path in OWN:
            carol.page.goto(path)
            carol.check_accessible()
            carol.shoot(f"own{path.replace('/', '-')}")


def test_milestones_are_added_and_summed_while_typing(visitor: Callable[..., Person]) -> None:
    carol = visitor("Carol")
    page = carol.page
    page.goto("/deals/new/")
    page.get_by_label("Amount", exact=True).fill("100.10")
    page.get_by_role("button", name="Add a milestone").click()
    page.get_by_label("Amount", exact=True).nth(1).fill("0.20")
    expect(page.locator("[data-total]")).to_have_text("Total 100.30 USDT")
    page.get_by_label("Leave this milestone out").nth(1).check()
    expect(page.locator("[data-total]")).to_have_text("Total 100.10 USDT")
    carol.shoot("milestones")


def test_a_newcomer_signs_up_from_an_invitation_and_comes_back_to_it(visitor: Callable[..., Person]) -> None:
    alice = visitor("Alice")
    link = alice.propose("For a newcomer", amount="10", address="0x" + "1" * 40, other="dora@example.org")
    dora = visitor()
    dora.page.goto(link)
    dora.page.get_by_role("main").get_by_role("link", name="Create an account").click()
    dora.page.get_by_label("Your name").fill("Dora")
    dora.page.get_by_label("E-mail").fill("dora@example.org")
    dora.page.get_by_label("Password").fill("a long enough password")
    dora.page.get_by_role("button", name="Create the account").click()
    expect(dora.page.get_by_role("button", name="Open the deal as Dora")).to_be_visible()
