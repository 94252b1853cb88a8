"""After a change of how a person signs in nothing of theirs pays the other side for 48 hours."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from accounts.services import security
from core import clock, deadlines
from core.errors import Conflict, DomainError
from disputes.models import Dispute
from payments.agreement import from_json
from payments.models import Escrow, Party
from payments.services import clocks, deals, delivery, disputing, guarding, payouts
from tests.browser import Browser
from tests.chain.fixtures import USDT
from tests.disputes import cast as stage
from tests.disputes.conftest import escrow, opened, people, token  # noqa: F401  (fixtures are shared by import)
from tests.payments.acts import deliver
from tests.payments.fixtures import Desk

HOURS_48 = timedelta(hours=48)
ANOTHER = "0x" + "ab" * 20


def change(user: User) -> None:
    security.changed(user.pk, security.PASSWORD)


def refusal(do: Callable[[], Any]) -> str:
    """The code of what the service raises; empty if it does what it was asked."""
    try:
        do()
    except DomainError as refused:
        return refused.code
    return ""


def acting(people: stage.Cast, role: str) -> dict[str, Any]:  # noqa: F811
    return {"role": role, "acting": stage.actor(getattr(people, role))}


def paying(escrow: Escrow, people: stage.Cast) -> dict[str, Callable[[], Any]]:  # noqa: F811
    """What pays the other side, by who does it."""
    return {
        "buyer": lambda: payouts.release(escrow_id=escrow.pk, **acting(people, "buyer")),
        "buyer part": lambda: payouts.release(escrow_id=escrow.pk, units=1, **acting(people, "buyer")),
        "seller": lambda: payouts.refund(escrow_id=escrow.pk, **acting(people, "seller")),
        "seller agrees": lambda: payouts.answer_refund(
            escrow_id=escrow.pk, accept=True, answer="", **acting(people, "seller")
        ),
    }


def test_what_pays_the_other_side_waits_for_who_changed_and_for_nobody_else(
    people: stage.Cast,  # noqa: F811
    escrow: Escrow,  # noqa: F811
) -> None:
    for changed, other in (("buyer", "seller"), ("seller", "buyer")):
        User.objects.update(sign_in_changed_at=None)
        change(getattr(people, changed))
        found = {name: refusal(do) for name, do in paying(escrow, people).items()}
        assert {code for name, code in found.items() if name.startswith(changed)} == {guarding.CODE}
        assert guarding.CODE not in {code for name, code in found.items() if name.startswith(other)}
    with clock.travelled(HOURS_48):
        assert guarding.CODE not in {refusal(do) for do in paying(escrow, people).values()}


def test_a_refusal_says_where_the_money_is_and_until_when(
    people: stage.Cast,  # noqa: F811
    escrow: Escrow,  # noqa: F811
) -> None:
    change(people.buyer)
    people.buyer.refresh_from_db()
    until = f"{security.waits_until(people.buyer):%d %B %Y, %H:%M} UTC"
    with pytest.raises(Conflict, match=f"^No money has moved.*until {until}"):
        payouts.release(escrow_id=escrow.pk, **acting(people, "buyer"))


def test_what_stops_refuses_or_takes_back_passes(
    people: stage.Cast,  # noqa: F811
    escrow: Escrow,  # noqa: F811
    settings: Any,
) -> None:
    settings.CLOCKS = settings.CLOCKS | {"grace": 0}
    delivery.deliver(escrow_id=escrow.pk, note="Done.", **acting(people, "seller"))
    for user in (people.buyer, people.seller):
        change(user)
    sent_back = acting(people, "buyer") | {"note": "The colour is wrong."}
    assert delivery.request_changes(escrow_id=escrow.pk, **sent_back)
    Escrow.objects.update(take_back_open=True)
    taken = refusal(lambda: payouts.take_back(escrow_id=escrow.pk, **acting(people, "buyer")))
    assert taken != guarding.CODE
    assert stage.open_dispute(escrow, people.buyer)


def test_a_refund_request_may_be_declined_and_a_dispute_not_given_up(
    people: stage.Cast,  # noqa: F811
    opened: Dispute,  # noqa: F811
) -> None:
    for user in (people.buyer, people.seller):
        change(user)
    withdrawn = refusal(
        lambda: disputing.order_withdrawal(escrow_id=opened.escrow_id, **acting(people, "buyer"))
    )
    assert withdrawn == guarding.CODE
    declined = acting(people, "seller") | {"accept": False, "answer": "No."}
    found = refusal(lambda: payouts.answer_refund(escrow_id=opened.escrow_id, **declined))
    assert found == "no_refund_request"


def test_silence_waits_once_and_never_into_the_time_of_the_chain(
    people: stage.Cast,  # noqa: F811
    escrow: Escrow,  # noqa: F811
) -> None:
    delivery.deliver(escrow_id=escrow.pk, note="Done.", **acting(people, "seller"))
    escrow = Escrow.objects.select_related("deal").get(pk=escrow.pk)
    wait = deadlines.waiting(escrow.pk).get(kind=clocks.INSPECT)

    def rests(before_due: timedelta) -> timedelta | None:
        User.objects.filter(pk=people.buyer.pk).update(sign_in_changed_at=wait.due_at - before_due)
        end = guarding.rests_until(escrow, "buyer", wait)
        return end and end - wait.due_at

    assert rests(timedelta(hours=1)) == timedelta(hours=47)
    assert rests(timedelta(hours=49)) is None
    assert rests(timedelta(hours=-40)) == HOURS_48, "changed again while it waits: not longer"
    escrow.marked_until = wait.due_at + timedelta(hours=30)
    assert rests(timedelta(hours=1)) == timedelta(hours=6), "a day before anyone could claim"
    assert guarding.rests_until(escrow, "seller", wait) is None


def test_no_address_that_was_not_used_before_becomes_part_of_terms(
    people: stage.Cast,  # noqa: F811
    token: Any,  # noqa: F811
) -> None:
    first = stage.agreed(people, token, 250 * stage.USDT)
    assert first.agreed_version is not None
    terms = from_json(first.agreed_version.terms)

    def draft(address: str) -> Party:
        new = deals.create_draft(
            user=people.seller, role="seller", agreement=terms, own_address=address,
            counterparty_email=people.buyer.email,
        )  # fmt: skip
        return new.parties.get(role="seller")

    mine, theirs = draft(stage.ADDRESSES["seller"]), draft(ANOTHER)
    change(people.seller)
    deals.propose(deal_id=mine.deal_id, party=mine)
    assert refusal(lambda: deals.propose(deal_id=theirs.deal_id, party=theirs)) == guarding.CODE
    buyer = deals.join(invite_token=mine.deal.parties.get(role="buyer").invite_token, user=people.buyer)
    deals.set_address(deal_id=mine.deal_id, party=buyer, address=stage.ADDRESSES["buyer"])
    deals.counter(deal_id=mine.deal_id, party=buyer, agreement=replace(terms, title="A smaller website"))
    moved = {"deal_id": mine.deal_id, "party": mine, "address": ANOTHER}
    assert refusal(lambda: deals.set_address(**moved)) == guarding.CODE
    counter = {"deal_id": mine.deal_id, "party": mine, "agreement": replace(terms, title="Another website")}
    assert refusal(lambda: deals.counter(**counter)) == ""


def test_the_first_address_of_an_account_works_at_once(
    people: stage.Cast,  # noqa: F811
    token: Any,  # noqa: F811
) -> None:
    for user in (people.buyer, people.seller):
        change(user)
    assert stage.agreed(people, token, 250 * stage.USDT).state == "agreed"


def test_a_buyer_who_changes_the_password_pays_nothing_by_hand_or_by_silence_and_both_read_why(
    desk: Desk,
) -> None:
    escrow = desk.funded(250 * USDT)  # noqa: F811
    deliver(desk, escrow)
    desk.travel(timedelta(days=6))
    buyer, seller = Browser(), Client()
    buyer.force_login(desk.cast.buyer)
    seller.force_login(desk.cast.seller)
    page = f"/deals/{escrow.deal_id}/escrows/{escrow.pk}/"
    assert "how you sign in" not in buyer.get(page).content.decode()
    new = "another long sentence"
    form = {"oldpassword": "correct horse", "password1": new, "password2": new}
    assert buyer.post("/accounts/password/change/", form).status_code == 302
    release = buyer.post(f"{page}release/", {"how_much": "all", "password": new})
    assert "No money has moved" in release.content.decode()
    assert "You changed how you sign in" in buyer.get(page).content.decode()
    assert "changed how they sign in" in seller.get(page).content.decode()
    desk.travel(timedelta(days=1, hours=12))
    assert desk.state(escrow) == "delivered"
    desk.travel(timedelta(hours=13))
    assert desk.state(escrow) == "released"
