"""A partner moves money only for a side that let it, only of what it saw, and only once."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from accounts.services import security
from core import clock
from payments.models import Order
from tests.payments.api.conftest import Market
from tests.payments.fixtures import SELLER_ADDRESS


def test_a_delegated_release_pays_the_seller(market: Market) -> None:
    escrow = market.funded(delegate=("buyer",))
    shown = market.get(f"escrows/{escrow.pk}")
    offered = [item for item in shown.json()["available_actions"] if item["by_partner"]]
    assert {(item["action"], item["actor"]) for item in offered} == {
        ("release", "buyer"),
        ("dispute", "buyer"),
    }
    response = market.post(f"escrows/{escrow.pk}/release", HTTP_IF_MATCH=shown["ETag"])
    assert response.status_code == 202
    assert response.json()["status"] == "releasing" and response["ETag"] != shown["ETag"]
    market.desk.settle()
    done = market.get(f"escrows/{escrow.pk}").json()
    assert done["status"] == "released" and done["remainder"]["base_units"] == "0"
    assert {(leg["kind"], leg["status"]) for leg in done["payouts"]} == {("release", "paid"), ("fee", "paid")}
    assert done["deposits"][0]["total"]["amount"] == "250.000000"
    assert market.desk.balance(SELLER_ADDRESS) == 247_500_000
    assert Order.objects.get().actor_id == market.partner.pk


def test_a_part_is_released_and_the_rest_stays(market: Market) -> None:
    escrow = market.funded(delegate=("buyer",))
    assert market.post(f"escrows/{escrow.pk}/release", {"amount": "100.5"}).status_code == 202
    market.desk.settle()
    shown = market.get(f"escrows/{escrow.pk}").json()
    assert (shown["status"], shown["remainder"]["amount"]) == ("funded", "149.500000")


def test_a_delegated_refund_pays_the_buyer_back(market: Market) -> None:
    escrow = market.funded(delegate=("seller",))
    assert market.post(f"escrows/{escrow.pk}/refund").json()["status"] == "refunding"
    market.desk.settle()
    assert market.get(f"escrows/{escrow.pk}").json()["status"] == "refunded"


@pytest.mark.parametrize(
    ("delegate", "verb"), [((), "release"), (("seller",), "release"), (("buyer",), "refund")]
)
def test_without_that_sides_delegation_nothing_moves(
    market: Market, delegate: tuple[str, ...], verb: str
) -> None:
    escrow = market.funded(delegate=delegate)
    response = market.post(f"escrows/{escrow.pk}/{verb}")
    assert (response.status_code, response.json()["code"]) == (403, "not_delegated")
    assert not Order.objects.exists()


def test_an_action_on_a_state_that_has_changed_is_refused(market: Market) -> None:
    escrow = market.funded(delegate=("buyer",))
    old = market.get(f"escrows/{escrow.pk}")["ETag"]
    assert market.post(f"escrows/{escrow.pk}/release", {"amount": "1"}, HTTP_IF_MATCH=old).status_code == 202
    response = market.post(f"escrows/{escrow.pk}/release", HTTP_IF_MATCH=old)
    assert (response.status_code, response.json()["code"]) == (412, "stale")
    assert Order.objects.count() == 1


def test_a_second_release_while_the_first_is_under_way_is_a_conflict(market: Market) -> None:
    escrow = market.funded(delegate=("buyer",))
    market.post(f"escrows/{escrow.pk}/release")
    assert market.post(f"escrows/{escrow.pk}/release").status_code == 409


@pytest.mark.parametrize("amount", ["250.000001", "0", "-1", 1, "1.0000001"])
def test_more_than_the_remainder_or_no_amount_at_all_is_refused(market: Market, amount: Any) -> None:
    escrow = market.funded(delegate=("buyer",))
    response = market.post(f"escrows/{escrow.pk}/release", {"amount": amount})
    assert response.status_code == 422 and response.json()["errors"][0]["pointer"] == "/amount"
    assert not Order.objects.exists()


def test_an_unpaid_escrow_cannot_be_released(market: Market) -> None:
    escrow = market.agreed(delegate=("buyer",)).escrows.get()
    assert market.post(f"escrows/{escrow.pk}/release").status_code == 409


def test_ten_releases_at_once_pay_once(market: Market) -> None:
    escrow = market.funded(delegate=("buyer",))
    start = threading.Barrier(10)
    codes: list[int] = []

    def call() -> None:
        start.wait()
        codes.append(market.post(f"escrows/{escrow.pk}/release").status_code)
        connection.close()

    threads = [threading.Thread(target=call) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(codes) == [202] + [409] * 9
    assert Order.objects.count() == 1


def test_a_delegated_dispute_freezes_the_escrow(market: Market) -> None:
    escrow = market.funded(delegate=("buyer",))
    body = {"role": "buyer", "reason": "not_delivered", "text": "Nothing came, and nobody answers."}
    response = market.post(f"escrows/{escrow.pk}/dispute", body)
    assert response.status_code == 201, response.content
    dispute = response.json()
    assert (dispute["object"], dispute["escrow"], dispute["opened_by"]) == ("dispute", escrow.pk, "buyer")
    # Also before the chain has frozen it.
    assert dispute["disputed"]["base_units"] == str(escrow.amount)
    assert market.get(f"escrows/{escrow.pk}").json()["status"] == "disputing"
    assert market.get(f"disputes/{dispute['id']}").json() == dispute
    assert [item["id"] for item in market.get("disputes", escrow=escrow.pk).json()["data"]] == [dispute["id"]]
    market.desk.settle()
    assert market.get(f"escrows/{escrow.pk}").json()["status"] == "disputed"


def test_a_dispute_for_a_side_that_did_not_delegate_is_refused(market: Market) -> None:
    escrow = market.funded(delegate=("buyer",))
    body = {"role": "seller", "reason": "other", "text": "The buyer does not answer any question."}
    response = market.post(f"escrows/{escrow.pk}/dispute", body)
    assert (response.status_code, response.json()["code"]) == (403, "not_delegated")


def test_a_dispute_needs_a_reason_of_the_list_and_words(market: Market) -> None:
    escrow = market.funded(delegate=("buyer",))
    response = market.post(
        f"escrows/{escrow.pk}/dispute", {"role": "buyer", "reason": "on_chain", "text": ""}
    )
    assert response.status_code == 422
    assert {"/reason", "/text"} <= {item["pointer"] for item in response.json()["errors"]}


def test_while_the_buyers_way_in_has_just_changed_the_partner_waits_as_well(market: Market) -> None:
    escrow = market.funded(delegate=("buyer",))
    security.changed(market.desk.cast.buyer.pk, security.PASSWORD)
    response = market.post(f"escrows/{escrow.pk}/release")
    assert (response.status_code, response.json()["code"]) == (409, "sign_in_changed")
    assert not Order.objects.exists()
    with clock.travelled(timedelta(hours=48)):
        assert market.post(f"escrows/{escrow.pk}/release").status_code == 202
