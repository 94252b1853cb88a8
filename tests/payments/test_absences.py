"""A party who cannot act: what is open is held and listed, and a person decides."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import User
from accounts.services import access
from chain.models import Alarm
from core import clock, deadlines, outbox
from core.errors import Held
from partners.models import Partner
from partners.services import keys
from payments.models import Absence, AbsenceHold, Deal, Escrow, Party
from payments.services import absences, clocks, controls
from payments.tasks import compare_absent, hold_absent
from tests.chain.fixtures import USDT
from tests.payments.acts import DAY, dispute, release
from tests.payments.fixtures import Desk, UserFactory, actor
from tests.payments.test_incidents import delivered


def switch_off(desk: Desk, person: User) -> None:
    access.disable(person.pk, desk.cast.stranger)
    outbox.drain()
    hold_absent()


def alarms() -> list[str]:
    return list(Alarm.objects.filter(kind="party_away", resolved_at=None).values_list("subject", flat=True))


def test_who_is_switched_off_loses_nothing_by_silence_and_a_person_lifts_the_hold(desk: Desk) -> None:
    escrow = delivered(desk)
    switch_off(desk, desk.cast.buyer)
    assert desk.fresh(escrow).held_reason == "the account of a party is switched off"
    assert alarms() == [escrow.pk]
    desk.travel(8 * DAY)
    assert (desk.state(escrow), escrow.orders.filter(kind="pay").count()) == ("delivered", 0)
    access.enable(desk.cast.buyer.pk, desk.cast.stranger)
    outbox.drain()
    hold_absent()
    assert desk.fresh(escrow).held_reason
    assert Absence.objects.get().ended_at
    controls.lift_hold(escrow_id=escrow.pk, acting=actor(desk.cast.stranger))
    assert alarms() == []
    desk.platform_travels(timedelta(minutes=1))
    desk.settle()
    assert desk.state(escrow) == "released"


def test_what_a_person_lifted_stays_lifted_until_the_next_time(desk: Desk) -> None:
    escrow, person = desk.funded(250 * USDT), desk.cast.seller
    for times in (1, 2):
        switch_off(desk, person)
        assert desk.fresh(escrow).held_reason
        controls.lift_hold(escrow_id=escrow.pk, acting=actor(desk.cast.stranger))
        hold_absent()
        compare_absent()
        hold_absent()
        assert not desk.fresh(escrow).held_reason
        assert AbsenceHold.objects.count() == times
        access.enable(person.pk, desk.cast.stranger)
        outbox.drain()


def test_an_absence_that_ended_holds_nothing_that_came_after_it(desk: Desk) -> None:
    desk.agreed(90 * USDT)
    switch_off(desk, desk.cast.buyer)
    access.enable(desk.cast.buyer.pk, desk.cast.stranger)
    outbox.drain()
    escrow = desk.agreed(250 * USDT).escrows.get()
    switch_off(desk, desk.cast.buyer)
    holds = AbsenceHold.objects.filter(escrow=escrow)
    assert list(holds.values_list("absence__ended_at", flat=True)) == [None]
    assert desk.fresh(escrow).held_reason == "the account of a party is switched off"


def test_a_lost_event_is_made_good_and_what_comes_later_is_held_too(desk: Desk) -> None:
    first = desk.funded(250 * USDT)
    User.objects.filter(pk=desk.cast.buyer.pk).update(is_active=False)
    hold_absent()
    assert not desk.fresh(first).held_reason
    compare_absent()
    hold_absent()
    assert desk.fresh(first).held_reason
    User.objects.filter(pk=desk.cast.buyer.pk).update(is_active=True)
    second = desk.agreed(90 * USDT).escrows.get()
    User.objects.filter(pk=desk.cast.buyer.pk).update(is_active=False)
    hold_absent()
    assert desk.fresh(second).held_reason
    assert set(AbsenceHold.objects.values_list("escrow", flat=True)) == {first.pk, second.pk}


def test_another_hold_keeps_its_reason_and_what_ended_is_left_alone(desk: Desk) -> None:
    paid, open_ = desk.funded(50 * USDT), desk.funded(250 * USDT)
    release(desk, paid)
    desk.settle()
    controls.place_hold(escrow_id=open_.pk, reason="a look", acting=actor(desk.cast.stranger))
    switch_off(desk, desk.cast.buyer)
    assert desk.fresh(open_).held_reason == "a look; the account of a party is switched off"
    assert not desk.fresh(paid).held_reason
    assert absences.hold_due() == 0


def test_the_other_side_may_dispute_and_money_leaves_to_nobody(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    switch_off(desk, desk.cast.seller)
    with pytest.raises(Held):
        release(desk, escrow)
    dispute(desk, escrow)
    desk.settle()
    assert desk.state(escrow) == "disputed"


def test_a_deadline_of_the_absent_passes_nothing_on_while_held(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    switch_off(desk, desk.cast.seller)
    desk.travel(40 * DAY)
    assert desk.state(escrow) == "funded"
    assert deadlines.waiting(escrow.pk).filter(kind=clocks.UNDELIVERED, due_at__lt=clock.now()).exists()


def test_operators_find_what_is_held_because_somebody_is_away(desk: Desk) -> None:
    escrow: Escrow = desk.funded(250 * USDT)
    switch_off(desk, desk.cast.seller)
    operator = UserFactory(email="operator@example.org", is_staff=True)
    address, client = "/admin/payments/absencehold/", Client()
    client.force_login(operator)
    assert client.get(address).status_code == 403
    operator.user_permissions.add(Permission.objects.get(codename="view_absencehold"))
    page = client.get(address)
    assert page.status_code == 200
    text = page.content.decode()
    assert escrow.pk in text or str(escrow) in text
    assert "Seller" in text
    client.force_login(desk.cast.stranger)
    assert client.get(address).status_code == 302


def test_a_party_that_only_its_partner_acts_for_is_away_when_no_key_of_it_works(desk: Desk) -> None:
    escrow, other = desk.funded(250 * USDT), desk.funded(90 * USDT)
    staff = actor(desk.cast.stranger)
    partner = Partner.objects.create(name="Market", owner=desk.cast.stranger, created=clock.now())
    key = keys.create_key(partner, livemode=True, scopes=["read"], actor=staff).key
    Deal.objects.filter(pk__in=(escrow.deal_id, other.deal_id)).update(partner=partner)
    # The other deal's seller has an account and can act on the pages.
    Party.objects.filter(deal=escrow.deal_id, role="seller").update(user=None, email="", delegated=True)
    compare_absent()
    assert not Absence.objects.exists()
    keys.revoke(key, actor=staff)
    compare_absent()
    hold_absent()
    assert desk.fresh(escrow).held_reason == "nobody can act for a party"
    assert not desk.fresh(other).held_reason
    keys.create_key(partner, livemode=True, scopes=["read"], actor=staff)
    compare_absent()
    assert Absence.objects.get().ended_at
    assert desk.fresh(escrow).held_reason
