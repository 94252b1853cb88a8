"""To strangers a deal does not exist; the anonymous sign in; each side has only its own steps."""

from django.urls import URLPattern, URLResolver

from core.ids import new_id
from payments.pages import urls
from tests.payments.fixtures import Desk
from tests.payments.pages.conftest import Clients, url

BUYERS = {"changes", "release", "take_back", "return_late", "ask_refund", "open"}
SELLERS = {"deliver", "refund", "answer_refund"}
POSTED = {"open", "join"}


def _routes(patterns: list, prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for item in patterns:
        path = prefix + str(item.pattern)
        if isinstance(item, URLResolver):
            found |= _routes(item.url_patterns, path)
        elif isinstance(item, URLPattern):
            found[str(item.name)] = path
    return found


ROUTES = {name: path for name, path in _routes(urls.urlpatterns).items() if "deal_id" in path}


def _addresses(desk: Desk) -> dict[str, str]:
    escrow = desk.agreed().escrows.get()
    escrow_page = {"<opaque:escrow_id>": escrow.pk, "<opaque:file_id>": new_id("dvf")}
    escrow_page["<opaque:leg_id>"] = new_id("leg")
    return {
        name: "/deals/" + _filled(path, {"<opaque:deal_id>": escrow.deal_id} | escrow_page)
        for name, path in ROUTES.items()
    }


def _filled(path: str, values: dict[str, str]) -> str:
    return "/".join(values.get(part, part) for part in path.split("/"))


def test_every_page_of_a_deal_is_closed_to_strangers(desk: Desk, clients: Clients) -> None:
    for name, address in _addresses(desk).items():
        ask = "post" if name in POSTED else "get"
        assert getattr(clients.stranger, ask)(address).status_code == 404, name
        anonymous = getattr(clients.anonymous, ask)(address)
        assert anonymous.status_code == 302, name
        assert anonymous["Location"].startswith("/accounts/login/")


def test_a_step_of_one_side_is_forbidden_to_the_other(desk: Desk, clients: Clients) -> None:
    for name, address in _addresses(desk).items():
        if name in BUYERS | SELLERS:
            wrong = clients.seller if name in BUYERS else clients.buyer
            assert wrong.post(address).status_code == 403, name


def test_an_escrow_is_found_only_below_its_own_deal(desk: Desk, clients: Clients) -> None:
    first, second = desk.agreed().escrows.get(), desk.agreed().escrows.get()
    mixed = f"/deals/{first.deal_id}/escrows/{second.pk}/"
    assert clients.buyer.get(mixed).status_code == 404


def test_a_draft_is_its_authors_alone(desk: Desk, clients: Clients, cast) -> None:
    from payments.services import deals

    draft = deals.create_draft(
        user=cast.seller,
        role="seller",
        agreement=desk.agreement(),
        counterparty_email=cast.buyer.email,
    )
    token = desk.party(draft, "buyer").invite_token
    assert clients.seller.get(f"/deals/{draft.pk}/edit/").status_code == 200
    assert clients.buyer.get(f"/deals/{draft.pk}/").status_code == 404
    assert clients.buyer.get(f"/deals/invitations/{token}/").status_code == 404
    assert clients.buyer.post(f"/deals/invitations/{token}/join/", follow=True).status_code == 404


def test_pages_send_nothing_inline(desk: Desk, clients: Clients) -> None:
    from tests.escrow_platform.test_site_pages import INLINE

    escrow = desk.agreed().escrows.get()
    for address in (url(escrow), url(escrow, "pay/"), url(escrow, "receipt/"), "/deals/", "/deals/new/"):
        page = clients.buyer.get(address)
        assert page.status_code == 200
        assert not INLINE.search(page.content.decode()), address
