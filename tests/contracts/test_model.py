"""The contract and a small model of it live the same life, whatever happens to them in whatever order.

`make test` plays a bounded number of lives, the same ones every time. Ten times as many, each time others:
HYPOTHESIS_PROFILE=long .venv/bin/python -m pytest tests/contracts/test_model.py -k same_lives
"""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, fields, replace
from itertools import count
from random import Random
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from contracts import views
from contracts.devchain import DevChain
from tests.contracts.model import DAY, FURTHEST, LEGS, PARTIES, Deal, Model, Status
from tests.contracts.twin import Twin, World

PROFILES = {
    "short": settings(max_examples=60, stateful_step_count=50, derandomize=True),
    "long": settings(max_examples=600, stateful_step_count=60),
}
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "short")
# The clocks of a chain begin at the present, so lives differ from run to run: more are played where too few
# met everything.
ROUNDS = 6

ROLES = ["buyer", "seller", "operator", "stranger"]
SIDES = ["buyer", "seller"]
SHARES = [0, 1, 3, 5_000, 9_999, 10_000]
SIZES = st.one_of(st.integers(1, 30), st.just(250_000_000), st.integers(1, (1 << 96) - 1))
ROUTES = [*["own call", "signed"] * 4, "stale", "forged", "late"]
LATER = [1, DAY, DAY + 1, 14 * DAY, 14 * DAY + 1, FURTHEST, FURTHEST + 1]
OFF = st.sampled_from([0, 0, -1, 1, 7])
STEP = [-1, 0, 1]

ACTS = ["pay", "mark", "reopen", "extend", "cancel", "dispute", "withdraw", "appeal", "rescue"]
CLAIMS = ["claim_delivered", "claim_undelivered", "claim_unfunded", "claim_fallback"]
ACTIONS = [*ACTS, *CLAIMS, "pay_leg", "rule", "settle", "relay"]
LAST_SECOND = {
    Status.OPEN: ["mark", "dispute", "extend"],
    Status.DELIVERED: ["reopen", "dispute", "extend"],
    Status.DISPUTED: ["withdraw", "appeal"],
    Status.CANCELLED: ["mark"],
}
PACE = ["go_on"] * 6 + ["last_second"] * 2 + ["end"] * 2
FIELDS = [field.name for field in fields(views.State)]
HASTE: dict[str, Any] = {"suppress_health_check": list(HealthCheck), "print_blob": False}
Move = tuple[str, dict[str, Any]]


@st.composite
def deals(draw: st.DrawFn) -> Deal:
    """Good terms, their numbers often at the edge of what is allowed; clocks from now."""
    fund_by = draw(st.sampled_from([1, DAY]))
    return Deal(
        amount=draw(SIZES),
        fee_bps=draw(st.sampled_from([0, 1, 333, 1_000])),
        fund_by=fund_by,
        deliver_by=fund_by + draw(st.sampled_from([0, 20 * DAY, 400 * DAY])),
        inspection=draw(st.sampled_from([DAY, 14 * DAY, 30 * DAY])),
        arbitration=draw(st.sampled_from([60 * DAY, 365 * DAY])),
        fallback_bps=draw(st.sampled_from(SHARES)),
        operator=draw(st.sampled_from([True, True, False])),
    )


class Lives(RuleBasedStateMachine):
    """One escrow lives twice: on the chain, and in the model."""

    chain: ClassVar[DevChain]
    tokens: ClassVar[World]
    tally: ClassVar[Counter[tuple[str, bool]]]
    numbers: ClassVar[Iterator[int]]
    kind: ClassVar[type[Model]]
    steps = 0
    over = 0
    """Steps since the escrow was settled or cancelled."""

    @initialize(deal=deals(), denies=st.booleans(), off=OFF)
    def begin(self, deal: Deal, denies: bool, off: int) -> None:
        self.snapshot = self.chain.rpc("evm_snapshot")
        self._born(self.chain.now() + 1, deal, denies, off)

    @precondition(lambda self: self.over > 2)
    @rule(deal=deals(), denies=st.booleans(), off=OFF)
    def begin_again(self, deal: Deal, denies: bool, off: int) -> None:
        """What is over is only looked at for a while."""
        if self.model.token.fee_bps:
            self.twin.token_does("setParams(uint256,uint256)", 0, 0)
        if self.denies:
            for who in sorted(self.model.token.refused):
                self._deny(who, False)
        self._born(self.model.now, deal, denies, off)

    def _born(self, now: int, deal: Deal, denies: bool, off: int) -> None:
        self.over, self.denies = 0, denies
        deal = replace(deal, fund_by=now + deal.fund_by, deliver_by=now + deal.deliver_by)
        self.model = self.kind(deal, now=now)
        self.twin = Twin(self.tokens, deal, denies=denies, number=next(self.numbers), now=now)
        self._bring(max(deal.amount + off, 0))

    def teardown(self) -> None:
        if hasattr(self, "snapshot"):
            self.chain.rpc("evm_revert", self.snapshot)

    @invariant()
    def both_are_alike(self) -> None:
        model, seen = self.model, self.twin.look()
        assert seen.held == model.token.held
        assert (seen.other, seen.view.coins) == (model.other, model.coins)
        assert (seen.view.settled, seen.view.has_code) == (model.settled, model.has_code)
        owed = (seen.view.release_owed, seen.view.refund_owed, seen.view.fee_owed)
        assert owed == tuple(model.debts[leg].rest for leg in LEGS)
        assert asdict(seen.view.state) == expected_state(model)

    @precondition(lambda self: self.over < 6)
    @rule(seed=st.integers(0, 1 << 32))
    def step(self, seed: int) -> None:
        """One rule and a seed: a rule per action would be left out of most lives, and few would go far."""
        self.steps += 1
        luck = Random(f"{seed} {self.steps} {self.model.deal.amount}")
        kind = luck.choice(["world", "life", "life", "life", "mischief"])
        if kind == "world":
            what = luck.choice(["deposit", "stray", "jump", "refuse", "lose", "token_fee"])
            getattr(self, f"_{what}")(luck)
            return
        disputed = self.model.status is Status.DISPUTED
        mischief = ["anything", "anything", "settle", *(["rule", "rule_at_edge"] if disputed else [])]
        what = luck.choice(mischief if kind == "mischief" else [*PACE, *["rule"] * disputed])
        getattr(self, f"_{what}")(luck, luck.choice(ROUTES))

    # ---- the world ----------------------------------------------------------------------------------------

    def _deposit(self, luck: Random) -> None:
        missing = max(self.model.left + self.model.owed - self.model.vault, 0)
        self._bring(max(missing * luck.choice(SHARES) // 10_000 + luck.choice(STEP), 1))

    def _stray(self, luck: Random) -> None:
        """What nobody meant to send: another token, native coin."""
        if luck.choice([True, False]):
            self.model.other += 5
            self.twin.mint(self.twin.vault, 5, other=True)
        else:
            self.model.coins += 7
            self.chain.rpc("anvil_setBalance", self.twin.vault, hex(self.model.coins))

    def _jump(self, luck: Random) -> None:
        """To the last second of a clock, or one second off it."""
        model = self.model
        later = luck.choice([model.deal.fund_by, model.clock_end, model.now + DAY])
        self.travel(max(later, model.now) + luck.choice(STEP))

    def _refuse(self, luck: Random) -> None:
        """The token's owner blacklists, or forgives; mainnet's token looks at senders only."""
        refused = self.model.token.refused
        if refused:
            for who in sorted(refused):
                self._deny(who, False)
            refused.clear()
        else:
            who = luck.choice(["vault", "buyer", "seller", "fee"]) if self.denies else "vault"
            self._deny(who, True)
            refused.add(who)

    def _lose(self, luck: Random) -> None:
        """Money in the vault is destroyed."""
        if not self.denies:
            return
        lost = self.model.vault * luck.choice(SHARES) // 10_000
        self.model.token.held["vault"] -= lost
        self.twin.token_does("burn(address,uint256)", self.twin.vault, lost)

    def _token_fee(self, luck: Random) -> None:
        if self.denies:
            return
        fee, cap = luck.choice([(19, 1), (19, 49), (0, 0)])
        self.model.token.fee_bps, self.model.token.fee_cap = fee, cap * 10**6
        self.twin.token_does("setParams(uint256,uint256)", fee, cap)

    # ---- mischief: mostly refused -------------------------------------------------------------------------

    def _anything(self, luck: Random, route: str) -> None:
        action = luck.choice([*ACTS, *CLAIMS, "pay_leg"])
        how: dict[str, Any] = {} if action in (*CLAIMS, "pay_leg") else {"by": luck.choice(ROLES)}
        match action:
            case "pay":
                how |= self._any_payment(luck)
            case "extend":
                later = luck.choice(LATER)
                start = self.model.now if later >= FURTHEST else self.model.clock_end
                how = {
                    "by": luck.choice(["both", "operator", "buyer"]),
                    "until": start + later,
                }
            case "dispute" | "appeal":
                how["side"] = luck.choice(SIDES)
            case "rescue":
                how["what"] = luck.choice(["own", "other", "coins"])
            case "pay_leg":
                how["leg"] = luck.choice(LEGS)
        self._do(action, route, how)

    def _any_payment(self, luck: Random) -> dict[str, Any]:
        left = self.model.left
        part = left * luck.choice(SHARES) // 10_000
        rest = luck.choice([0, 0, left - part, left - part + 1])
        to_seller, to_buyer = luck.choice([(part, rest), (rest, part)])
        expected = left + luck.choice([0, 0, 1])
        return {"to_seller": to_seller, "to_buyer": to_buyer, "left": expected}

    def _rule(self, luck: Random, route: str) -> None:
        """The seats saw the remainder, or a smaller or larger one."""
        seats, off = luck.choice([(2, 0), (3, 0), (1, 0), (2, -1), (2, 1)])
        self._ruling(luck, seats, total=max(self.model.left + off, 0))

    def _rule_at_edge(self, luck: Random, route: str) -> None:
        """Of the whole amount although parts were conceded since; just in time or just not."""
        off = luck.choice([(0, 0, 0), (0, -1, 1), (0, 1, 1), (0, -1, -1), (-1, 0, 0), (1, 0, 0)])
        self._ruling(luck, 2, total=self.model.deal.amount, off=off)

    def _settle(self, luck: Random, route: str) -> None:
        model = self.model
        off = luck.choice([0, 0, 0, 1])
        to_seller = model.left * luck.choice(SHARES) // 10_000
        how = {"to_seller": to_seller, "to_buyer": model.left - to_seller + off}
        how["deadline"] = model.now - (route == "late")
        done = self.twin.settle(
            left=model.left + off, seq=model.seq + (route == "stale"), forged=route == "forged", **how
        )
        self._compare("settle", done, good=route not in ("forged", "stale"), **how)

    # ---- life: without what the model allows hardly anything would go far ---------------------------------

    def _go_on(self, luck: Random, route: str) -> None:
        owed = [leg for leg in LEGS if self.model.debts[leg].rest]
        if owed and luck.random() < 0.5:
            if self.model.token.refused and luck.random() < 0.5:
                self._refuse(luck)  # forgives
            self._anyone("pay_leg", leg=luck.choice(owed))
            return
        self._allowed(luck, route, settling=False)

    def _end(self, luck: Random, route: str) -> None:
        """At the last second a claim is too early, a second later it is not."""
        model = self.model
        unfunded = model.untouched and not model.funded
        if luck.random() < 0.5 and not unfunded:
            self._allowed(luck, route, settling=True)
            return
        claims = {
            Status.OPEN: ("claim_undelivered", model.deliver_by),
            Status.DELIVERED: ("claim_delivered", model.inspection_end),
            Status.DISPUTED: ("claim_fallback", model.arbitration_end),
            Status.CANCELLED: ("claim_unfunded", model.deal.fund_by),
        }
        claim, end = claims[Status.CANCELLED if unfunded else model.status]
        self.travel(end + luck.choice([0, 1, 1]))
        self._anyone(claim)

    def _last_second(self, luck: Random, route: str) -> None:
        """Up to the end of a clock acting is in time, and a second later it is not."""
        model, side = self.model, luck.choice(SIDES)
        action = luck.choice(LAST_SECOND[model.status])
        ends = {"withdraw": model.arbitration_end, "appeal": model.arbitration_end - 14 * DAY}
        self.travel(ends.get(action, model.clock_end) + luck.choice([0, 0, 0, 1]))
        how: dict[str, Any] = {"side": side} if action in ("dispute", "appeal") else {}
        if action == "extend":
            how = {"until": model.clock_end + DAY}
        usual = {"mark": "seller", "reopen": "buyer", "extend": "both", "withdraw": model.opener}
        self._act(action, usual.get(action, side), route, **how)
        if action == "dispute" and luck.random() < 0.5:
            self._act("withdraw", self.model.opener, route)

    def _allowed(self, luck: Random, route: str, *, settling: bool) -> None:
        """Something that the model would do now; `settling` or not."""
        possible: dict[str, list[dict[str, Any]]] = {}
        for action, how in self._moves():
            after, done = self.model.attempt(action, **how)
            if done and settling == (ended(after) and not ended(self.model)):
                possible.setdefault(action, []).append(how)
        if possible:
            action = luck.choice(sorted(possible))
            self._do(action, route, luck.choice(possible[action]))

    def _moves(self) -> list[Move]:
        """What is worth trying, whoever may."""
        left, third = self.model.left, max(self.model.left // 3, 1)
        moves: list[Move] = [(claim, {}) for claim in CLAIMS]
        moves += [("pay_leg", {"leg": leg}) for leg in LEGS]
        moves += [("rescue", {"by": "buyer", "what": what}) for what in ("own", "other")]
        moves += [("extend", {"by": by, "until": self.model.clock_end + DAY}) for by in ("both", "operator")]
        for by in ("buyer", "seller", "operator"):
            moves += [(action, {"by": by}) for action in ("mark", "reopen", "withdraw", "cancel")]
            for side, leg in (("buyer", "to_seller"), ("seller", "to_buyer")):
                moves += [(action, {"by": by, "side": side}) for action in ("dispute", "appeal")]
                nothing = {"by": by, "left": left, "to_seller": 0, "to_buyer": 0}
                moves += [("pay", {**nothing, leg: part}) for part in (third, left)]
        return moves

    # ---- how ----------------------------------------------------------------------------------------------

    def travel(self, instant: int) -> None:
        self.model.now = self.twin.now = max(instant, self.model.now)

    def _bring(self, amount: int) -> None:
        self.model.token.held["vault"] += amount
        self.twin.mint(self.twin.vault, amount)

    def _deny(self, who: str, denied: bool) -> None:
        if not self.denies:
            self.twin.token_does(f"{'add' if denied else 'remove'}BlackList(address)", self.twin.vault)
            return
        terms = self.twin.terms
        holders = {"vault": self.twin.vault, "fee": terms.fee_recipient}
        self.twin.token_does("deny(address,bool)", holders.get(who) or getattr(terms, who), denied)

    def _do(self, action: str, route: str, how: dict[str, Any]) -> None:
        if "by" in how:
            self._act(action, how["by"], route, **{name: how[name] for name in how if name != "by"})
        else:
            self._anyone(action, **how)

    def _anyone(self, action: str, **how: Any) -> None:
        self._compare(action, self.twin.anyone(action, **how), **how)

    def _act(self, action: str, by: str, route: str, **how: Any) -> None:
        signs = by in ("buyer", "seller", "both")
        if by == "both" or (signs and route != "own call"):
            self._signed(action, by, route, **how)
        else:
            self._compare(action, self.twin.act(action, by, **how), by=by, **how)

    def _signed(self, action: str, by: str, route: str, **how: Any) -> None:
        model = self.model
        deadline = model.now - (route == "late")
        recovery = action == "rescue"  # binds neither the remainder nor what happened since
        left, seq = (0, 0) if recovery else (how.get("left", model.left), model.seq)
        good = route not in ("stale", "forged") and (recovery or left == model.left)
        done = self.twin.relay(
            action,
            by,
            **{**how, "left": left, "seq": seq + (route == "stale")},
            deadline=deadline,
            forged=route == "forged",
        )
        self._compare("relay", done, good=good, deadline=deadline, action=action, by=by, **how)

    def _ruling(self, luck: Random, seats: int, *, total: int, off: tuple[int, int, int] = (0, 0, 0)) -> None:
        """Seats signed for this round and this moment, or for one beside them."""
        model = self.model
        to_seller = total * luck.choice(SHARES) // 10_000
        how = {"round": max(model.round + off[0], 0), "not_before": model.now + off[1]}
        how |= {"deadline": model.now + off[2], "to_seller": to_seller, "to_buyer": total - to_seller}
        self._compare("rule", self.twin.rule(seats=seats, **how), good=seats >= 2, **how)

    def _compare(self, name: str, done: bool, /, **how: Any) -> None:
        """Both do it, or both refuse."""
        note(f"{name} {how}: {'done' if done else 'refused'}")
        self.model, expected = self.model.attempt(name, **how)
        self.over += ended(self.model)
        assert done == expected, f"{name} {how}: the contract {'did' if done else 'refused'} it"
        for each in {name, how.get("action", name)}:
            self.tally[each, done] += 1


def ended(model: Model) -> bool:
    """Nothing is undecided any more."""
    return model.settled or model.status is Status.CANCELLED


def expected_state(model: Model) -> dict[str, Any]:
    """The fields that the contract must tell of; a settled escrow has none left."""
    if model.settled:
        return dict.fromkeys(FIELDS, 0)
    same = {name: getattr(model, name) for name in FIELDS if hasattr(model, name)}
    return same | {
        "appealed": sum(1 << PARTIES.index(side) for side in model.appeals),
        "owing": model.ever_owing,
        "released": model.released > 0 and model.deal.fee_bps > 0,
        "opener": PARTIES.index(model.opener),
        "buyer_disputes": model.disputes["buyer"],
        "seller_disputes": model.disputes["seller"],
    }


def live(chain: DevChain, kind: type[Model], profile: settings) -> Counter[tuple[str, bool]]:
    """Plays many lives on the chain and in this kind of model; how often each action was done and refused."""
    with closing(World(chain)) as tokens:
        Lives.chain, Lives.tokens, Lives.kind = chain, tokens, kind
        Lives.tally, Lives.numbers = Counter(), count()
        run_state_machine_as_test(Lives, settings=settings(profile, deadline=None, **HASTE))
    return Lives.tally


@pytest.mark.timeout(3_600)
def test_the_contract_and_the_model_live_the_same_lives(
    chain: DevChain, capsys: pytest.CaptureFixture[str]
) -> None:
    tally = live(chain, Model, PROFILES[PROFILE])
    for _ in range(ROUNDS):
        if not missing(tally):
            break
        tally += live(chain, Model, settings(PROFILES[PROFILE], derandomize=False))
    with capsys.disabled():
        sys.stdout.write(table(tally) + "\n")
    assert missing(tally) == []


def missing(tally: Counter[tuple[str, bool]]) -> list[str]:
    """The actions that were never done, or never refused."""
    return [
        f"{action} was never {'done' if done else 'refused'}"
        for action in ACTIONS
        for done in (True, False)
        if not tally[action, done]
    ]


class Forgetful(Model):
    """Gives back only the seconds that were left when a dispute is withdrawn, and not at least a day."""

    def withdraw(self, by: str) -> None:
        frozen = self.frozen
        super().withdraw(by)
        if self.status is Status.OPEN:
            self.deliver_by = self.now + frozen


class Generous(Model):
    """Lets the operator release what is disputed."""

    def pay(self, by: str, **how: Any) -> None:
        disputed, self.status = self.status is Status.DISPUTED, Status.OPEN
        super().pay(by, **how)
        self.status = Status.DISPUTED if disputed else self.status


@pytest.mark.parametrize("kind", [Forgetful, Generous])
def test_a_model_with_one_wrong_rule_is_found_out(chain: DevChain, kind: type[Model]) -> None:
    """The canary: lives long and strange enough meet every rule."""
    unshrunk = settings(PROFILES["short"], phases=[Phase.generate])
    with pytest.raises(AssertionError):
        for _ in range(ROUNDS):
            live(chain, kind, unshrunk)
            unshrunk = settings(unshrunk, derandomize=False)


def table(tally: Counter[tuple[str, bool]]) -> str:
    """How often each action was done, and refused, by both."""
    lines = [f"\n{'action':20}{'done':>8}{'refused':>9}"]
    return "\n".join(lines + [f"{name:20}{tally[name, True]:>8}{tally[name, False]:>9}" for name in ACTIONS])
