"""A difference of books and chain that is not explained stops all that its token pays; a person starts it."""

from dataclasses import dataclass, replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Permission
from django.db import transaction
from django.db.models.functions import Now

from chain import selectors as chain_reads
from chain.models import Alarm, Call, Token
from core.errors import Held, Invalid
from core.models import AuditEntry, LongRound
from payments.books import reconcile, unexplained
from payments.books.post import post
from payments.models import Escrow, KillSwitch
from payments.services import controls
from tests.browser import Browser
from tests.chain.fixtures import USDT, Engine
from tests.disputes import cast as stage
from tests.disputes.test_on_chain import people
from tests.payments.acts import dispute, refund, release, rule, token_owner
from tests.payments.fixtures import BUYER_ADDRESS, SELLER_ADDRESS, Desk, UserFactory, actor
from tests.payments.pages.conftest import Clients, clients
from tests.payments.test_books import lines, unposted
from tests.payments.test_deposits import other_token, pay_other

__all__ = ["clients", "people"]
MINUTES = timedelta(minutes=5)


def misbook(desk: Desk, escrow: Escrow, units: int, n: int = 0) -> None:
    """A posting that balances and that no transfer stands for."""
    event = unposted(desk)
    event.seq += 1_000 * n
    with transaction.atomic():
        post(event, escrow, "by hand", lines(escrow, units, -units))


def is_stopped(desk: Desk) -> bool:
    return KillSwitch.objects.filter(kind="token", token=desk.token, stopped=True).exists()


def start(desk: Desk, reason: str = "a line was wrong") -> None:
    controls.set_switch(
        network=desk.engine.network,
        kind=KillSwitch.Kind.TOKEN,
        token=desk.token,
        stopped=False,
        reason=reason,
        acting=actor(desk.cast.stranger),
    )


@pytest.fixture
def usdx(engine: Engine, usdt: Token) -> str:
    """A second token, there before the gate: its keys may pay it too. Name it before the desk."""
    return other_token(SimpleNamespace(engine=engine))


def in_other_token(desk: Desk, address: str) -> Escrow:
    escrow = desk.agreed(90 * USDT, token=address).escrows.get()
    pay_other(desk, address, escrow, 90 * USDT)
    desk.settle()
    assert desk.state(escrow) == "funded"
    return escrow


def test_it_stops_every_escrow_of_the_token_and_no_other_token_until_a_person_starts_it(
    usdx: str, desk: Desk
) -> None:
    wrong, other, waiting = (desk.funded(units * USDT) for units in (250, 90, 70))
    elsewhere = in_other_token(desk, usdx)
    misbook(desk, wrong, 5)
    release(desk, waiting)
    reconcile.run(desk.engine.network)
    assert is_stopped(desk)
    assert (desk.fresh(wrong).frozen, desk.fresh(other).frozen) == (True, False)
    alarm = Alarm.objects.get(kind="token_stopped", resolved_at=None)
    assert (alarm.subject, "off by -5" in alarm.detail) == (desk.token.address, True)
    for attempt in (release, refund):
        with pytest.raises(Held, match="Payouts of this token"):
            attempt(desk, other)
    release(desk, elsewhere)
    desk.settle()
    assert (desk.state(elsewhere), desk.state(waiting)) == ("released", "releasing")
    assert Call.objects.filter(held=True).count() == 1
    misbook(desk, wrong, -5, 5)
    assert reconcile.run(desk.engine.network) == []
    desk.settle()
    assert is_stopped(desk)  # nothing starts it by itself
    with pytest.raises(Invalid):
        start(desk, " ")
    start(desk)
    assert not Alarm.objects.filter(kind="token_stopped", resolved_at=None).exists()
    desk.settle()
    release(desk, other)
    desk.settle()
    assert (desk.state(waiting), desk.state(other)) == ("released", "released")
    story = AuditEntry.objects.filter(subject_id=f"{desk.engine.network.slug}:token:{desk.token.address}")
    assert [entry.action for entry in story.order_by("id")] == ["switch.stopped", "switch.started"]


def test_a_ruling_is_executed_while_its_token_is_stopped(desk: Desk) -> None:
    """T13: not executed in time it would become the fallback."""
    wrong, disputed = desk.funded(250 * USDT), desk.funded(90 * USDT)
    misbook(desk, wrong, 5)
    reconcile.run(desk.engine.network)
    dispute(desk, disputed)
    desk.settle()
    rule(desk, disputed, 40 * USDT, 50 * USDT)
    desk.settle()
    assert (desk.state(disputed), is_stopped(desk)) == ("settled", True)
    misbook(desk, wrong, -5, 5)


def destroyed(desk: Desk, escrow: Escrow) -> None:
    for name in ("addBlackList", "destroyBlackFunds"):
        token_owner(desk, name, escrow.vault_address)
    desk.settle()


def test_funds_that_the_tokens_owner_destroyed_explain_a_difference(desk: Desk) -> None:
    gone, other = desk.funded(250 * USDT), desk.funded(90 * USDT)
    destroyed(desk, gone)
    assert len(reconcile.run(desk.engine.network)) == 1
    assert (desk.fresh(gone).frozen, is_stopped(desk)) == (True, False)
    release(desk, other)
    desk.settle()
    assert desk.state(other) == "released"
    misbook(desk, gone, -250 * USDT)


def test_what_goes_beyond_the_destroyed_funds_is_not_explained(desk: Desk) -> None:
    gone = desk.funded(250 * USDT)
    destroyed(desk, gone)
    misbook(desk, gone, 5)
    reconcile.run(desk.engine.network)
    assert is_stopped(desk)
    misbook(desk, gone, -250 * USDT - 5, 5)


@dataclass(frozen=True)
class Found:
    vault: str
    token: str
    books: int
    chain: int
    block: int


def test_transfers_that_are_final_and_not_posted_yet_explain_a_difference_to_the_unit(desk: Desk) -> None:
    escrow = desk.funded(250 * USDT)
    desk.pay(escrow, 40 * USDT)
    desk.engine.mine(4)
    final = chain_reads.final_head(desk.engine.network)
    assert final is not None
    found = Found(escrow.vault_address, desk.token.address, 250 * USDT, 290 * USDT, final[0])
    assert not unexplained.stop_token(desk.engine.network, found)
    assert unexplained.stop_token(desk.engine.network, replace(found, chain=290 * USDT - 1))
    assert unexplained.stop_token(desk.engine.network, replace(found, block=final[0] - 4))
    start(desk)


def next_round(desk: Desk) -> None:
    """Whole rounds of the comparison begin once an hour."""
    LongRound.objects.update(began_at=Now() - timedelta(hours=2))
    reconcile.run(desk.engine.network)


def test_a_difference_that_a_person_knows_stops_the_token_once_and_a_new_one_again(desk: Desk) -> None:
    wrong = desk.funded(250 * USDT)
    misbook(desk, wrong, 5)
    reconcile.run(desk.engine.network)
    start(desk, "one vault alone; it stays frozen")
    next_round(desk)
    assert not is_stopped(desk)
    misbook(desk, wrong, 2, 5)
    next_round(desk)
    assert is_stopped(desk)
    start(desk)
    controls.unfreeze(escrow_id=wrong.pk, reason="it is fine", acting=actor(desk.cast.stranger))
    next_round(desk)
    assert is_stopped(desk)  # nobody may believe that it is gone
    misbook(desk, wrong, -7, 9)
    start(desk)


def test_two_tokens_that_differ_in_one_vault_are_known_each(usdx: str, desk: Desk) -> None:
    wrong = desk.funded(250 * USDT)
    pay_other(desk, usdx, wrong, 30 * USDT)
    desk.settle()
    first = reconcile.Difference(wrong.vault_address, desk.token.address, 5, 0, 10**9)
    network = desk.engine.network
    assert unexplained.stop_token(network, first)
    assert unexplained.stop_token(network, replace(first, token=usdx))
    Escrow.objects.filter(pk=wrong.pk).update(frozen=True)
    assert not unexplained.stop_token(network, first)
    assert not unexplained.stop_token(network, replace(first, token=usdx))
    told = Alarm.objects.filter(kind="books_unexplained", resolved_at=None)
    assert told.count() == 2
    controls.unfreeze(escrow_id=wrong.pk, reason="it is fine", acting=actor(desk.cast.stranger))
    assert not told.exists()


def test_surplus_in_a_stopped_token_waits_and_lets_other_surplus_pass(desk: Desk) -> None:
    wrong, escrow = desk.funded(250 * USDT), desk.funded(90 * USDT)
    address = other_token(desk)
    misbook(desk, wrong, 5)
    reconcile.run(desk.engine.network)
    desk.pay(escrow, 40 * USDT)
    desk.settle()  # comes to rest
    pay_other(desk, address, escrow, 30 * USDT)
    desk.settle()
    assert (desk.balance(BUYER_ADDRESS), desk.balance(BUYER_ADDRESS, address)) == (0, 30 * USDT)
    misbook(desk, wrong, -5, 5)
    start(desk)
    desk.platform_travels(MINUTES)
    desk.settle()
    assert desk.balance(BUYER_ADDRESS) == 40 * USDT
    assert desk.balance(SELLER_ADDRESS) == 0


def stopped_switch(desk: Desk) -> tuple[KillSwitch, str]:
    token = Token.objects.get(pk=desk.token.pk)
    switch = controls.set_switch(
        network=desk.engine.network,
        kind="token",
        token=token,
        stopped=True,
        reason="books differ",
        acting=actor(desk.cast.stranger),
    )
    return switch, f"/admin/payments/killswitch/{switch.pk}/"


def test_an_operator_starts_a_token_with_a_reason_and_by_no_other_way(desk: Desk) -> None:
    switch, address = stopped_switch(desk)
    user = UserFactory(email="operator@example.org", is_staff=True)
    rights = Permission.objects.filter(
        codename__in=("view_killswitch", "change_killswitch", "add_killswitch")
    )
    user.user_permissions.set(rights)
    client = Browser()
    client.force_login(user)
    form = {"_form_submitted": "on", "reason": " ", "own_password": "correct horse"}
    client.get(f"{address}start/")
    client.post(f"{address}start/", form)
    client.post(f"{address}change/", {"stopped": "", "reason": ""})
    made = {"network": switch.network_id, "kind": "token", "reason": "x"}
    assert client.post("/admin/payments/killswitch/add/", made).status_code == 200
    client.post(f"{address}start/", form | {"reason": "a line was wrong", "own_password": "a guess"})
    assert is_stopped(desk) and KillSwitch.objects.count() == 1
    assert f"{address}start/" in client.get(f"{address}change/").content.decode()
    client.post(f"{address}start/", form | {"reason": "a line was wrong"})
    assert not is_stopped(desk)
    entry = AuditEntry.objects.get(action="switch.started")
    assert (entry.actor_label, entry.data["reason"]) == (user.name, "a line was wrong")
    client.post("/admin/payments/killswitch/add/", made | {"kind": "release", "stopped": "on"})
    plain = KillSwitch.objects.get(kind="release")
    assert plain.stopped
    change = f"/admin/payments/killswitch/{plain.pk}/change/"
    client.post(change, {"reason": "over"})
    assert KillSwitch.objects.get(pk=plain.pk).stopped, "lifted only with the password"
    client.post(change, {"reason": "over", "own_password": "correct horse"})
    assert not KillSwitch.objects.get(pk=plain.pk).stopped
    for other in (plain.pk, "abc", "1_2F", "%00"):
        address = f"/admin/payments/killswitch/{other}/start/"
        assert client.post(address, form | {"reason": "x"}).status_code == 404


def test_nobody_else_starts_a_token(desk: Desk, clients: Clients, people: stage.Cast) -> None:
    _, address = stopped_switch(desk)
    form = {"_form_submitted": "on", "reason": "why not"}
    for client in (clients.stranger, clients.buyer, clients.anonymous):
        assert client.post(f"{address}start/", form).status_code == 302
    for person in (people.arbitrator, people.lead):
        client = Browser()
        client.force_login(person)
        assert client.post(f"{address}start/", form).status_code == 403
    assert is_stopped(desk)
