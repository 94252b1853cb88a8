"""Writing a deal: nothing typed is lost, nothing broken is sent."""

from datetime import timedelta

import pytest

from core import clock
from payments.models import Deal
from tests.payments.fixtures import BUYER_ADDRESS, SELLER_ADDRESS, Desk
from tests.payments.pages.conftest import Clients


@pytest.fixture
def typed(desk: Desk) -> dict[str, str]:
    when = (clock.now() + timedelta(days=10)).strftime("%Y-%m-%dT%H:%M")
    return {
        "role": "buyer",
        "title": "A bookcase",
        "description": "Oak, two metres high, delivered and put up.",
        "token": str(desk.token.pk),
        "fee_payer": "seller",
        "pay_seconds": "86400",
        "inspect_seconds": "604800",
        "opening": "all",
        "own_address": BUYER_ADDRESS.lower(),
        "counterparty_email": "seller@example.org",
        "m-TOTAL_FORMS": "1",
        "m-INITIAL_FORMS": "0",
        "m-0-title": "",
        "m-0-amount": "1,250.50",
        "m-0-deliver_at": when,
    }


def join(desk: Desk, clients: Clients, deal: Deal) -> None:
    """The invited buyer takes the seat, as the link leads them."""
    clients.buyer.post(f"/deals/invitations/{desk.party(deal, 'buyer').invite_token}/join/")


def test_a_deal_is_previewed_and_sent(desk: Desk, clients: Clients, typed: dict[str, str]) -> None:
    page = clients.buyer.post("/deals/new/", typed | {"action": "preview"}, follow=True)
    text = page.content.decode()
    assert "1,250.50" in text
    assert "This is what <bdi>seller</bdi> will see" in text
    deal = Deal.objects.get()
    clients.buyer.post(f"/deals/{deal.pk}/preview/")
    deal.refresh_from_db()
    assert (deal.state, deal.total, deal.turn) == ("proposed", 1_250_500_000, "seller")
    assert deal.parties.get(role="buyer").address.lower() == BUYER_ADDRESS.lower()


def test_a_draft_may_be_unfinished_and_is_found_again(clients: Clients, typed: dict[str, str]) -> None:
    unfinished = typed | {"description": "", "m-0-amount": "", "own_address": "", "action": "draft"}
    page = clients.buyer.post("/deals/new/", unfinished, follow=True)
    assert "The draft is saved" in page.content.decode()
    assert 'value="A bookcase"' in page.content.decode()
    assert "A bookcase" in clients.buyer.get("/deals/").content.decode()


def test_a_preview_with_something_missing_names_it_beside_its_field(
    clients: Clients, typed: dict[str, str]
) -> None:
    broken = typed | {"description": "too short", "m-0-amount": "", "own_address": ""}
    page = clients.buyer.post("/deals/new/", broken | {"action": "preview"})
    text = page.content.decode()
    assert page.status_code == 200
    assert "Not ready to send yet" in text
    assert "Describe what is delivered" in text
    assert "The amount is too small or too large." in text
    assert 'value="A bookcase"' in text


def test_a_second_preview_does_not_make_a_second_draft(clients: Clients, typed: dict[str, str]) -> None:
    page = clients.buyer.post("/deals/new/", typed | {"own_address": "", "action": "preview"})
    deal = Deal.objects.get()
    assert f'action="/deals/{deal.pk}/edit/"' in page.content.decode()
    clients.buyer.post(f"/deals/{deal.pk}/edit/", typed | {"action": "preview"})
    assert Deal.objects.count() == 1


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("m-0-amount", "12,5x", "is not an amount"),
        ("m-0-amount", "1.1234567", "This token has 6 decimal places"),
        ("own_address", "0x123", "That is not an EVM address"),
        (
            "own_address",
            "0x52908400098527886E0F7030069857D2E4169Ee7",
            "One character of this address is wrong",
        ),
        ("own_address", "someone.eth", "That is a name, not an address"),
        ("own_address", "eth:" + BUYER_ADDRESS, "This was copied as an address on Ethereum"),
        ("counterparty_email", " Buyer@Example.org ", "This is your own e-mail address"),
        ("title", "A \u202esac", "characters that turn the direction"),
        ("title", "\u200b\u200b\u200b", "characters that cannot be seen"),
        ("m-0-title", "Part\u200b1", "characters that cannot be seen"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(
    clients: Clients, typed: dict[str, str], field: str, value: str, sentence: str
) -> None:
    page = clients.buyer.post("/deals/new/", typed | {field: value, "action": "preview"})
    assert sentence in page.content.decode()
    assert not Deal.objects.exists()


def test_an_address_is_taken_as_it_was_pasted(clients: Clients, typed: dict[str, str]) -> None:
    groups = " ".join(BUYER_ADDRESS[place : place + 4] for place in range(0, 42, 4))
    clients.buyer.post("/deals/new/", typed | {"own_address": f"\u200b{groups}\n", "action": "draft"})
    deal = Deal.objects.get()
    assert deal.parties.get(role="buyer").address.lower() == BUYER_ADDRESS.lower()


def test_a_milestone_is_added_without_scripts(clients: Clients, typed: dict[str, str]) -> None:
    page = clients.buyer.post("/deals/new/", typed | {"action": "add_row"})
    text = page.content.decode()
    assert 'name="m-1-amount"' in text
    assert 'value="1,250.50"' in text
    assert not Deal.objects.exists()


def test_milestones_add_up(clients: Clients, typed: dict[str, str]) -> None:
    second = {"m-TOTAL_FORMS": "2", "m-0-title": "Wood", "m-1-title": "Work", "m-1-amount": "249.5"}
    second["m-1-deliver_at"] = typed["m-0-deliver_at"]
    page = clients.buyer.post("/deals/new/", typed | second | {"action": "preview"}, follow=True)
    assert "1,500.00" in page.content.decode()


def test_markdown_of_a_stranger_is_never_script(desk: Desk, clients: Clients, typed: dict[str, str]) -> None:
    evil = "Fine work <script>alert(1)</script> [x](javascript:alert(1)) ![p](https://evil.example/p.png)"
    page = clients.buyer.post("/deals/new/", typed | {"description": evil, "action": "preview"}, follow=True)
    text = page.content.decode()
    assert "<script>alert" not in text
    assert 'href="javascript' not in text
    assert "evil.example/p.png" not in text or "<img" not in text


def test_whoever_was_invited_proposes_other_terms_on_pages_alone(
    desk: Desk, clients: Clients, typed: dict[str, str]
) -> None:
    deal = desk.proposed()
    join(desk, clients, deal)
    page = clients.buyer.get(f"/deals/{deal.pk}/counter/")
    assert "250.00" in page.content.decode()
    changed = typed | {"title": "A website", "description": deal.versions.get().terms["description"]}
    changed |= {"m-0-amount": "200", "action": "send"}
    without = clients.buyer.post(f"/deals/{deal.pk}/counter/", changed | {"address": ""})
    assert "This field is required." in without.content.decode()
    theirs = clients.buyer.post(f"/deals/{deal.pk}/counter/", changed | {"address": SELLER_ADDRESS})
    assert "Buyer and seller need different addresses." in theirs.content.decode()
    changed |= {"address": BUYER_ADDRESS.lower()}
    answer = clients.buyer.post(f"/deals/{deal.pk}/counter/", changed)
    assert answer.status_code == 302
    text = clients.seller.get(f"/deals/{deal.pk}/answer/").content.decode()
    assert "What changed since the last version" in text
    assert "Part 1: 250.00 USDT" in text
    assert "200.00 USDT" in text
    accepted = {"version_hash": deal.versions.get(number=2).hash, "address": SELLER_ADDRESS, "read": "on"}
    clients.seller.post(f"/deals/{deal.pk}/answer/", accepted)
    assert (desk.state(deal), deal.escrows.get().amount) == ("agreed", 200_000_000)


def test_an_answer_to_terms_that_changed_meanwhile_is_refused(desk: Desk, clients: Clients) -> None:
    deal = desk.proposed()
    join(desk, clients, deal)
    stale = {"version_hash": "0x" + "0" * 64, "address": BUYER_ADDRESS, "read": "on"}
    page = clients.buyer.post(f"/deals/{deal.pk}/answer/", stale)
    assert "The terms changed meanwhile" in page.content.decode()
    assert BUYER_ADDRESS in page.content.decode()


def test_both_sides_need_addresses_of_their_own(desk: Desk, clients: Clients) -> None:
    deal = desk.proposed()
    join(desk, clients, deal)
    same = {"version_hash": deal.versions.get().hash, "address": SELLER_ADDRESS, "read": "on"}
    page = clients.buyer.post(f"/deals/{deal.pk}/answer/", same)
    assert "Buyer and seller need different addresses" in page.content.decode()


def test_an_invitation_works_for_the_invited_only(desk: Desk, clients: Clients) -> None:
    deal = desk.proposed()
    link = f"/deals/invitations/{desk.party(deal, 'buyer').invite_token}/"
    assert "Create an account" in clients.anonymous.get(link).content.decode()
    refused = clients.stranger.post(link + "join/", follow=True)
    assert "This invitation is for another e-mail address" in refused.content.decode()
    joined = clients.buyer.post(link + "join/", follow=True)
    assert "Read it and answer" in joined.content.decode()


def test_declining_ends_the_deal(desk: Desk, clients: Clients) -> None:
    deal = desk.proposed()
    join(desk, clients, deal)
    clients.buyer.post(f"/deals/{deal.pk}/cancel/")
    assert desk.state(deal) == "cancelled"
