"""What people, partners and operators see of an incident, and who may open and end one."""

from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import User
from core import clock, deadlines
from core.models import AuditEntry
from payments.models import Escrow, Incident
from payments.services import clocks
from tests.browser import Browser
from tests.chain.fixtures import USDT
from tests.disputes import cast as stage
from tests.disputes.test_on_chain import opened, people
from tests.payments.acts import DAY, deliver
from tests.payments.api.conftest import Market, fresh_limits, market, open_market
from tests.payments.fixtures import Desk, UserFactory
from tests.payments.pages.conftest import Clients, clients, url
from tests.payments.test_incidents import begin, due, elsewhere, end, give

__all__ = ["clients", "fresh_limits", "market", "open_market", "people"]
WHY = "a provider is down"
FORM = {"_form_submitted": "on"}


def text(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, address
    return answer.content.decode()


def test_every_page_says_that_clocks_stand_still_and_why_until_they_go_on(
    desk: Desk, clients: Clients
) -> None:
    escrow, unpaid = desk.funded(250 * USDT), desk.agreed(90 * USDT).escrows.get()
    addresses = [
        "/",
        "/rules/",
        "/deals/",
        url(escrow),
        url(unpaid, "pay/"),
        f"/deals/{escrow.deal_id}/terms/",
    ]
    incident = begin(desk)
    for address in addresses:
        page = text(clients.buyer, address)
        assert "Clocks are paused" in page and WHY in page and "on Local" in page, address
    assert WHY in text(clients.anonymous, "/")
    for address in (url(escrow, "live/"), url(unpaid, "pay/live/")):
        assert "data-paused" in text(clients.seller, address)
    end(desk, incident)
    for address in addresses:
        assert "Clocks are paused" not in text(clients.buyer, address), address


def test_a_page_that_is_open_hears_of_it_at_its_next_look(desk: Desk, clients: Clients) -> None:
    escrow = desk.funded(250 * USDT)
    version = clients.buyer.get(url(escrow)).context["version"]
    assert clients.buyer.get(url(escrow, "live/"), {"v": version}).status_code == 204
    incident = begin(desk)
    paused = clients.buyer.get(url(escrow, "live/"), {"v": version})
    assert paused.status_code == 200
    end(desk, incident)
    again = clients.buyer.get(url(escrow, "live/"), {"v": paused.context["version"]})
    assert again.status_code == 200 and "data-paused" not in again.content.decode()


def test_another_networks_incident_is_told_on_every_page_and_stops_no_escrow_here(
    desk: Desk, clients: Clients
) -> None:
    escrow = desk.funded(250 * USDT)
    begin(desk, elsewhere())
    page = text(clients.buyer, url(escrow))
    assert "on Other" in page and "data-paused" not in page


def test_what_people_wrote_as_a_reason_is_shown_as_text(desk: Desk, clients: Clients) -> None:
    begin(desk, reason="<b>down</b>")
    assert "&lt;b&gt;down&lt;/b&gt;" in text(clients.anonymous, "/")


def test_the_checkout_shows_the_instant_that_the_timer_runs_by(desk: Desk, clients: Clients) -> None:
    escrow = desk.agreed(90 * USDT).escrows.get()
    incident = begin(desk)
    desk.travel(2 * DAY)
    end(desk, incident)
    give()
    shown = clients.buyer.get(url(escrow, "pay/")).context["pay_by"]
    assert shown == due(escrow, clocks.PAY) > (escrow.fund_by or shown)


def test_the_api_tells_partners_the_same_instant(market: Market) -> None:
    escrow = market.agreed().escrows.get()
    before = market.get(f"escrows/{escrow.pk}").json()["pay_by"]
    assert before[:19] == escrow.fund_by.isoformat()[:19]
    incident = begin(market.desk)
    market.desk.travel(2 * DAY)
    end(market.desk, incident)
    give()
    found = market.get(f"escrows/{escrow.pk}").json()
    assert found["pay_by"] == found["deadlines"][0]["due_at"] > before


def test_the_room_of_a_dispute_says_it_too(desk: Desk, clients: Clients, people: stage.Cast) -> None:
    escrow = desk.funded(250 * USDT)
    opened(desk, escrow, people)
    begin(desk, None)
    assert "data-paused" in text(clients.buyer, url(escrow, "dispute/"))


def test_pages_ask_as_often_with_incidents_as_without(
    desk: Desk, clients: Clients, django_assert_max_num_queries: Any, django_assert_num_queries: Any
) -> None:
    escrow = desk.funded(250 * USDT)
    deliver(desk, escrow)
    desk.settle()
    for address in ("/", "/deals/", url(escrow), url(escrow, "live/"), url(escrow, "pay/")):
        clients.buyer.get(address)
        with django_assert_max_num_queries(100) as quiet:
            clients.buyer.get(address)
        standing = [begin(desk), begin(desk, None)]
        with django_assert_num_queries(len(quiet)):
            clients.buyer.get(address)
        for incident in standing:
            end(desk, incident)


def test_the_api_shows_it_on_each_escrow_of_the_network_and_its_tag_changes(
    market: Market, django_assert_max_num_queries: Any, django_assert_num_queries: Any
) -> None:
    escrow = market.funded()
    quiet = market.get(f"escrows/{escrow.pk}")
    assert quiet.json()["clocks_paused"] is None
    market.get("escrows")
    with django_assert_max_num_queries(100) as one:
        market.get("escrows")
    asked = len(one)
    incident = begin(market.desk)
    found = market.get(f"escrows/{escrow.pk}")
    paused = found.json()["clocks_paused"]
    assert (paused["reason"], paused["since"][:19]) == (WHY, incident.opened_at.isoformat()[:19])
    assert found["ETag"] != quiet["ETag"]
    for _ in range(2):
        market.agreed()
    with django_assert_num_queries(asked):
        listed = market.get("escrows").json()["data"]
    assert [row["clocks_paused"] for row in listed] == [paused] * 3
    before = quiet.json()["deadlines"]
    lasted = end(market.desk, incident)
    give()
    shown = market.get(f"escrows/{escrow.pk}").json()
    assert shown["clocks_paused"] is None
    assert lasted and [row["kind"] for row in shown["deadlines"]] == [row["kind"] for row in before]
    assert shown["deadlines"][0]["due_at"] > before[0]["due_at"]


def test_the_api_shows_none_where_the_network_or_the_escrow_has_nothing_to_wait_for(market: Market) -> None:
    escrow = market.funded()
    begin(market.desk, elsewhere())
    assert market.get(f"escrows/{escrow.pk}").json()["clocks_paused"] is None
    begin(market.desk)
    Escrow.objects.filter(pk=escrow.pk).update(closed_at=escrow.created)
    assert market.get(f"escrows/{escrow.pk}").json()["clocks_paused"] is None


def operator() -> Client:
    """Of the staff, with the one right."""
    user: User = UserFactory(email="operator@example.org", is_staff=True)
    rights = ("view_incident", "change_incident")
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client = Browser()
    client.force_login(user)
    return client


def test_an_operator_stops_the_clocks_of_a_network_or_of_all_and_lets_them_go_on(desk: Desk) -> None:
    client, network = operator(), desk.engine.network
    client.get("/admin/payments/incident/open/")
    client.post("/admin/payments/incident/open/", FORM | {"reason": " "})
    assert not Incident.objects.exists()
    answer = client.post("/admin/payments/incident/open/", FORM | {"reason": WHY, "network": network.pk})
    assert f"The clocks of {network.name} stand still" in answer.content.decode()
    again = client.post("/admin/payments/incident/open/", FORM | {"reason": WHY, "network": network.pk})
    assert "stand still already" in again.content.decode()
    client.post("/admin/payments/incident/open/", FORM | {"reason": WHY, "network": ""})
    everywhere, one = Incident.objects.filter(ended_at=None).order_by("-opened_at")
    assert (everywhere.network, one.network, one.opened_by) == (None, network, "operator")
    listed = text(client, "/admin/payments/incident/")
    assert "all networks" in listed and "/admin/payments/incident/open/" in listed
    address = f"/admin/payments/incident/{quote(one.pk)}/"
    assert f"{address}end/" in text(client, f"{address}change/")
    client.get(f"{address}end/")
    proof = FORM | {"own_password": "correct horse"}
    client.post(f"{address}end/", proof | {"reason": ""})
    client.post(f"{address}end/", FORM | {"reason": "it is back"})
    assert Incident.objects.get(pk=one.pk).ended_at is None
    client.post(f"{address}end/", proof | {"reason": "it is back"})
    assert Incident.objects.get(pk=one.pk).ended_by == "operator"
    assert "has ended" in client.post(f"{address}end/", proof | {"reason": "again"}).content.decode()
    assert client.post("/admin/payments/incident/inc_none/end/", proof | {"reason": "x"}).status_code == 404
    story = AuditEntry.objects.filter(subject_id=one.pk).values_list("action", "actor_label")
    assert list(story) == [("incident.opened", "operator"), ("incident.ended", "operator")]


@pytest.mark.parametrize("verb", ["open", "end"])
def test_nobody_else_does_either(desk: Desk, clients: Clients, people: stage.Cast, verb: str) -> None:
    incident = begin(desk)
    address = "/admin/payments/incident/" + (f"{quote(incident.pk)}/end/" if verb == "end" else "open/")
    form = FORM | {"reason": "why not", "network": ""}
    for client in (clients.stranger, clients.buyer, clients.anonymous):
        for answer in (client.get(address), client.post(address, form)):
            assert answer.status_code == 302, address
    for person in (people.arbitrator, people.lead):
        client = Browser()
        client.force_login(person)
        for answer in (client.get(address), client.post(address, form)):
            assert answer.status_code == 403, address
    assert list(Incident.objects.values_list("ended_at", flat=True)) == [None]


def test_the_list_asks_as_often_for_many_as_for_few(
    desk: Desk, django_assert_max_num_queries: Any, django_assert_num_queries: Any
) -> None:
    client = operator()
    end(desk, begin(desk))
    client.get("/admin/payments/incident/")
    with django_assert_max_num_queries(40) as few:
        client.get("/admin/payments/incident/")
    for _ in range(3):
        end(desk, begin(desk))
    with django_assert_num_queries(len(few)):
        client.get("/admin/payments/incident/")


def test_an_operator_tells_since_when_and_reads_what_cannot_be_undone(desk: Desk) -> None:
    expired = desk.proposed()
    desk.platform_travels(6 * DAY)
    deadlines.run_due()
    assert desk.state(expired) == "expired"
    client = operator()
    assert 'type="datetime-local"' in text(client, "/admin/payments/incident/open/")
    since = (clock.now() - 2 * DAY).replace(second=0, microsecond=0)
    form = FORM | {"reason": WHY, "network": "", "since": f"{since:%Y-%m-%dT%H:%M}"}
    ahead = form | {"since": f"{since + 3 * DAY:%Y-%m-%dT%H:%M}"}
    refused = client.post("/admin/payments/incident/open/", ahead)
    assert "an instant that lies ahead" in refused.content.decode() and not Incident.objects.exists()
    answer = client.post("/admin/payments/incident/open/", form).content.decode()
    assert "passed since then and stay as they are: 1." in answer
    assert Incident.objects.get().opened_at == since
    assert text(client, f"/admin/payments/incident/{quote(Incident.objects.get().pk)}/change/")
