"""What a soak does: which lives, and which fault at which point of progress. A pure function of seed and N.

Progress is counted, not timed: one for every life that began and one for every life that ended. So two runs
with the same seed and N play the same lives and the same faults in the same order, on any machine.
"""

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass

USDT = 10**6
PEOPLE = 8  # on each side
FEWEST = 6  # lives
FOUR_EYES = 1_000 * USDT

# How often each kind of fault comes for every hundred lives; at least once in every soak.
FAULTS: dict[str, float] = {
    "kill worker": 12,
    "kill pool process": 8,
    "kill beat": 4,
    "kill web": 6,
    "postgres stopped at once": 2,
    "postgres killed": 2,
    "redis killed": 3,
    "reorg, transactions return": 6,
    "reorg, transactions dropped": 6,
    "duplicate tasks": 10,
    "rpc reply dropped": 4,
    "rpc request dropped": 4,
    "rpc error after accepting": 4,
    "rpc 429": 4,
    "rpc 500": 4,
    "rpc garbage": 3,
    "rpc late": 3,
    "rpc lagging": 3,
    "rpc no receipts": 4,
    "rpc logs withheld": 2,
}
TASKS = (
    "chain.index",
    "chain.send_due",
    "chain.confirm",
    "chain.second_pass",
    "payments.tasks.project_network",
    "payments.tasks.run_deadlines",
    "payments.tasks.drain_outbox",
    "disputes.sweep",
)
REFUNDS = ("refunded", "asked")
TIMEOUTS = ("unpaid", "silent", "short")
RELEASES = ("released", "released", "parts", "over")
# The terminal state of each kind of life.
ENDS = {
    "released": "released",
    "parts": "released",
    "over": "released",
    "silent": "released",
    "refunded": "refunded",
    "asked": "refunded",
    "short": "expired",  # what was paid goes back all the same
    "unpaid": "expired",
    "ruled": "settled",
}


def fee_of(units: int) -> int:
    """One per cent of what the seller gets in all, rounded down; said here again, to judge the product."""
    return units * 100 // 10_000


@dataclass(frozen=True, slots=True)
class Life:
    """One deal from agreement to its end. Amounts in base units.

    `payments` are what the buyer sends; `part` is the seller's part of a ruling, or the first of two
    releases. `by_api`: the partner opens the deal and acts for the party that delegated it.
    """

    number: int
    kind: str
    amount: int
    payments: tuple[int, ...]
    part: int
    by_api: bool
    buyer: int
    seller: int

    @property
    def end(self) -> str:
        """The state in which its escrow ends."""
        return ENDS[self.kind]

    def legs(self) -> list[tuple[str, int]]:
        """(recipient, base units) of every transfer out of its vault; a leg of nothing is not made."""
        return [(who, units) for who, units in self._legs() if units]

    def _legs(self) -> Iterator[tuple[str, int]]:
        whole = self.amount
        if self.kind == "parts":
            first = fee_of(self.part)
            yield from [("seller", self.part - first), ("fee", first)]
            rest = fee_of(whole) - first
            yield from [("seller", whole - self.part - rest), ("fee", rest)]
        elif self.kind == "ruled":
            fee = fee_of(self.part)
            yield from [("seller", self.part - fee), ("fee", fee), ("buyer", whole - self.part)]
        elif self.end == "released":
            fee = fee_of(whole)
            yield from [("seller", whole - fee), ("fee", fee), ("buyer", sum(self.payments) - whole)]
        else:
            yield "buyer", sum(self.payments)


@dataclass(frozen=True, slots=True)
class Fault:
    """`kind` happens as soon as progress has reached `at`; the numbers choose its victim and its size."""

    at: int
    kind: str
    choice: int
    size: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is decided before the first block."""

    seed: int
    lives: tuple[Life, ...]
    faults: tuple[Fault, ...]

    def digest(self) -> str:
        """Two runs with the same digest play the same plan."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def make(seed: int, lives: int, *, faults: bool = True) -> Plan:
    """The plan of `lives` lives. Needs at least six, so that every outcome is there."""
    if lives < FEWEST:
        raise ValueError(f"a soak has at least {FEWEST} lives")
    chance = random.Random(seed)
    kinds = _kinds(lives)
    chance.shuffle(kinds)
    told = tuple(_life(chance, number, kind) for number, kind in enumerate(kinds, start=1))
    return Plan(seed, told, tuple(_faults(chance, lives)) if faults else ())


def _kinds(lives: int) -> list[str]:
    """A third ruled; of the others about a fifth refunded, a fifth timed out, the rest released."""
    ruled = lives // 3
    some = max(1, (lives - ruled) // 5)
    kinds = ["ruled"] * ruled
    for names, count in ((REFUNDS, some), (TIMEOUTS, some), (RELEASES, lives - ruled - 2 * some)):
        kinds += [names[place % len(names)] for place in range(count)]
    return kinds


def _life(chance: random.Random, number: int, kind: str) -> Life:
    # To the base unit, so that every rounding of a fee is met; above and below the four-eyes amount.
    amount = chance.randrange(20 * USDT, 4_900 * USDT)
    if kind == "ruled" and chance.random() < 0.5:
        amount = chance.randrange(20 * USDT, FOUR_EYES)
    part = chance.choice([0, amount]) if chance.random() < 0.1 else chance.randrange(1, amount)
    if kind == "parts":
        part = chance.randrange(USDT, amount - USDT)
    return Life(
        number=number,
        kind=kind,
        amount=amount,
        payments=_payments(chance, kind, amount),
        part=part if kind in ("ruled", "parts") else 0,
        by_api=chance.random() < 0.5,
        buyer=chance.randrange(PEOPLE),
        seller=chance.randrange(PEOPLE),
    )


def _payments(chance: random.Random, kind: str, amount: int) -> tuple[int, ...]:
    if kind == "unpaid":
        return ()
    if kind == "short":
        return (chance.randrange(USDT, amount - USDT),)
    if kind == "over":
        return (amount + chance.randrange(USDT, 50 * USDT),)
    if chance.random() < 0.2:
        first = chance.randrange(USDT, amount - USDT)
        return (first, amount - first)
    return (amount,)


def _faults(chance: random.Random, lives: int) -> list[Fault]:
    """Spread from the second step to where a sixth of the steps is left, so that each meets work."""
    first, last = 2, 2 * lives - max(1, lives // 3)
    found = [
        Fault(chance.randrange(first, last), kind, chance.randrange(1_000), chance.randrange(1, 5))
        for kind, often in FAULTS.items()
        for _ in range(max(1, round(often * lives / 100)))
    ]
    return sorted(found, key=lambda fault: (fault.at, fault.kind, fault.choice, fault.size))
