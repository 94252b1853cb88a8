"""Partners create and read deals; nobody else's, no malformed one, no second one for one reference."""

from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock
from core.models import OutboxEvent
from core.rights import unguarded
from payments.models import Deal
from tests.payments.api.conftest import Market


def test_a_created_deal_is_proposed_to_both_and_shown_with_exact_amounts(market: Market) -> None:
    response = market.post("deals", market.wish(external_reference="order-7", metadata={"shop": "a"}))
    assert response.status_code == 201
    deal = response.json()
    assert response["Location"] == f"/api/v1/deals/{deal['id']}"
    assert (deal["object"], deal["status"], deal["livemode"]) == ("deal", "proposed", False)
    assert deal["total"] == {
        "amount": "250.000000",
        "base_units": "250000000",
        "token": "USDT",
        "network": market.desk.engine.network.slug,
    }
    assert (deal["fee_payer"], deal["fee_bps"], deal["metadata"]) == ("seller", 100, {"shop": "a"})
    assert {party["role"]: party["joined"] for party in deal["parties"]} == {"buyer": False, "seller": False}
    assert all("/invitation" in party["invitation_url"] for party in deal["parties"])
    offered = {(item["action"], item["actor"]) for item in deal["available_actions"]}
    assert {("accept", "buyer"), ("accept", "seller")} <= offered
    assert all(item["deadline"] for item in deal["available_actions"] if item["action"] == "accept")
    again = market.get(f"deals/{deal['id']}")
    assert again.json() == deal and again["ETag"] == response["ETag"]


def test_an_agreed_deal_names_its_escrows_which_wait_for_the_deposit(market: Market) -> None:
    deal = market.agreed()
    shown = market.get(f"deals/{deal.pk}").json()
    (escrow_id,) = shown["escrows"]
    escrow = market.get(f"escrows/{escrow_id}").json()
    assert (shown["status"], escrow["status"], escrow["deal"]) == ("agreed", "awaiting_deposit", deal.pk)
    assert escrow["deposit_address"].startswith("0x") and escrow["pay_by"]
    assert {"action": "pay", "actor": "buyer"}.items() <= escrow["available_actions"][1].items()


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"title": ""}, "/title"),
        ({"title": "a\x00b"}, "/title"),
        ({"description": "short"}, "/description"),
        ({"network": "nowhere"}, "/token"),
        ({"token": "DAI"}, "/token"),
        ({"milestones": []}, "/milestones"),
        ({"fee_payer": "nobody"}, "/fee_payer"),
        ({"title": "A \u202eetisbew"}, "/title"),
        ({"title": "\u200b\u200b\u200b"}, "/title"),
        ({"external_reference": "order\u200b7"}, "/external_reference"),
        ({"buyer": {"email": "no"}}, "/buyer/email"),
        ({"buyer": {"email": " Seller@Example.org"}}, "/seller/email"),
        ({"buyer": {"email": "a@example.com", "address": "someone.eth"}}, "/buyer/address"),
        ({"buyer": {"email": "a@example.com", "address": "0x12"}}, "/buyer/address"),
        ({"pay_seconds": 10**9}, "/pay_seconds"),
        ({"metadata": {"k": "v" * 501}}, "/metadata/k"),
        ({"metadata": {"k" * 41: "v"}}, "/metadata"),
        ({"metadata": {str(n): "v" for n in range(51)}}, "/metadata"),
        ({"tittle": "x"}, "/tittle"),
        # Texts are JSON strings: a number or a boolean is not written out.
        ({"title": 12345}, "/title"),
        ({"external_reference": 17}, "/external_reference"),
        ({"fee_payer": 1}, "/fee_payer"),
        ({"buyer": {"email": 5}}, "/buyer/email"),
        ({"metadata": {"k": 1}}, "/metadata/k"),
        ({"metadata": {"k": 1.0}}, "/metadata/k"),
        ({"metadata": {"k": True}}, "/metadata/k"),
        ({"metadata": {"k": None}}, "/metadata/k"),
        ({"metadata": {"k": {"a": "b"}}}, "/metadata/k"),
        # And numbers are JSON numbers.
        ({"pay_seconds": "86400"}, "/pay_seconds"),
        ({"pay_seconds": 86400.0}, "/pay_seconds"),
        ({"pay_seconds": True}, "/pay_seconds"),
    ],
)
def test_a_wrong_member_is_named(market: Market, changes: dict[str, Any], pointer: str) -> None:
    response = market.post("deals", market.wish(**changes))
    assert response.status_code == 422, response.content
    assert pointer in [item["pointer"] for item in response.json()["errors"]]
    assert not Deal.objects.exists()


@pytest.mark.parametrize(
    "amount", [250, 2.5, "1,000", "1e3", "-5", "0", "0.0000001", "", "NaN", None, "9" * 39]
)
def test_an_amount_is_an_exact_positive_decimal_string(market: Market, amount: Any) -> None:
    milestone = market.wish()["milestones"][0] | {"amount": amount}
    response = market.post("deals", market.wish(milestones=[milestone]))
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/milestones/0/amount"


@pytest.mark.parametrize("text", ["2026-12-24T18:00:00", "2026-12-24", 1798135200, None])
def test_a_delivery_date_without_an_offset_is_refused_with_what_to_write(market: Market, text: Any) -> None:
    milestone = market.wish()["milestones"][0] | {"deliver_at": text}
    response = market.post("deals", market.wish(milestones=[milestone]))
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["pointer"] == "/milestones/0/deliver_at"
    assert text is None or "with Z or an offset" in error["message"]


def test_metadata_is_kept_to_the_letter(market: Market) -> None:
    kept = {"order": "00017", "note": "  two spaces and a line\n", "empty": ""}
    deal = market.opened(metadata=kept)
    assert market.get(f"deals/{deal.pk}").json()["metadata"] == kept


@pytest.mark.parametrize("name", ["deals", "escrows", "events", "disputes"])
def test_no_list_takes_a_parameter_twice(market: Market, name: str) -> None:
    response = market.client.get(f"/api/v1/{name}?limit=5&limit=6")
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (400, "/query/limit")


def test_one_external_reference_makes_one_deal(market: Market, rival: Market) -> None:
    first = market.opened(external_reference="order-7")
    response = market.post("deals", market.wish(external_reference="order-7"))
    assert (response.status_code, response.json()["code"]) == (409, "external_reference_used")
    assert first.pk in response.json()["detail"]
    assert rival.post("deals", rival.wish(external_reference="order-7")).status_code == 201


def test_a_repeated_request_makes_one_deal(market: Market) -> None:
    body = market.wish()
    answers = [market.post("deals", body, HTTP_IDEMPOTENCY_KEY="once") for _ in range(3)]
    assert {answer.content for answer in answers} == {answers[0].content}
    assert Deal.objects.count() == 1


def test_a_live_key_cannot_use_a_test_network(open_market: Callable[..., Market]) -> None:
    live = open_market(livemode=True)
    response = live.post("deals", live.wish())
    assert (response.status_code, response.json()["code"]) == (422, "mode_mismatch")


def test_a_key_of_the_other_mode_does_not_see_the_deal(
    market: Market, open_market: Callable[..., Market]
) -> None:
    deal = market.opened()
    live = open_market(livemode=True, partner=market.partner)
    assert live.get(f"deals/{deal.pk}").status_code == 404
    assert live.get("deals").json()["data"] == [] and live.get("events").json()["data"] == []
    assert {event["livemode"] for event in market.get("events").json()["data"]} == {False}


def test_every_event_of_a_deal_carries_its_mode(market: Market) -> None:
    """Also those of its escrow and its dispute: the list of a key is found by it."""
    escrow = market.funded(delegate=("buyer",))
    disputed = {"role": "buyer", "reason": "other", "text": "It is not what we agreed on."}
    assert market.post(f"escrows/{escrow.pk}/dispute", disputed).status_code in (200, 201, 202)
    market.desk.settle()
    told = OutboxEvent.objects.filter(group_id=escrow.deal_id)
    assert {name.partition(".")[0] for name in told.values_list("type", flat=True)} >= {
        "deal", "escrow", "deposit", "dispute",
    }  # fmt: skip
    assert set(told.values_list("livemode", flat=True)) == {False}


def test_events_from_before_they_carried_the_mode_are_marked(market: Market) -> None:
    """The migration: those of test deals alone, by a statement that the append-only rule lets through."""
    migration = import_module("payments.migrations.0004_console_lists_and_searches")
    test, live = market.opened(), market.opened()
    Deal.objects.filter(pk=live.pk).update(livemode=True)
    with unguarded("core_outboxevent", "no_update"):
        OutboxEvent.objects.update(livemode=True)
    for _ in range(2):
        migration.mark_events_of_test_deals(apps, SimpleNamespace(connection=connection))
        found = dict(OutboxEvent.objects.order_by().values_list("group_id", "livemode").distinct())
        assert found == {test.pk: False, live.pk: True}


def test_another_partner_sees_nothing_of_it(market: Market, rival: Market) -> None:
    deal = market.agreed()
    escrow = deal.escrows.get()
    addresses = (f"deals/{deal.pk}", f"escrows/{escrow.pk}")
    assert [rival.get(address).status_code for address in addresses] == [404, 404]
    for verb in ("release", "refund", "dispute"):
        body = {"role": "buyer", "reason": "other", "text": "Mine."} if verb == "dispute" else {}
        assert rival.post(f"escrows/{escrow.pk}/{verb}", body).status_code == 404
    assert all(rival.get(name).json()["data"] == [] for name in ("deals", "escrows", "events", "disputes"))


def test_buyer_and_seller_are_two_people(market: Market) -> None:
    body = market.wish(seller={"email": market.desk.cast.buyer.email.upper()})
    response = market.post("deals", body)
    assert (response.status_code, response.json()["code"]) == (422, "parties_equal")


def test_lists_are_paged_newest_first_without_gaps_or_repeats(market: Market) -> None:
    made = [market.opened().pk for _ in range(5)]
    first = market.get("deals", limit=2).json()
    assert first["has_more"] is True and set(first) == {"data", "has_more", "next_cursor"}
    market.opened()
    seen, cursor = [item["id"] for item in first["data"]], first["next_cursor"]
    while cursor:
        following = market.get("deals", limit=2, cursor=cursor).json()
        seen += [item["id"] for item in following["data"]]
        cursor = following["next_cursor"]
    assert seen == made[::-1]


def test_lists_are_filtered_by_status_time_and_reference(market: Market) -> None:
    deal = market.opened(external_reference="a")
    market.agreed(external_reference="b")
    assert [item["id"] for item in market.get("deals", status="proposed").json()["data"]] == [deal.pk]
    assert [item["id"] for item in market.get("deals", external_reference="a").json()["data"]] == [deal.pk]
    later = (clock.now() + timedelta(hours=1)).isoformat()
    assert market.get("deals", **{"created[gte]": later}).json()["data"] == []
    assert len(market.get("deals", **{"created[lt]": later}).json()["data"]) == 2


@pytest.mark.parametrize(
    "query",
    [
        {"status": "nice"},
        {"created[gte]": "soon"},
        {"limit": "0"},
        {"limit": "x"},
        {"cursor": "?"},
        {"x": "1"},
        {"created[gte]": "2026-12-24T18:00:00"},
        {"created[lt]": "2026-12-24"},
        # As “+02:00” arrives that was not escaped.
        {"created[gt]": "2026-12-24T18:00:00 02:00"},
        {"status": ["agreed", "proposed"]},
        {"created[gte]": ["2026-12-24T18:00:00Z"] * 2},
        {"limit": ["1", "2"]},
        {"cursor": ["a", "b"]},
        {"x": ["1", "2"]},
    ],
)
def test_a_query_that_makes_no_sense_is_refused(market: Market, query: dict[str, Any]) -> None:
    response = market.get("deals", **query)
    assert (response.status_code, response.json()["code"]) == (400, "malformed")
    assert response.json()["errors"][0]["pointer"] == f"/query/{next(iter(query))}"


@pytest.mark.parametrize("address", ["deals/deal_x", "deals/%00", "escrows/..", "deals/" + "a" * 5000])
def test_what_is_no_id_is_not_found(market: Market, address: str) -> None:
    response = market.get(address)
    assert (response.status_code, response["Content-Type"]) == (404, "application/problem+json")


def test_events_tell_what_happened_in_order(market: Market) -> None:
    deal = market.agreed()
    events = market.get("events", deal=deal.pk).json()["data"]
    assert [event["sequence"] for event in events] == list(range(len(events), 0, -1))
    assert {"deal.proposed", "deal.agreed"} <= {event["type"] for event in events}
    only = market.get("events", type="escrow.*").json()["data"]
    assert only and all(event["type"].startswith("escrow.") for event in only)


@pytest.mark.parametrize("name", ["deals", "escrows", "events"])
def test_a_longer_list_asks_the_database_no_more_often(
    market: Market, name: str, django_assert_max_num_queries: Any
) -> None:
    for _ in range(2):
        market.agreed()
    with CaptureQueriesContext(connection) as few:
        market.get(name)
        asked = len(few)
    for _ in range(3):
        market.agreed()
    with django_assert_max_num_queries(asked):
        market.get(name)
