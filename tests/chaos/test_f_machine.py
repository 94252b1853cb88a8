"""F38: deposits, reorgs, crashes, resends, bumps, disputes, releases and a lagging node, in any order.

The real engine on a real node behind a proxy. Whatever happened, at rest: money in = held + paid + fees +
refunded, and each leg is one transfer of the token and no more. `HOLDFAST_CHAOS_LIVES` is the number of
lives (2 unless told, many in `make chaos`), `HOLDFAST_CHAOS_STEPS` how long each is.
"""

import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.db.models import Sum
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from chain.indexer.events import TRANSFER, padded
from chain.models import Call, Network
from chain.rpc.errors import RpcError
from chain.services import indexer
from chain.services import sender as engine_sender
from core import crashpoints, deadlines
from core.errors import DomainError
from payments.models import Entry, Escrow, Order, PayoutLeg
from payments.services import clocks, projection
from payments.states import TERMINAL
from tests.chain.fixtures import USDT, NodeRefused
from tests.chain.helpers import later
from tests.chaos import modes
from tests.chaos.rpcproxy import RpcProxy
from tests.chaos.test_kills import POINTS
from tests.payments import acts
from tests.payments.acts import DAY
from tests.payments.fixtures import BUYER_ADDRESS, FEE_ADDRESS, SELLER_ADDRESS, Desk

LIVES = int(os.environ.get("HOLDFAST_CHAOS_LIVES", "2"))
STEPS = int(os.environ.get("HOLDFAST_CHAOS_STEPS", "18"))
PARTS = st.sampled_from([None, 20 * USDT, 77_777_777])
SIDES = st.sampled_from(["buyer", "seller"])
Transfer = tuple[str, int]


class Crash(BaseException):
    """The process ends here."""


class Life(RuleBasedStateMachine):
    """One escrow of a desk that others used before."""

    def __init__(self, desk: Desk, proxy: RpcProxy) -> None:
        super().__init__()
        self.desk, self.proxy = desk, proxy
        self.escrow = desk.agreed(250 * USDT).escrows.get()
        self.before = Counter({holder: desk.balance(holder) for holder in HOLDERS})

    # ---- money and people ----

    @initialize(units=st.sampled_from([300, 250, 100]))
    def begin(self, units: int) -> None:
        self.deposit(units, mined=True)

    @rule(units=st.sampled_from([250, 250, 250, 100, 150, 300]), mined=st.booleans())
    def deposit(self, units: int, mined: bool) -> None:
        self.desk.pay(self.escrow, units * USDT)
        if mined:
            self.desk.settle()

    @rule(units=PARTS)
    def release(self, units: int | None) -> None:
        self.tried(lambda: acts.release(self.desk, self.escrow, units))

    @rule(units=PARTS)
    def refund(self, units: int | None) -> None:
        self.tried(lambda: acts.refund(self.desk, self.escrow, units))

    @rule(side=SIDES)
    def dispute(self, side: str) -> None:
        self.tried(lambda: acts.dispute(self.desk, self.escrow, side))

    @rule(share=st.sampled_from([0, 1, 3]))
    def ruling(self, share: int) -> None:
        left = self.desk.fresh(self.escrow).remainder
        part = left // share if share else 0
        self.tried(lambda: acts.rule(self.desk, self.escrow, part, left - part))

    # ---- the engine and what happens to it ----

    @rule()
    def work(self) -> None:
        """Everything once: sign, send, a block, read, confirm, project."""
        self.steps()

    @rule(point=st.sampled_from(POINTS))
    def crash(self, point: str) -> None:
        """The process ends at a crash point, if it comes by; what it had not committed is gone."""

        def hit(name: str) -> None:
            if name == point:
                raise Crash(name)

        kept, crashpoints.hit = crashpoints.hit, hit  # type: ignore[assignment]
        try:
            with suppress(Crash):
                self.steps()
        finally:
            crashpoints.hit = kept  # type: ignore[assignment]

    @rule(depth=st.integers(1, 2), come_again=st.booleans())
    def reorg(self, depth: int, come_again: bool) -> None:
        """The last blocks are replaced; their transactions are mined again in reverse, or are gone."""
        chain = self.desk.engine.chain
        raws: list[str] = []
        for number in range(chain.head, chain.head - depth, -1):
            block = chain.rpc("eth_getBlockByNumber", hex(number), False)
            raws += [chain.raw(tx_hash) for tx_hash in block["transactions"]] if come_again else []
        with suppress(NodeRefused):  # nonces of one sender may not be put into this order
            chain.reorg(depth, [(raw, 0) for raw in reversed(raws)])
        self.read()

    @rule(seconds=st.sampled_from([8, 60]))
    def resend(self, seconds: int) -> None:
        """The pool was emptied and time passes: the same bytes go out again."""
        self.desk.engine.chain.rpc("anvil_dropAllTransactions")
        with later(seconds):
            self.sent(engine_sender.broadcast_due)

    @rule()
    def bump(self) -> None:
        """Nothing of ours was mined for some blocks and a minute."""
        self.desk.engine.chain.rpc("anvil_dropAllTransactions")
        self.desk.engine.chain.mine(4)
        self.read()
        with later(60):
            self.sent(engine_sender.confirm_due)
            self.sent(engine_sender.broadcast_due)

    @rule(blocks=st.integers(3, 20))
    def lag(self, blocks: int) -> None:
        """The only node falls back, is asked, and is well again."""
        self.desk.engine.chain.mine(2)
        modes.lag(self.proxy, blocks)
        self.read()
        self.sent(engine_sender.send_due)
        self.proxy.heal()

    # ---- what must hold ----

    @invariant()
    def books_balance(self) -> None:
        for row in Entry.objects.values("account__token").annotate(total=Sum("amount")):
            assert row["total"] == 0

    @invariant()
    def a_leg_is_paid_by_a_transfer_of_its_own(self) -> None:
        missing = self.legs_paid() - self.transfers_out()
        assert not missing, f"said to be paid, and not on the chain: {missing}"

    def teardown(self) -> None:
        self.proxy.heal()
        self.rest()
        self.end()
        self.rest()
        if deadlines.waiting(self.escrow.pk).filter(kind=clocks.SURPLUS).exists():
            self.desk.travel(DAY)  # surplus goes back once a day
            self.rest()
        self.desk.check_books()
        assert self.legs_paid() == self.transfers_out()
        came = sum(units for _, units in self.transfers(None, self.escrow.vault_address))
        gone = sum(self.desk.balance(holder) - self.before[holder] for holder in HOLDERS)
        held = self.desk.balance(self.escrow.vault_address)
        assert came == held + gone, "money in = held + paid + fees + refunded"
        assert gone == sum(units for _, units in self.legs_paid().elements())
        if self.desk.state(self.escrow) in TERMINAL:
            assert held < self.desk.token.min_amount, "what nobody is owed any more went back"

    # ---- helpers ----

    def rest(self) -> None:
        self.desk.settle()
        self.desk.until(self.is_quiet, rounds=150)
        self.desk.settle()

    def end(self) -> None:
        """What can still be decided is decided, so that nothing has a reason to stay."""
        if self.desk.state(self.escrow) == "disputed":
            self.ruling(share=3)
        else:
            self.release(None)

    def tried(self, act: Callable[[], object]) -> None:
        with suppress(DomainError):
            act()

    def read(self) -> None:
        with suppress(RpcError):
            while indexer.step(self.desk.engine.network):
                pass

    def sent(self, duty: Callable[[Network], object]) -> None:
        with suppress(RpcError):
            duty(self.desk.engine.network)

    def steps(self) -> None:
        self.sent(engine_sender.send_due)
        self.desk.engine.chain.mine()
        self.read()
        self.sent(engine_sender.confirm_due)
        projection.project(self.desk.engine.network)
        self.desk.duties()

    def is_quiet(self) -> bool:
        return not Order.objects.filter(state="live").exists() and not self.desk.engine.busy()

    def legs_paid(self) -> Counter[Transfer]:
        rows = PayoutLeg.objects.filter(escrow=self.escrow, state="paid")
        return Counter((row.recipient.lower(), row.amount) for row in rows)

    def transfers_out(self) -> Counter[Transfer]:
        return Counter(self.transfers(self.escrow.vault_address, None))

    def transfers(self, source: str | None, to: str | None) -> list[Transfer]:
        """(recipient, units) of the token's transfers, read from the chain past the product."""
        topics = [TRANSFER, padded(source) if source else None, padded(to) if to else None]
        request: dict[str, Any] = {"fromBlock": "0x0", "address": self.desk.token.address, "topics": topics}
        logs = self.desk.engine.chain.rpc("eth_getLogs", request)
        return [("0x" + log["topics"][2][-40:], int(log["data"], 16)) for log in logs]


HOLDERS = (BUYER_ADDRESS, SELLER_ADDRESS, FEE_ADDRESS)
PROFILE = settings(
    max_examples=2,  # the first is always the shortest there is
    stateful_step_count=STEPS,
    deadline=None,
    database=None,
    # What a life leaves behind is met by the next, so a smaller one is another one.
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.timeout(3600)
def test_f38_any_order_of_steps_pays_each_leg_once_and_loses_nothing(proxy: RpcProxy, desk: Desk) -> None:
    """F38. Red when what is above the amount counts as held, and nobody gets it back (rules_off).

    Each life has a seed of its own, and no other life is derived from it: the chain it left is another one.
    """
    for number in range(LIVES):
        run_state_machine_as_test(seed(number)(lambda: Life(desk, proxy)), settings=PROFILE)
    assert Escrow.objects.count() >= 2 * LIVES
    assert not Call.objects.filter(outcome__in=["waiting", "sent"]).exists()
