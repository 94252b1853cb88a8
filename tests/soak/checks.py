"""The judgement: what the plan says must have happened, against what the chain and the tables show.

`violations` is a pure function of `Wanted` and `Found`, so that a test can show it every kind of harm.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

# (from, to, base units), addresses in lower case: what a Transfer log of the token says.
Transfer = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class WantedLife:
    """One life as planned: its vault, its end, what goes in (by transaction hash) and what goes out."""

    number: int
    escrow: str
    vault: str
    end: str
    deposits: dict[str, int]
    payouts: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Leg:
    """A payout leg of our tables."""

    escrow: str
    recipient: str
    amount: int
    state: str


@dataclass(frozen=True)
class Found:
    """What is there after the last fault.

    `transfers` are the token's logs on the canonical chain, each with its transaction hash; `deposits` the
    credited amounts by transaction hash; `balances` the vaults on chain and `books` the vaults in the books;
    `accounts` what each account of the books ends with; `differences` what reconciling found; `total` the
    sum of all entries; `open_work` counts what should be finished, by name.
    """

    states: dict[str, str] = field(default_factory=dict)
    transfers: list[tuple[str, Transfer]] = field(default_factory=list)
    legs: list[Leg] = field(default_factory=list)
    deposits: dict[str, list[int]] = field(default_factory=dict)
    balances: dict[str, int] = field(default_factory=dict)
    books: dict[str, int] = field(default_factory=dict)
    accounts: dict[tuple[str, str], int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    total: int = 0
    open_work: dict[str, int] = field(default_factory=dict)


@dataclass
class Verdict:
    """Counts and sentences; nothing in it may be above zero."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)

    @property
    def sentences(self) -> list[str]:
        """Everything that is wrong."""
        return [*self.lost, *self.doubled, *self.different, *self.other]


def judge(wanted: Iterable[WantedLife], found: Found) -> Verdict:
    """Compare; every sentence names the life it is about."""
    lives, verdict = list(wanted), Verdict()
    for life in lives:
        _judge_end(life, found, verdict)
        _judge_deposits(life, found, verdict)
        _judge_payouts(life, found, verdict)
        _judge_legs(life, found, verdict)
        _judge_books(life, found, verdict)
    strange = set(found.states) - {life.escrow for life in lives}
    verdict.other += [f"{escrow} belongs to no life" for escrow in sorted(strange)]
    verdict.different += found.differences
    if found.total:
        verdict.different.append(f"the books sum to {found.total} and not to zero")
    for (escrow, kind), units in found.accounts.items():
        if units:
            verdict.different.append(f"the books still say {units} {kind} of {escrow}")
    verdict.other += [f"{count} {name} left" for name, count in found.open_work.items() if count]
    return verdict


def without_effect(fired: dict[str, int]) -> list[str]:
    """A soak in which a kind of fault never struck shows nothing about that kind."""
    return [f"no “{kind}” had an effect" for kind, seen in fired.items() if not seen]


def _judge_end(life: WantedLife, found: Found, verdict: Verdict) -> None:
    state = found.states.get(life.escrow, "nowhere")
    if state != life.end:
        verdict.lost.append(f"life {life.number} is {state} instead of {life.end}")


def _judge_deposits(life: WantedLife, found: Found, verdict: Verdict) -> None:
    """Every deposit came once on chain, and was credited once, with its amount."""
    arrived = Counter(dict.fromkeys(life.deposits, 0))
    for tx_hash, (_, recipient, units) in found.transfers:
        if recipient != life.vault:
            continue
        if life.deposits.get(tx_hash) != units:
            verdict.other.append(f"life {life.number}: {units} from nobody in {tx_hash}")
        arrived[tx_hash] += 1
    for tx_hash, units in life.deposits.items():
        rows = found.deposits.get(tx_hash, [])
        if arrived[tx_hash] != 1:
            verdict.lost.append(f"life {life.number}: deposit {tx_hash} is {arrived[tx_hash]} times on chain")
        if not rows:
            verdict.lost.append(f"life {life.number}: deposit {tx_hash} was not credited")
        elif len(rows) > 1:
            verdict.doubled.append(f"life {life.number}: deposit {tx_hash} was credited {len(rows)} times")
        elif rows != [units]:
            verdict.different.append(f"life {life.number}: deposit {tx_hash} counts {rows[0]}, not {units}")


def _outgoing(life: WantedLife, found: Found) -> list[tuple[str, int]]:
    return [(to, units) for _, (source, to, units) in found.transfers if source == life.vault]


def _judge_payouts(life: WantedLife, found: Found, verdict: Verdict) -> None:
    """Every leg is on the chain once: no leg missing, none more."""
    wanted, paid = Counter(life.payouts), Counter(_outgoing(life, found))
    for recipient, units in (wanted - paid).elements():
        verdict.lost.append(f"life {life.number}: {units} to {recipient} was not paid")
    for recipient, units in (paid - wanted).elements():
        verdict.doubled.append(f"life {life.number}: {units} to {recipient} was paid once too often")


def _judge_legs(life: WantedLife, found: Found, verdict: Verdict) -> None:
    """Our own tables say the same as the chain."""
    mine = [leg for leg in found.legs if leg.escrow == life.escrow and leg.state != "superseded"]
    told = Counter((leg.recipient, leg.amount) for leg in mine if leg.state == "paid")
    if told != Counter(life.payouts):
        verdict.different.append(f"life {life.number}: the legs say {sorted(told.elements())}")
    verdict.lost += [
        f"life {life.number}: a leg of {leg.amount} is {leg.state}" for leg in mine if leg.state != "paid"
    ]


def _judge_books(life: WantedLife, found: Found, verdict: Verdict) -> None:
    books, chain = found.books.get(life.vault, 0), found.balances.get(life.vault, 0)
    if books != chain:
        verdict.different.append(f"life {life.number}: books {books}, chain {chain}")
    if chain:
        verdict.lost.append(f"life {life.number}: {chain} is still in its vault")
