"""Random lives: parties, wallets, strangers, clocks, holds and a moody token, in any order.

Whatever happened, at rest: books = chain (the desk compares), the platform knows what the chain decided,
nobody got a unit that did not come in, and nothing is left that no clock, order or person will finish.
"""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from chain.models import Call
from contracts import calls, views
from contracts.calls import LegKind, Side
from contracts.events import Status
from core import deadlines
from core.errors import DomainError
from payments.models import Order, PayoutLeg
from payments.services import controls, extending, payouts
from payments.states import CLOSED, TERMINAL
from tests.chain.fixtures import USDT, NodeRefused
from tests.payments import acts
from tests.payments.fixtures import BUYER_ADDRESS, FEE_ADDRESS, SELLER_ADDRESS, Desk, actor

STEPS = 45


class Life:
    """One escrow and a source of chance."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk, self.chance = desk, random.Random(seed)
        self.escrow = desk.agreed(250 * USDT).escrows.get()
        self.came_in = 0
        self.told: list[str] = []
        self.pay(self.chance.choice([250, 250, 250, 250, 100, 300]) * USDT)
        desk.settle()

    def step(self) -> None:
        act = self.chance.choice(ACTS)
        try:
            act(self)
            self.told.append(act.__name__)
        except (DomainError, NodeRefused) as error:
            self.told.append(f"({act.__name__}: {error})")

    # ---- people ----

    def deliver(self) -> None:
        acts.deliver(self.desk, self.escrow)

    def release(self) -> None:
        acts.release(self.desk, self.escrow, self.part())

    def refund(self) -> None:
        acts.refund(self.desk, self.escrow, self.part())

    def request_changes(self) -> None:
        acts.request_changes(self.desk, self.escrow)

    def ask_refund(self) -> None:
        acts.ask_refund(self.desk, self.escrow)

    def answer_refund(self) -> None:
        acts.answer_refund(self.desk, self.escrow, accept=self.chance.random() < 0.3)

    def take_back(self) -> None:
        payouts.take_back(escrow_id=self.escrow.pk, role="buyer", acting=actor(self.desk.cast.buyer))

    def return_late_money(self) -> None:
        payouts.return_late_money(escrow_id=self.escrow.pk, role="buyer", acting=actor(self.desk.cast.buyer))

    def dispute(self) -> None:
        acts.dispute(self.desk, self.escrow, self.side())

    def withdraw(self) -> None:
        acts.withdraw(self.desk, self.escrow, self.side())

    def rule(self) -> None:
        left = self.desk.fresh(self.escrow).remainder
        part = self.chance.choice([0, left, left // 3])
        acts.rule(self.desk, self.escrow, part, left - part)

    def retry_leg(self) -> None:
        for leg in self.escrow.legs.filter(state="blocked"):
            payouts.retry_leg(leg_id=leg.pk, acting=actor(self.desk.cast.stranger), by_operator=True)

    def give_time(self) -> None:
        days, acting = self.chance.choice([1, 3, 9]), actor(self.desk.cast.stranger)
        extending.give_time(escrow_id=self.escrow.pk, days=days, reason="chance", acting=acting)

    def hold(self) -> None:
        controls.place_hold(escrow_id=self.escrow.pk, reason="chance", acting=actor(self.desk.cast.stranger))

    def lift(self) -> None:
        controls.lift_hold(escrow_id=self.escrow.pk, acting=actor(self.desk.cast.stranger))

    # ---- wallets and strangers ----

    def wallet_pays(self) -> None:
        units = self.chance.choice([10 * USDT, self.escrow.amount])
        left = self.desk.fresh(self.escrow).remainder
        for_seller = self.chance.random() < 0.5
        data = calls.pay(
            self.terms,
            to_seller=min(units, left) if for_seller else 0,
            to_buyer=0 if for_seller else min(units, left),
            left=left,
        )
        self.desk.as_party(BUYER_ADDRESS if for_seller else SELLER_ADDRESS, data)

    def wallet_disputes(self) -> None:
        side = self.chance.choice([Side.BUYER, Side.SELLER])
        data = calls.dispute(self.terms, side=side, evidence_hash=bytes(32))
        self.desk.as_party(BUYER_ADDRESS if side == Side.BUYER else SELLER_ADDRESS, data)

    def wallet_withdraws(self) -> None:
        address = self.chance.choice([BUYER_ADDRESS, SELLER_ADDRESS])
        self.desk.as_party(address, calls.withdraw_dispute(self.terms))

    def wallet_appeals(self) -> None:
        side = self.chance.choice([Side.BUYER, Side.SELLER])
        data = calls.appeal(self.terms, side=side)
        self.desk.as_party(BUYER_ADDRESS if side == Side.BUYER else SELLER_ADDRESS, data)

    def wallet_cancels(self) -> None:
        self.desk.as_party(SELLER_ADDRESS, calls.cancel(self.terms))

    def wallet_marks(self) -> None:
        self.desk.as_party(SELLER_ADDRESS, calls.mark_delivered(self.terms))

    def wallet_reopens(self) -> None:
        self.desk.as_party(BUYER_ADDRESS, calls.reopen_delivery(self.terms))

    def stranger_claims(self) -> None:
        claims = (calls.claim_delivered, calls.claim_undelivered, calls.claim_unfunded, calls.claim_fallback)
        self.desk.engine.chain.send(self.contract, self.chance.choice(claims)(self.terms))

    def stranger_rescues(self) -> None:
        self.desk.engine.chain.send(self.contract, calls.rescue(self.terms, token=self.desk.token.address))

    def stranger_pays_leg(self) -> None:
        kind = self.chance.choice(list(LegKind))
        self.desk.engine.chain.send(self.contract, calls.pay_leg(self.terms, kind=kind))

    def more_money(self) -> None:
        self.pay(self.chance.choice([1, USDT, 150 * USDT]))

    def token_refuses(self) -> None:
        acts.refuse_recipient(self.desk, self.chance.choice([SELLER_ADDRESS, BUYER_ADDRESS, FEE_ADDRESS]))

    def token_pays_again(self) -> None:
        acts.refuse_recipient(self.desk, None)

    # ---- time ----

    def days(self) -> None:
        by = timedelta(days=self.chance.choice([1, 4, 8]))
        self.desk.platform_travels(by)
        self.desk.engine.chain.travel(int(by.total_seconds()))

    def a_block(self) -> None:
        self.desk.engine.mine()

    def a_send(self) -> None:
        self.desk.engine.send()

    def duties(self) -> None:
        self.desk.engine.index()
        self.desk.engine.confirm()
        self.desk.duties()

    def rest(self) -> None:
        self.desk.settle()

    # ---- helpers ----

    @property
    def terms(self) -> Any:
        return self.desk.terms(self.escrow)

    @property
    def contract(self) -> str:
        return str(self.desk.engine.network.escrow_contract)

    def side(self) -> str:
        return self.chance.choice(["buyer", "seller"])

    def part(self) -> int | None:
        return self.chance.choice([None, 20 * USDT, 77_777_777])

    def pay(self, units: int) -> None:
        self.desk.pay(self.escrow, units)
        self.desk.engine.chain.mine()
        self.came_in += units


_RARE: tuple[Callable[[Life], None], ...] = (
    Life.token_refuses,
    Life.hold,
    Life.wallet_pays,
    Life.stranger_claims,
    Life.stranger_rescues,
    Life.stranger_pays_leg,
    Life.take_back,
    Life.return_late_money,
    Life.wallet_withdraws,
    Life.wallet_appeals,
    Life.wallet_cancels,
    Life.give_time,
)
ACTS: tuple[Callable[[Life], None], ...] = _RARE + 2 * (
    Life.deliver,
    Life.release,
    Life.refund,
    Life.request_changes,
    Life.ask_refund,
    Life.answer_refund,
    Life.dispute,
    Life.withdraw,
    Life.rule,
    Life.retry_leg,
    Life.lift,
    Life.token_pays_again,
    Life.wallet_disputes,
    Life.wallet_marks,
    Life.wallet_reopens,
    Life.more_money,
    Life.days,
    Life.a_block,
    Life.a_send,
    Life.duties,
    Life.rest,
)


# 252: a part is decided by a wallet before an escrow that was paid in part expires.
@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4, 252])
def test_a_random_life_ends_with_every_unit_accounted_for(desk: Desk, seed: int) -> None:
    life = Life(desk, seed)
    try:
        for _ in range(STEPS):
            life.step()
        life.lift()
        life.token_pays_again()
        desk.until(lambda: quiet(life), rounds=150)
        desk.settle()
        check_money(life)
        check_state(life)
        check_exits(life)
    except BaseException:
        print(f"seed {seed}:", *life.told, sep="\n  ")
        raise


def quiet(life: Life) -> bool:
    """Nothing is under way: refused calls took their time."""
    return not Order.objects.filter(state="live").exists() and not life.desk.engine.busy()


def check_money(life: Life) -> None:
    desk, vault = life.desk, life.escrow.vault_address
    everybody = (BUYER_ADDRESS, SELLER_ADDRESS, FEE_ADDRESS, vault)
    assert sum(desk.balance(holder) for holder in everybody) == life.came_in
    paid = PayoutLeg.objects.filter(state="paid")
    assert sum(leg.amount for leg in paid) == life.came_in - desk.balance(vault)


def check_state(life: Life) -> None:
    """What the platform believes is what the contract says."""
    found = life.desk.fresh(life.escrow)
    request = {"to": life.contract, "data": "0x" + views.state_of(life.terms).hex()}
    answer = life.desk.engine.chain.rpc("eth_call", request, "latest")
    on_chain, settled = views.decode_state(bytes.fromhex(answer[2:]))
    assert (settled or on_chain.status == Status.CANCELLED) == (found.remainder == 0)
    assert (found.cancelled_at is not None) == (on_chain.status == Status.CANCELLED and not settled)
    if found.remainder == 0:
        assert found.state in TERMINAL
        return
    assert found.state not in CLOSED
    assert on_chain.left == found.remainder
    assert (on_chain.round, on_chain.extended) == (found.dispute_round, found.operator_days)
    used = (found.buyer_disputes, found.seller_disputes)
    assert (on_chain.buyer_disputes, on_chain.seller_disputes) == used
    assert (on_chain.status == 2) == (found.state in ("disputed", "settling")), (on_chain, found.state)
    if found.state in ("funded", "delivered"):
        assert (found.marked_until is not None) == (on_chain.status == 1), (on_chain, found.state)
        if found.marked_until is None and found.deliver_by is not None:
            assert on_chain.deliver_by == int(found.deliver_by.timestamp())


def check_exits(life: Life) -> None:
    """Somebody or something can always go on."""
    found = life.desk.fresh(life.escrow)
    assert not Call.objects.filter(outcome__in=["waiting", "sent"]).exists()
    waits = set(deadlines.waiting(found.pk).values_list("kind", flat=True))
    asked = Order.objects.filter(state="needs_human").exists()
    if found.state == "delivered":
        assert waits & {"inspect", "answer_refund"} or asked, waits
    elif found.state == "funded":
        assert waits & {"undelivered", "answer_refund"} or asked, waits
    elif found.state in ("releasing", "refunding", "settling", "disputing"):
        assert asked
