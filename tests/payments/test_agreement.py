"""What a version says: one text, one hash, every rule checked before anybody signs it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from hypothesis import given
from hypothesis import strategies as st

from core import clock
from core.errors import Invalid
from core.money import share
from payments.agreement import (
    MAX_MILESTONES,
    Agreement,
    FileRef,
    Milestone,
    agreement_hash,
    check,
    from_json,
    gross_up,
)

DAY = 86_400


def milestone(**changes: Any) -> Milestone:
    facts = {"title": "All of it", "amount": 250_000_000, "deliver_at": clock.now() + timedelta(days=14)}
    return Milestone(**(facts | changes))


def agreement(**changes: Any) -> Agreement:
    facts: dict[str, Any] = {
        "title": "A website",
        "description": "Three pages, as agreed.",
        "network": "local",
        "token": "0x" + "11" * 20,
        "milestones": (milestone(),),
        "pay_seconds": DAY,
        "inspect_seconds": 7 * DAY,
        "arbitration_seconds": 120 * DAY,
    }
    return Agreement(**(facts | changes))


def pointers(found: Agreement, minimum: int = 1) -> list[str]:
    try:
        check(found, minimum=minimum)
    except Invalid as error:
        return [field.pointer for field in error.errors]
    return []


@pytest.fixture(autouse=True)
def published_bounds(settings: LazySettings) -> None:
    settings.CLOCK_BOUNDS = {
        "inspect": (3 * DAY, 14 * DAY),
        "pay": (3600, 14 * DAY),
        "deliver": (DAY, 365 * DAY),
    }


# ---- the fee on top ----------------------------------------------------------------------------------


@given(net=st.integers(1, 2**95), bps=st.integers(0, 1_000))
def test_the_grossed_up_amount_is_the_least_that_leaves_the_price(net: int, bps: int) -> None:
    gross = gross_up(net, bps)
    assert gross - share(gross, bps) == net
    assert (gross - 1) - share(gross - 1, bps) < net


def test_a_fee_that_the_buyer_pays_is_grossed_up_for_each_milestone() -> None:
    two = (milestone(amount=100), milestone(amount=33))
    assert agreement(milestones=two, fee_bps=100, fee_payer="buyer").total == 101 + 33
    assert agreement(milestones=two, fee_bps=100, fee_payer="seller").total == 133


# ---- one text, one hash ------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
instants = st.datetimes(datetime(2026, 1, 1), datetime(2036, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))
agreements = st.builds(
    Agreement,
    title=texts,
    description=texts,
    network=texts,
    token=texts,
    milestones=st.lists(
        st.builds(Milestone, title=texts, amount=st.integers(0, 2**96), deliver_at=instants), max_size=4
    ).map(tuple),
    fee_payer=st.sampled_from(["buyer", "seller"]),
    fee_bps=st.integers(0, 1000),
    pay_seconds=st.integers(0, 10**7),
    inspect_seconds=st.integers(0, 10**7),
    opening=st.sampled_from(["all", "each"]),
    arbitration_seconds=st.integers(0, 10**8),
    fallback_seller_bps=st.integers(0, 10_000),
    files=st.lists(st.builds(FileRef, name=texts, sha256=texts), max_size=3).map(tuple),
)


@given(agreements)
def test_an_agreement_survives_storage_with_its_hash(found: Agreement) -> None:
    stored = json.loads(json.dumps(found.as_json()))
    assert from_json(stored) == found
    assert agreement_hash(stored) == from_json(stored).digest() == found.digest()


@given(agreements, agreements)
def test_two_agreements_have_one_hash_only_if_they_say_the_same(one: Agreement, other: Agreement) -> None:
    assert (one.digest() == other.digest()) == (one == other)


def test_the_hash_does_not_depend_on_the_order_of_keys_or_the_time_zone() -> None:
    found = agreement()
    body = found.as_json()
    assert agreement_hash(dict(reversed(body.items()))) == found.digest()
    berlin = found.milestones[0].deliver_at.astimezone(datetime.strptime("+0200", "%z").tzinfo)
    assert replace(found, milestones=(replace(found.milestones[0], deliver_at=berlin),)).digest() == (
        found.digest()
    )


def test_amounts_are_stored_as_strings_because_json_numbers_lose_digits() -> None:
    body = agreement(milestones=(milestone(amount=2**95 - 1),)).as_json()
    assert body["milestones"][0]["amount"] == str(2**95 - 1)


# ---- rules -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"title": "ab"}, "/title"),
        ({"title": " " * 10}, "/title"),
        ({"title": "x" * 121}, "/title"),
        ({"description": "too short"}, "/description"),
        ({"description": "x" * 20_001}, "/description"),
        ({"fee_payer": "both"}, "/fee_payer"),
        ({"opening": "later"}, "/opening"),
        ({"milestones": ()}, "/milestones"),
        ({"pay_seconds": 3599}, "/pay_seconds"),
        ({"pay_seconds": 14 * DAY + 1}, "/pay_seconds"),
        ({"inspect_seconds": 3 * DAY - 1}, "/inspect_seconds"),
        ({"inspect_seconds": 14 * DAY + 1}, "/inspect_seconds"),
        ({"fee_bps": 1_001}, "/fee_bps"),
        ({"fee_bps": -1}, "/fee_bps"),
        ({"fallback_seller_bps": 10_001}, "/fallback_seller_bps"),
        ({"arbitration_seconds": 59 * DAY}, "/arbitration_seconds"),
        ({"arbitration_seconds": 366 * DAY}, "/arbitration_seconds"),
    ],
)
def test_each_broken_rule_is_named_by_its_field(changes: dict[str, Any], pointer: str) -> None:
    assert pointers(agreement()) == []
    assert pointers(agreement(**changes)) == [pointer]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title": ""}, "title"),
        ({"amount": 0}, "amount"),
        ({"amount": -5}, "amount"),
        ({"amount": 2**95}, "amount"),
    ],
)
def test_each_broken_rule_of_a_milestone_is_named_by_its_place(changes: dict[str, Any], field: str) -> None:
    found = agreement(milestones=(milestone(), milestone(**changes)))
    assert pointers(found) == [f"/milestones/1/{field}"]


def test_a_milestone_is_at_least_the_tokens_smallest_amount() -> None:
    found = agreement(milestones=(milestone(amount=999_999),))
    assert pointers(found, minimum=1_000_000) == ["/milestones/0/amount"]
    assert pointers(found, minimum=999_999) == []


@pytest.mark.parametrize("seconds", [-DAY, 0, DAY - 60, 365 * DAY + 3600])
def test_the_delivery_date_lies_ahead_and_within_a_year(seconds: int) -> None:
    late = milestone(deliver_at=clock.now() + timedelta(seconds=seconds))
    assert pointers(agreement(milestones=(late,))) == ["/milestones/0/deliver_at"]


def test_there_are_at_most_twenty_milestones() -> None:
    assert pointers(agreement(milestones=(milestone(),) * MAX_MILESTONES)) == []
    assert pointers(agreement(milestones=(milestone(),) * (MAX_MILESTONES + 1))) == ["/milestones"]


def test_all_broken_rules_are_told_at_once() -> None:
    assert set(pointers(agreement(title="", opening="x", pay_seconds=1))) == {
        "/title",
        "/opening",
        "/pay_seconds",
    }
