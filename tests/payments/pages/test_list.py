"""My deals: what needs me first, in a constant number of queries."""

from tests.payments.fixtures import Desk
from tests.payments.pages.conftest import Clients


def test_without_deals_the_page_says_what_to_do_first(desk: Desk, clients: Clients) -> None:
    assert "Start your first deal" in clients.buyer.get("/deals/").content.decode()


def test_what_needs_me_comes_first_for_each_side(desk: Desk, clients: Clients) -> None:
    paid = desk.funded()
    waiting = desk.agreed()
    for client, first, second in (
        (clients.seller, paid.deal_id, waiting.pk),
        (clients.buyer, waiting.pk, paid.deal_id),
    ):
        page = client.get("/deals/").content.decode()
        assert page.index(first) < page.index(second)
        assert page.index("Needs you") < page.index(first) < page.index("Everything else")


def test_a_stranger_sees_none_of_them(desk: Desk, clients: Clients) -> None:
    deal = desk.agreed()
    assert deal.pk not in clients.stranger.get("/deals/").content.decode()


def test_the_number_of_queries_does_not_depend_on_the_number_of_deals(
    desk: Desk, clients: Clients, django_assert_num_queries, django_assert_max_num_queries
) -> None:
    desk.agreed()
    desk.proposed()
    clients.seller.get("/deals/")
    with django_assert_max_num_queries(100) as few:
        clients.seller.get("/deals/")
    for _ in range(3):
        desk.agreed()
        desk.proposed()
    with django_assert_num_queries(len(few)):
        clients.seller.get("/deals/")


def test_a_deal_of_several_milestones_says_what_to_do_about_the_next_one(
    desk: Desk, clients: Clients, django_assert_max_num_queries, django_assert_num_queries
) -> None:
    two, four = desk.agreed(1_000_000, 2_000_000), desk.agreed(*([1_000_000] * 4))
    page = clients.buyer.get(f"/deals/{two.pk}/").content.decode()
    assert "Pay 1.00 USDT into the escrow." in page
    assert "2. <bdi>Part 2</bdi>" in page
    with django_assert_max_num_queries(60) as few:
        clients.buyer.get(f"/deals/{two.pk}/")
    with django_assert_num_queries(len(few)):
        clients.buyer.get(f"/deals/{four.pk}/")
