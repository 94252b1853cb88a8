"""The life of one escrow in plain Python: what the rules of actions, clocks and money say, and nothing about
how the contract stores or packs it. `test_model` drives it beside the real contract.

Amounts are integers of base units, instants unix seconds. Whoever acts is named by role: "buyer", "seller",
"operator", "stranger", or "both" where the two parties signed together.
"""

from copy import deepcopy
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

DAY = 86_400
MAX_REOPENS = 3
MAX_DISPUTES = 2
OPERATOR_DAYS = 14
APPEAL_MARGIN = 14 * DAY
FURTHEST = 400 * DAY
LEGS = ("seller", "buyer", "fee")
PARTIES = ("buyer", "seller")


class Refused(Exception):
    """The contract must revert, and nothing may have changed."""


def need(rule: bool) -> None:
    """Raises Refused where a rule is not kept."""
    if not rule:
        raise Refused


class Status(IntEnum):
    """Where an escrow stands."""

    OPEN = 0
    DELIVERED = 1
    DISPUTED = 2
    CANCELLED = 3


@dataclass(frozen=True, kw_only=True)
class Deal:
    """The terms, as far as the rules look at them."""

    amount: int
    fee_bps: int
    fund_by: int
    deliver_by: int
    inspection: int
    arbitration: int
    fallback_bps: int
    operator: bool


@dataclass
class Token:
    """Who holds what, and whom it refuses: a refused vault sends nothing, others receive nothing."""

    held: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("vault", *LEGS), 0))
    refused: set[str] = field(default_factory=set)
    fee_bps: int = 0
    fee_cap: int = 0

    def pay(self, to: str, amount: int) -> bool:
        """A transfer out of the vault, whole or not at all; the token's own fee is the receiver's loss."""
        if amount > self.held["vault"] or self.refused & {"vault", to}:
            return False
        self.held["vault"] -= amount
        self.held[to] += amount - min(amount * self.fee_bps // 10_000, self.fee_cap)
        return True


@dataclass
class Debt:
    """A leg that was decided and could not be paid, and what of it was paid since."""

    due: int = 0
    paid: int = 0

    @property
    def rest(self) -> int:
        return self.due - self.paid


@dataclass
class Model:
    """One escrow. Every method is an action: it happens in full, or raises Refused."""

    deal: Deal
    now: int
    token: Token = field(default_factory=Token)
    other: int = 0
    coins: int = 0
    left: int = 0
    deliver_by: int = 0
    stamp: int = 0
    frozen: int = 0
    seq: int = 0
    round: int = 0
    reopens: int = 0
    extended: int = 0
    appeals: set[str] = field(default_factory=set)
    status: Status = Status.OPEN
    before: Status = Status.OPEN
    opener: str = "buyer"
    by_operator: bool = False
    disputes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PARTIES, 0))
    debts: dict[str, Debt] = field(default_factory=lambda: {leg: Debt() for leg in LEGS})
    released: int = 0
    stored: bool = False
    has_code: bool = False
    settled: bool = False
    ever_owing: bool = False
    """Something stayed owed while a remainder was undecided."""

    def __post_init__(self) -> None:
        self.left, self.deliver_by = self.deal.amount, self.deal.deliver_by

    def attempt(self, name: str, /, **how: Any) -> "tuple[Model, bool]":
        """The escrow after an action, and whether it was done: what is refused changes nothing."""
        after = deepcopy(self)
        try:
            getattr(after, name)(**how)
        except Refused:
            return self, False
        return after, True

    @property
    def vault(self) -> int:
        return self.token.held["vault"]

    @property
    def owed(self) -> int:
        return sum(debt.rest for debt in self.debts.values())

    @property
    def inspection_end(self) -> int:
        return self.stamp + self.deal.inspection

    @property
    def arbitration_end(self) -> int:
        return self.stamp + self.deal.arbitration

    @property
    def clock_end(self) -> int:
        """The end of the clock that runs; a dispute stops both."""
        return self.deliver_by if self.status is Status.OPEN else self.inspection_end

    @property
    def was_funded(self) -> bool:
        """It was marked or disputed, which takes the whole money: a loss since then takes nobody's right."""
        return self.round > 0 or self.reopens > 0 or self.status is not Status.OPEN

    @property
    def untouched(self) -> bool:
        return self.left == self.deal.amount and not self.was_funded

    @property
    def funded(self) -> bool:
        return self.vault - self.owed >= self.left

    def _live(self) -> None:
        need(not self.settled and self.status is not Status.CANCELLED)

    def _operates(self, by: str) -> bool:
        return by == "operator" and self.deal.operator

    def _speaks(self, by: str, side: str) -> None:
        need(side in PARTIES and (by == side or self._operates(by)))

    def _changed(self) -> None:
        self.stored = True
        self.seq += 1

    def pay(self, by: str, to_seller: int, to_buyer: int, left: int) -> None:
        """Nobody gives to themselves; the operator gives to either, but not while disputed."""
        self._live()
        gives = {"buyer": to_buyer == 0, "seller": to_seller == 0}
        need(gives.get(by, False) or (self._operates(by) and self.status is not Status.DISPUTED))
        need(left == self.left and 0 < to_seller + to_buyer <= left)
        self._decide(to_seller, to_buyer, funded_only=True)

    def mark(self, by: str) -> None:
        self._live()
        need(by == "seller" or self._operates(by))
        need(self.status is Status.OPEN and self.now <= self.deliver_by and self.funded)
        self.status, self.stamp = Status.DELIVERED, self.now
        self._changed()

    def reopen(self, by: str) -> None:
        self._live()
        need(by == "buyer" or self._operates(by))
        need(self.status is Status.DELIVERED and self.now <= self.inspection_end)
        need(self.reopens < MAX_REOPENS)
        self.status, self.stamp = Status.OPEN, 0
        self.deliver_by = max(self.deliver_by, self.now + self.deal.inspection)
        self.reopens += 1
        self._changed()

    def extend(self, by: str, until: int) -> None:
        """Later only. Both parties up to 400 days from now, the operator fourteen begun days in all."""
        self._live()
        need(by == "both" or self._operates(by))
        need(self.status is not Status.DISPUTED and self.now <= self.clock_end)
        need(self.clock_end < until <= self.now + FURTHEST)
        if by != "both":
            self.extended += -(-(until - self.clock_end) // DAY)
            need(self.extended <= OPERATOR_DAYS)
        self._run_until(until)
        self._changed()

    def cancel(self, by: str) -> None:
        """Before anything was decided: the terms are dead and everything is the buyer's, now and later."""
        self._live()
        operator = self._operates(by) and self.status is not Status.DISPUTED
        need(by in ("seller", "both") or operator)
        need(self.left == self.deal.amount)
        self.status, self.left = Status.CANCELLED, 0
        self.has_code |= self.vault > 0
        self.token.pay("buyer", self.vault)
        self._changed()

    def dispute(self, by: str, side: str) -> None:
        self._live()
        self._speaks(by, side)
        need(self.status is not Status.DISPUTED and self.now <= self.clock_end)
        need(self.disputes[side] < MAX_DISPUTES and (self.was_funded or self.funded))
        self.frozen = self.clock_end - self.now
        self.before, self.status, self.stamp = self.status, Status.DISPUTED, self.now
        self.opener, self.by_operator = side, by == "operator"
        self.disputes[side] += 1
        self.round += 1
        self._changed()

    def withdraw(self, by: str) -> None:
        """Back to where it was, with the seconds that were left but at least a day."""
        self._live()
        need(self.status is Status.DISPUTED)
        need(by == self.opener or (self.by_operator and self._operates(by)))
        need(self.now <= self.arbitration_end)
        self.status, self.stamp = self.before, 0
        self._run_until(self.now + max(self.frozen, DAY))
        self._changed()

    def appeal(self, by: str, side: str) -> None:
        """A new round, once per side, which leaves the seats fourteen days before the fallback."""
        self._live()
        self._speaks(by, side)
        need(self.status is Status.DISPUTED and side not in self.appeals)
        need(self.now + APPEAL_MARGIN <= self.arbitration_end)
        self.appeals.add(side)
        self.round += 1
        self._changed()

    def _run_until(self, until: int) -> None:
        if self.status is Status.OPEN:
            self.deliver_by = until
        else:
            self.stamp = until - self.deal.inspection

    def relay(self, good: bool, deadline: int, action: str, **how: Any) -> None:
        """What a party signed, or both; `good`: those who are named signed this, and saw this very state."""
        need(good and self.now <= deadline)
        getattr(self, action)(**how)

    def rule(
        self, *, good: bool, round: int, not_before: int, deadline: int, to_seller: int, to_buyer: int
    ) -> None:
        """Enough seats signed. Of a part conceded since, the same proportion of the rest is decided."""
        self._live()
        need(self.status is Status.DISPUTED and round == self.round and not_before <= self.now <= deadline)
        signed = to_seller + to_buyer
        need(good and self.left <= signed <= self.deal.amount)
        share = to_seller * self.left // signed
        self._decide(share, self.left - share, funded_only=False)

    def settle(self, good: bool, deadline: int, to_seller: int, to_buyer: int) -> None:
        self._live()
        need(good and self.now <= deadline and to_seller + to_buyer == self.left)
        self._decide(to_seller, to_buyer, funded_only=not self.was_funded)

    def claim_delivered(self) -> None:
        self._live()
        need(self.status is Status.DELIVERED and self.now > self.inspection_end)
        self._decide(self.left, 0, funded_only=False)

    def claim_undelivered(self) -> None:
        """What was never touched must be funded: a smaller deposit goes back as unfunded."""
        self._live()
        need(self.status is Status.OPEN and self.now > self.deliver_by)
        self._decide(0, self.left, funded_only=self.untouched)

    def claim_unfunded(self) -> None:
        self._live()
        need(self.untouched and self.now > self.deal.fund_by and 0 < self.vault < self.left)
        self.left = self.vault
        self._decide(0, self.left, funded_only=True)

    def claim_fallback(self) -> None:
        self._live()
        need(self.status is Status.DISPUTED and self.now > self.arbitration_end)
        to_seller = self.left * self.deal.fallback_bps // 10_000
        self._decide(to_seller, self.left - to_seller, funded_only=False)

    def _decide(self, to_seller: int, to_buyer: int, *, funded_only: bool) -> None:
        """Decides once, pays per leg. A leg that fails is owed; with too little for all, all are owed."""
        enough = self.vault - self.owed >= to_seller + to_buyer
        need(enough or not funded_only)
        fee = self._fee(self.released + to_seller) - self._fee(self.released)
        self.released += to_seller
        self.left -= to_seller + to_buyer
        self.has_code = True
        for leg, amount in (("seller", to_seller - fee), ("buyer", to_buyer), ("fee", fee)):
            if not enough or not self.token.pay(leg, amount):
                self.debts[leg].due += amount
        self.settled = self.left == 0
        self.ever_owing |= self.owed > 0
        if not self.settled:
            self._changed()

    def _fee(self, to_seller: int) -> int:
        return to_seller * self.deal.fee_bps // 10_000

    def pay_leg(self, leg: str) -> None:
        """Tries an owed leg again; after a loss its share of what is there and of what legs already got."""
        debt = self.debts[leg]
        need(debt.rest > 0)
        waiting, got = self.left + self.owed, sum(each.paid for each in self.debts.values())
        amount = debt.rest
        if self.vault < waiting:
            share = debt.due * (self.vault + got) // (waiting + got)
            amount = min(max(share - debt.paid, 0), self.vault)
        need(amount > 0 and self.token.pay(leg, amount))
        debt.paid += amount
        if debt.rest == 0:
            self.debts[leg] = Debt()

    def rescue(self, what: str, by: str = "anyone") -> None:
        """What is not this escrow's goes to the buyer: "own" token beyond what is undecided or owed, "other"
        token, native "coins"."""
        if what == "own":
            surplus = self.vault - self.left - self.owed
            need(surplus > 0 and self.token.pay("buyer", surplus))
        else:
            need(getattr(self, what) > 0)
            setattr(self, what, 0)
        self.has_code = True
        self.stored |= not self.settled
