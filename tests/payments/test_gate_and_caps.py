"""The gate is the operator, seats are contracts, and what is above a cap waits for a second person."""

import dataclasses
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission
from eth_account import Account

from accounts.models import User
from chain.models import Alarm, Call, Sender
from chain.rpc import pool
from contracts import calls
from contracts import gate as gate_contract
from contracts.artifacts import ESCROW_ADDRESS
from core import clock
from core.errors import Conflict, Forbidden, Held, Invalid
from core.models import AuditEntry, Deadline
from payments.models import Approval, Budget, Escrow, EscrowPolicy, Order
from payments.services import approving, budgets, controls
from tests.browser import Browser
from tests.chain.fixtures import USDT
from tests.payments.acts import DAY, deliver, dispute, refund, release, rule, withdraw
from tests.payments.fixtures import BUYER_ADDRESS, SELLER_ADDRESS, Cast, Desk, UserFactory, actor
from tests.payments.test_concurrency import at_once
from wallets.models import Gate, GateGrant, Seat
from wallets.services import gates
from wallets.services.seats import create_seat


@pytest.fixture
def low_caps(settings: Any) -> None:
    settings.PAYOUT_CAPS = {"per_escrow": "100", "per_day": "150"}


@pytest.fixture
def capped(low_caps: None, desk: Desk) -> Desk:
    """A desk whose gate lets the payout key decide escrows up to 100 USDT, 150 USDT a day, whoever it is."""
    EscrowPolicy.objects.update(party_budget_bps=10_000, deal_budget_bps=10_000)
    return desk


def approver(name: str = "olga") -> User:
    person = UserFactory(email=f"{name}@example.org", is_staff=True)
    person.user_permissions.add(Permission.objects.get(codename="approve_payout"))
    return User.objects.get(pk=person.pk)


def newest(escrow: Escrow, kind: str) -> Order:
    return escrow.orders.select_related("call").filter(kind=kind).order_by("-created").first()


def waiting(escrow: Escrow) -> Approval:
    return Approval.objects.get(order__escrow=escrow, state="waiting")


def sender(desk: Desk, purpose: str) -> Sender:
    return Sender.objects.get(network=desk.engine.network, purpose=purpose)


def gate_of(desk: Desk) -> Gate:
    return Gate.objects.select_related("network").get(network=desk.engine.network)


def open_alarms(kind: str) -> int:
    return Alarm.objects.filter(kind=kind, resolved_at__isnull=True).count()


# Who is named, and what goes where -------------------------------------------------------------------


def test_new_escrows_name_the_gate_as_operator_and_contracts_as_seats(desk: Desk) -> None:
    escrow = desk.funded()
    gate = gate_of(desk)
    assert desk.terms(escrow).operator == gate.address
    assert gate.address not in Sender.objects.values_list("address", flat=True)
    named = Seat.objects.filter(address__in=escrow.arbiters)
    assert named.count() == len(escrow.arbiters) == 4
    for seat in named:
        assert seat.address != seat.key.address
        assert pool.run(desk.engine.network, lambda rpc, seat=seat: rpc.code(seat.address))


def test_what_an_operator_does_goes_to_the_gate_and_what_anyone_may_do_straight_to_the_contract(
    desk: Desk,
) -> None:
    gate = gate_of(desk).address
    escrow = desk.funded()
    deliver(desk, escrow)
    desk.settle()
    dispute(desk, escrow)
    desk.settle()
    rule(desk, escrow, escrow.amount, 0)
    desk.settle()
    assert desk.state(escrow) == "settled"
    sent = {order.kind: (order.call.purpose, order.call.target) for order in escrow.orders.all()}
    assert sent == {
        "mark": ("deadlines", gate),
        "dispute": ("deadlines", gate),
        "rule": ("deadlines", ESCROW_ADDRESS),
    }
    paid = desk.funded(50 * USDT)
    release(desk, paid)
    desk.settle()
    call = newest(paid, "pay").call
    assert (call.purpose, call.target, call.outcome) == ("payouts", gate, "done")
    assert desk.state(paid) == "released"


def test_a_withdrawn_dispute_goes_through_the_gate_with_the_payout_key(desk: Desk) -> None:
    escrow = desk.funded()
    dispute(desk, escrow)
    desk.settle()
    withdraw(desk, escrow)
    desk.settle()
    call = newest(escrow, "withdraw").call
    assert (call.purpose, call.target, call.outcome) == ("payouts", gate_of(desk).address, "done")
    assert desk.state(escrow) == "funded"
    # The gate counts the whole amount to its cap of the day; so do the budgets of both sides and the deal.
    assert list(Budget.objects.values_list("used", flat=True)) == [escrow.amount] * 3


def test_the_deadline_key_can_decide_nothing_alone(desk: Desk) -> None:
    escrow = desk.funded()
    item = calls.pay(desk.terms(escrow), to_seller=escrow.amount, to_buyer=0, left=escrow.amount)
    tx_hash = desk.as_party(sender(desk, "deadlines").address, item, to=gate_of(desk).address)
    desk.settle()
    assert int(desk.engine.chain.receipt(tx_hash)["status"], 16) == 0
    assert desk.state(escrow) == "funded"


def test_escrows_whose_terms_name_a_key_and_bare_seats_still_live(desk: Desk) -> None:
    bare = sorted((create_seat(f"bare {number}").address for number in range(4)), key=lambda a: int(a, 16))
    key = sender(desk, "payouts").address
    EscrowPolicy.objects.update(operator=key, seats=bare)
    escrow = desk.funded(9_000 * USDT)  # above the cap that only a gate knows
    deliver(desk, escrow)
    desk.settle()
    dispute(desk, escrow)
    desk.settle()
    withdraw(desk, escrow)
    desk.settle()
    sent = {order.kind: (order.call.purpose, order.call.target) for order in escrow.orders.all()}
    assert set(sent.values()) == {("payouts", ESCROW_ADDRESS)}
    dispute(desk, escrow)
    desk.settle()
    rule(desk, escrow, escrow.amount, 0)
    desk.settle()
    assert desk.state(escrow) == "settled"
    other = desk.funded(9_000 * USDT)
    release(desk, other)
    desk.settle()
    assert desk.state(other) == "released"
    assert not Approval.objects.exists()


# Above the cap of one escrow -------------------------------------------------------------------------


def test_a_release_above_the_cap_waits_for_a_second_person_and_then_pays(capped: Desk) -> None:
    escrow = capped.funded(250 * USDT)
    deliver(capped, escrow)
    release(capped, escrow)
    capped.settle()
    order = newest(escrow, "pay")
    assert (capped.state(escrow), order.state, order.call) == ("releasing", "live", None)
    assert open_alarms("approval_waits") == 1
    wait = Deadline.objects.get(subject_id=order.pk, state="waiting")
    assert wait.due_at < wait.backstop_at
    approving.approve(approval_id=waiting(escrow).pk, typed_amount="250.00", person=approver())
    capped.settle()
    order.refresh_from_db()
    assert (
        bytes(order.call.data)[:4]
        == gate_contract.act_approved(b"", second=BUYER_ADDRESS, deadline=0, signature=b"")[:4]
    )
    assert (capped.state(escrow), order.state, order.attempts) == ("released", "done", 1)
    assert capped.balance(SELLER_ADDRESS) == 247_500_000
    assert (open_alarms("approval_waits"), Approval.objects.get().state) == (0, "closed")
    assert not Deadline.objects.filter(subject_id=order.pk, state="waiting").exists()
    entry = AuditEntry.objects.get(action="payout.approved")
    assert (entry.subject_id, entry.data["escrow"]) == (order.pk, escrow.pk)


def test_who_ordered_a_payout_or_is_a_party_or_has_not_the_right_does_not_approve_it(capped: Desk) -> None:
    escrow = capped.funded(250 * USDT)
    release(capped, escrow)
    found = waiting(escrow)
    right = Permission.objects.get(codename="approve_payout")
    for person in (capped.cast.buyer, capped.cast.seller):
        person.user_permissions.add(right)
        with pytest.raises(Forbidden) as error:
            fresh = User.objects.get(pk=person.pk)
            approving.approve(approval_id=found.pk, typed_amount="250", person=fresh)
        assert error.value.code == "own_payout"
    with pytest.raises(Forbidden) as error:
        approving.approve(approval_id=found.pk, typed_amount="250", person=capped.cast.stranger)
    assert error.value.code == "not_an_approver"
    with pytest.raises(Invalid):
        approving.approve(approval_id=found.pk, typed_amount="25", person=approver())
    assert newest(escrow, "pay").call is None
    refund_later(capped, escrow)


def refund_later(desk: Desk, escrow: Escrow) -> None:
    """Nothing was sent for a payout that nobody approved; the buyer decides with a wallet of their own."""
    terms = desk.terms(escrow)
    data = calls.pay(terms, to_seller=escrow.amount, to_buyer=0, left=escrow.amount)
    desk.as_party(BUYER_ADDRESS, data)
    desk.settle()
    assert desk.state(escrow) == "released"


def test_a_held_escrow_is_not_approved(capped: Desk) -> None:
    escrow = capped.funded(250 * USDT)
    release(capped, escrow)
    olga = approver()
    controls.place_hold(escrow_id=escrow.pk, reason="odd", acting=actor(capped.cast.stranger))
    with pytest.raises(Held):
        approving.approve(approval_id=waiting(escrow).pk, typed_amount="250", person=olga)
    controls.lift_hold(escrow_id=escrow.pk, acting=actor(capped.cast.stranger))
    approving.approve(approval_id=waiting(escrow).pk, typed_amount="250", person=olga)
    capped.settle()
    assert capped.state(escrow) == "released"


def test_nobody_approves_twice(capped: Desk) -> None:
    escrow = capped.funded(250 * USDT)
    release(capped, escrow)
    found = waiting(escrow)
    approving.approve(approval_id=found.pk, typed_amount="250", person=approver())
    with pytest.raises(Conflict):
        approving.approve(approval_id=found.pk, typed_amount="250", person=approver("otto"))
    capped.settle()
    assert capped.state(escrow) == "released"


def test_a_release_that_nobody_approves_is_the_sellers_to_claim_at_the_backstop(capped: Desk) -> None:
    EscrowPolicy.objects.update(mark_at_once=False)  # where a mark costs money it would otherwise come late
    escrow = capped.funded(250 * USDT)
    deliver(capped, escrow)
    release(capped, escrow)
    capped.settle()
    marked = capped.fresh(escrow).marked_until
    assert marked is not None
    shown = Deadline.objects.get(subject_id=newest(escrow, "pay").pk, state="waiting").backstop_at
    assert abs(marked - shown) < timedelta(hours=1)
    capped.travel(25 * timedelta(hours=1))
    assert open_alarms("approval_overdue") == 1
    assert waiting(escrow).valid_until > shown - 8 * DAY
    capped.travel(marked - waiting(escrow).created)
    capped.as_party(SELLER_ADDRESS, calls.claim_delivered(capped.terms(escrow)))
    capped.settle()
    assert capped.state(escrow) == "released"
    assert capped.balance(SELLER_ADDRESS) == 247_500_000
    assert (open_alarms("approval_waits"), open_alarms("approval_overdue")) == (0, 0)
    assert Approval.objects.get().state == "closed"


def test_a_refund_that_nobody_approves_does_not_end_with_the_seller(capped: Desk) -> None:
    escrow = capped.funded(250 * USDT)
    deliver(capped, escrow)
    capped.settle()
    assert capped.fresh(escrow).marked_until
    refund(capped, escrow)
    capped.settle()
    found = capped.fresh(escrow)
    assert (found.state, found.marked_until) == ("refunding", None)
    capped.travel(found.deliver_by - waiting(escrow).created + DAY)
    capped.as_party(BUYER_ADDRESS, calls.claim_undelivered(capped.terms(escrow)))
    capped.settle()
    assert capped.state(escrow) == "refunded"
    assert capped.balance(BUYER_ADDRESS) == 250 * USDT


def test_a_dispute_ends_the_wait_for_approval(capped: Desk) -> None:
    escrow = capped.funded(250 * USDT)
    deliver(capped, escrow)
    release(capped, escrow)
    dispute(capped, escrow)
    capped.settle()
    assert capped.state(escrow) == "disputed"
    assert Approval.objects.get().state == "closed"
    assert open_alarms("approval_waits") == 0


def test_an_approval_serves_a_second_try_of_the_same_call_alone(capped: Desk) -> None:
    escrow = capped.funded(250 * USDT)
    release(capped, escrow)
    cold = capped.engine.chain.accounts[-1]
    approving.approve(approval_id=waiting(escrow).pk, typed_amount="250", person=approver())
    # The key is taken away before the call goes out: three refusals, three tries, then a person.
    gate = gate_of(capped)
    capped.engine.chain.send(
        gate.address, gate_contract.revoke(sender(capped, "payouts").address), sender=cold
    )
    capped.engine.chain.mine()
    capped.until(lambda: capped.state(newest(escrow, "pay")) == "needs_human")
    assert newest(escrow, "pay").attempts == 3
    assert Approval.objects.get().state == "given"
    assert [difference.key for difference in gates.inspect_gate(gate)] == [sender(capped, "payouts").address]
    refund_later(capped, escrow)


def test_a_second_key_that_is_kept_outside_signs_outside(capped: Desk) -> None:
    outside = Account.create()
    cold = capped.engine.chain.accounts[-1]
    gate = gates.ensure_gate(capped.engine.network, cold=cold, second=outside.address, renew=True)
    EscrowPolicy.objects.update(operator=gate.address)
    escrow = capped.funded(250 * USDT)
    release(capped, escrow)
    found, olga = waiting(escrow), approver()
    message = approving.typed_data(found)
    with pytest.raises(Conflict) as error:
        approving.approve(approval_id=found.pk, typed_amount="250", person=olga)
    assert error.value.code == "second_key_elsewhere"
    wrong = Account.create().sign_typed_data(full_message=message).signature
    with pytest.raises(Invalid):
        approving.approve(approval_id=found.pk, typed_amount="250", person=olga, signature=bytes(wrong))
    signature = bytes(outside.sign_typed_data(full_message=message).signature)
    approving.approve(approval_id=found.pk, typed_amount="250", person=olga, signature=signature)
    capped.settle()
    assert capped.state(escrow) == "released"


# Above the cap of a day ------------------------------------------------------------------------------


def test_what_the_chain_refuses_above_the_days_cap_waits_for_a_second_person_too(capped: Desk) -> None:
    others = strangers(capped)  # whose own budget is whole
    first, second = capped.funded(100 * USDT), others.funded(90 * USDT)
    release(capped, first)
    capped.settle()
    assert capped.state(first) == "released"
    release(others, second)
    capped.until(lambda: Approval.objects.filter(order__escrow=second).exists())
    found = waiting(second)
    assert found.why == "above the cap of the day"
    approving.approve(approval_id=found.pk, typed_amount="90", person=approver())
    capped.settle()
    assert capped.state(second) == "released"
    tries = Call.objects.filter(group=found.order_id).values_list("outcome", flat=True)
    assert sorted(tries) == ["done", "failed"]


# Above the budget of a party or a deal ---------------------------------------------------------------


def strangers(desk: Desk) -> Desk:
    """Two other people at the same desk."""
    names = ("another.buyer", "another.seller")
    buyer, seller = (UserFactory(email=f"{name}@example.org") for name in names)
    return dataclasses.replace(desk, cast=Cast(buyer, seller, desk.cast.stranger))


def test_one_persons_refunds_to_themselves_use_up_their_budget_and_nobody_elses(desk: Desk) -> None:
    EscrowPolicy.objects.update(party_budget_bps=100)  # 5,000 a day: the largest escrow, whatever the part
    GateGrant.objects.filter(per_day__gt=1).update(per_escrow=100 * USDT, per_day=4_000 * USDT)
    first, second = desk.funded(80 * USDT), desk.funded(30 * USDT)
    refund(desk, first)
    refund(desk, second)
    found = waiting(second)
    assert "without a second person" in found.why
    others = strangers(desk)
    paid = others.funded(90 * USDT)
    release(others, paid)
    desk.settle()
    assert (desk.state(first), desk.state(second), desk.state(paid)) == ("refunded", "refunding", "released")
    used = set(Budget.objects.filter(subject__startswith="party:").values_list("used", flat=True))
    assert used == {80 * USDT, 90 * USDT}
    approving.approve(approval_id=found.pk, typed_amount="30", person=approver())
    desk.settle()
    assert desk.state(second) == "refunded"


def test_one_deal_has_a_budget_of_its_own(desk: Desk) -> None:
    EscrowPolicy.objects.update(party_budget_bps=10_000, deal_budget_bps=100)
    GateGrant.objects.filter(per_day__gt=1).update(per_escrow=100 * USDT)
    escrow, other = desk.funded(40 * USDT), desk.funded(50 * USDT)
    subject = f"deal:{escrow.deal_id}"
    today = clock.now().date()
    Budget.objects.create(day=today, token=escrow.token, subject=subject, used=480 * USDT)
    refund(desk, escrow)
    refund(desk, other)
    desk.settle()
    assert (desk.state(escrow), desk.state(other)) == ("refunding", "refunded")
    assert waiting(escrow).why == "above what a party or a deal is paid in one day without a second person"
    refund_later(desk, escrow)


def test_of_payouts_at_once_no_more_pass_than_the_budget_holds(desk: Desk) -> None:
    GateGrant.objects.filter(per_day__gt=1).update(per_escrow=100 * USDT)
    EscrowPolicy.objects.update(party_budget_bps=20)
    escrows = [desk.funded(40 * USDT) for _ in range(4)]
    at_once(*[partial(refund, desk, escrow) for escrow in escrows])
    assert Approval.objects.filter(state="waiting").count() == 2
    mine = Budget.objects.filter(subject=f"party:{desk.cast.buyer.pk}")
    assert [row.used for row in mine] == [80 * USDT]
    desk.settle()
    assert sorted(desk.state(escrow) for escrow in escrows) == ["refunded"] * 2 + ["refunding"] * 2


def test_half_of_the_days_cap_calls_a_human_until_the_day_is_over(desk: Desk) -> None:
    GateGrant.objects.filter(per_day__gt=1).update(per_day=1_000 * USDT, per_escrow=600 * USDT)
    escrow = desk.funded(600 * USDT)
    budgets.watch(desk.engine.network)
    assert open_alarms(budgets.HALF_USED) == 0
    refund(desk, escrow)
    budgets.watch(desk.engine.network)
    assert open_alarms(budgets.HALF_USED) == 1
    desk.settle()
    with clock.travelled(DAY):
        budgets.watch(desk.engine.network)
    assert open_alarms(budgets.HALF_USED) == 0


def test_who_has_the_right_changes_the_budgets_with_a_reason(desk: Desk) -> None:
    address = f"/admin/payments/escrowpolicy/{desk.engine.network.pk}/budgets/"
    form = {"_form_submitted": "on", "party_bps": "500", "deal_bps": "250", "reason": "a sale"}
    form |= {"own_password": "correct horse"}
    client, plain = Browser(), UserFactory(email="plain@example.org", is_staff=True)
    client.force_login(plain)
    assert client.post(address, form).status_code == 403
    client.force_login(desk.cast.stranger)
    assert client.post(address, form).status_code == 302
    plain.user_permissions.add(Permission.objects.get(codename="change_escrowpolicy"))
    client.force_login(User.objects.get(pk=plain.pk))
    for wrong in ({"reason": " "}, {"own_password": "a guess"}):
        client.post(address, form | wrong)
        assert EscrowPolicy.objects.get().party_budget_bps == 1_000
    assert "are changed" in client.post(address, form).content.decode()
    policy = EscrowPolicy.objects.get()
    assert (policy.party_budget_bps, policy.deal_budget_bps) == (500, 250)
    assert AuditEntry.objects.get(action="policy.budgets").data["reason"] == "a sale"
    plain.user_permissions.add(Permission.objects.get(codename="view_budget"))
    client.force_login(User.objects.get(pk=plain.pk))
    assert client.get("/admin/payments/budget/").status_code == 200


# The console -----------------------------------------------------------------------------------------


def test_in_the_console_only_an_approver_sees_and_gives_approvals(capped: Desk) -> None:
    escrow = capped.funded(250 * USDT)
    release(capped, escrow)
    capped.settle()
    address = f"/admin/payments/approval/{quote(waiting(escrow).pk)}/"
    form = {"_form_submitted": "on", "typed_amount": "250.00", "signature": ""}
    form |= {"own_password": "correct horse"}
    olga = approver()
    client = Browser()
    client.force_login(olga)
    client.post(f"{address}approve/", form | {"own_password": "a guess"})
    assert waiting_or_given(escrow) == "waiting"
    assert "approve" in client.post(f"{address}approve/", form).content.decode().lower()
    assert waiting_or_given(escrow) == "given"
    plain = Browser()
    plain.force_login(UserFactory(email="plain@example.org", is_staff=True))
    assert plain.post(f"{address}approve/", form).status_code == 403
    capped.settle()
    assert capped.state(escrow) == "released"


def waiting_or_given(escrow: Escrow) -> str:
    return Approval.objects.get(order__escrow=escrow).state


def test_both_sides_read_that_a_payment_waits_for_a_second_person(capped: Desk) -> None:
    escrow = capped.funded(250 * USDT)
    release(capped, escrow)
    client = Browser()
    for person in (capped.cast.buyer, capped.cast.seller):
        client.force_login(person)
        page = client.get(f"/deals/{escrow.deal_id}/escrows/{escrow.pk}/", follow=True).content.decode()
        assert "waits for a second person" in page
    approving.approve(approval_id=waiting(escrow).pk, typed_amount="250", person=approver())
    page = client.get(f"/deals/{escrow.deal_id}/escrows/{escrow.pk}/", follow=True).content.decode()
    assert "waits for a second person" not in page
    capped.settle()


def test_the_caps_that_the_gate_has_are_written_down(capped: Desk) -> None:
    payouts, idle = sender(capped, "payouts").address, sender(capped, "deadlines").address
    caps = {grant.key: (grant.per_escrow, grant.per_day) for grant in GateGrant.objects.all()}
    assert caps == {payouts: (100 * USDT, 150 * USDT), idle: (1, 1)}
    assert gates.inspect_gate(gate_of(capped)) == []
