"""What a person does with a browser."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import ConsoleMessage, Page, Response, expect

PASSWORD = "holdfast-demo"
AXE = Path(__file__).resolve().parents[2] / "node_modules/axe-core/axe.min.js"


@dataclass
class Person:
    """Someone at a browser; complaints of the console (a broken content policy, a script error) are kept."""

    name: str
    page: Page
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._heard)
        self.page.on("response", self._answered)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _heard(self, message: ConsoleMessage) -> None:
        # What the server refused is told with its address by `_answered`.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.complaints.append(f"{self.page.url}: {message.text}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400 and response.status != 422:
            self.complaints.append(f"{response.status} {response.url}")

    def sign_in(self) -> None:
        self.page.goto("/accounts/login/")
        self.page.get_by_label("E-mail").fill(f"{self.name.lower()}@demo.test")
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in", exact=True).click()
        expect(self.page.get_by_role("heading", name="My deals")).to_be_visible()

    def propose(
        self, title: str, *, amount: str, address: str, other: str, role: str = "buyer", note: str = ""
    ) -> str:
        """Write a deal, look at the preview, send it; returns the invitation link."""
        page = self.page
        page.goto("/deals/new/")
        page.locator(f"input[name=role][value={role}]").check()
        page.get_by_label("Title").fill(title)
        page.get_by_label("What is delivered").fill(note or "A logo in **SVG**, with the source file.")
        page.get_by_label("Amount", exact=True).fill(amount)
        page.get_by_label("Your address").fill(address)
        page.get_by_label("E-mail of the other side").fill(other)
        page.get_by_role("button", name="Preview").click()
        self.shoot("preview")
        page.get_by_role("button", name="Seal and propose").click()
        expect(page.get_by_role("heading", name="Waiting for")).to_be_visible()
        self.shoot("proposed")
        return page.locator("[data-invite]").inner_text()

    def accept(self, invitation: str, *, address: str) -> None:
        """Open the invitation, take the seat, accept the exact terms."""
        page = self.page
        page.goto(invitation)
        self.shoot("invitation")
        page.get_by_role("button", name="Open the deal").click()
        page.get_by_role("link", name="Read and accept").click()
        page.get_by_label("Your payout address").or_(page.get_by_label("Your refund address")).fill(address)
        page.get_by_label("I have read these terms").check()
        self.shoot("answer")
        page.get_by_role("button", name="Accept these terms").click()
        self.expect_state("awaiting_deposit")

    def expect_state(self, state: str, timeout: float = 60_000) -> None:
        """The live part of the page reaches a state without being reloaded by us."""
        expect(self.page.locator("#live")).to_have_attribute("data-state", state, timeout=timeout)

    def check_accessible(self) -> None:
        """axe finds nothing serious on the page as it stands."""
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa']})")
        broken = [
            f"{item['id']}: {item['nodes'][0]['html'][:160]}"
            for item in found["violations"]
            if item["impact"] in ("serious", "critical")
        ]
        assert not broken, broken
        self.check_fits()

    def check_fits(self) -> None:
        """Nothing is wider than the window, nor cut off at its edge."""
        width = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert width <= 0, f"{self.page.url} is {width} px wider than the window"
        cut = self.page.evaluate(
            "[...document.querySelectorAll('table')]"
            ".filter(table => table.getBoundingClientRect().right > innerWidth).length"
        )
        assert cut == 0, f"{self.page.url}: {cut} tables are cut off at the edge of the window"

    def shoot(self, name: str) -> None:
        """A picture for the eye, where SHOTS names a folder."""
        folder = os.environ.get("SHOTS")
        if folder:
            size = "p" if (self.page.viewport_size or {"width": 0})["width"] < 500 else "d"
            self.page.screenshot(path=f"{folder}/{name}-{size}.png", full_page=True)
