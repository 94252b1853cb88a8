"""Plays a plan: lives begin, go on and end while its faults happen; then everything drains and is judged."""

import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from django.db import connection

from payments.models import Escrow
from tests.soak import gather
from tests.soak.checks import Verdict, judge, without_effect
from tests.soak.clicks import TRANSIENT, Wait
from tests.soak.faults import Faults
from tests.soak.lives import Living, World
from tests.soak.plan import Plan
from tests.soak.stage import Stage

POOL = 30  # lives at once
TICK = 0.25  # seconds between two looks
STANDSTILL = 240.0  # seconds without a life that ends, after which the rest is lost
DRAIN = 180.0  # seconds for what is under way after the last life
SAY_EVERY = 15.0


@dataclass
class Going:
    """One life between two steps."""

    living: Living
    story: Iterator[Wait]
    wait: Wait


@dataclass
class Soak:
    """One run."""

    plan: Plan
    stage: Stage
    world: World
    faults: Faults
    say: Callable[[str], None]
    lives: list[Living] = field(default_factory=list)
    going: list[Going] = field(default_factory=list)
    ended: int = 0
    failures: list[str] = field(default_factory=list)
    spent: Counter[str] = field(default_factory=Counter)
    _last_end: float = field(default_factory=time.monotonic)

    def play(self) -> None:
        """Until every life has ended, or none ends any more."""
        coming = [Living(self.world, life) for life in self.plan.lives]
        self.lives = list(coming)
        said = self._last_end = time.monotonic()
        while (coming or self.going) and time.monotonic() - self._last_end < STANDSTILL:
            if coming and len(self.going) < POOL:
                self._begin(coming.pop(0))
            self._round(begun=len(self.lives) - len(coming))
            if time.monotonic() - said > SAY_EVERY:
                said = time.monotonic()
                self._tell(len(self.lives) - len(coming))
        self.failures += [f"life {one.living.life.number} did not end" for one in self.going]

    def drain(self) -> None:
        """No more faults; until nothing is under way, or the time is over."""
        self.faults.stop()
        end = time.monotonic() + DRAIN
        while time.monotonic() < end:
            self._tend()
            try:
                if not any(gather.open_work(self.world.network).values()) and self._caught_up():
                    return
            except TRANSIENT:
                connection.close()
            time.sleep(0.5)

    def judge(self) -> Verdict:
        """Compare plan, chain and tables."""
        found = gather.found(self.world.network, self.stage.chain)
        verdict = judge(gather.wanted(self.lives, self.world.wallets), found)
        verdict.other += self.failures
        verdict.other += without_effect(self.faults.fired())
        return verdict

    def outcomes(self) -> dict[str, str]:
        """The state in which each life's escrow is now."""
        known = {living.escrow.pk for living in self.lives if living.escrow}
        return dict(Escrow.objects.filter(pk__in=known).values_list("pk", "state"))

    def _begin(self, living: Living) -> None:
        self.going.append(Going(living, living.story(), lambda: True))

    def _round(self, *, begun: int) -> None:
        start = time.monotonic()
        self._timed("faults", lambda: self.faults.step(begun + self.ended))
        self._timed("tend", self._tend)
        try:
            known = [one.living.escrow.pk for one in self.going if one.living.escrow]
            self._timed("view", lambda: self.world.view.read(known))
        except TRANSIENT:
            connection.close()
        for one in list(self.going):
            self._timed("lives", lambda one=one: self._advance(one))
        time.sleep(max(0.0, TICK - (time.monotonic() - start)))

    def _advance(self, one: Going) -> None:
        try:
            if not one.wait():
                return
            one.wait = next(one.story)
        except StopIteration:
            self._end(one)
        except TRANSIENT:
            connection.close()
        except Exception as error:
            self.failures.append(f"life {one.living.life.number} ({one.living.life.kind}): {error!r}")
            self.say("".join(traceback.format_exception(error)))
            self._end(one)

    def _end(self, one: Going) -> None:
        self.going.remove(one)
        self.ended += 1
        self._last_end = time.monotonic()

    def _tend(self) -> None:
        self.faults.tend()
        self.world.wallets.tend()
        if self.stage.miner.failure:
            raise RuntimeError(f"no more blocks: {self.stage.miner.failure}")

    def _caught_up(self) -> bool:
        from payments.services.projection import is_caught_up

        return is_caught_up(self.world.network)

    def _timed(self, what: str, work: Callable[[], object]) -> None:
        start = time.monotonic()
        try:
            work()
        finally:
            self.spent[what] += int(1_000 * (time.monotonic() - start))

    def _tell(self, begun: int) -> None:
        waiting = Counter(self.world.view.escrows.values())
        states = ", ".join(f"{count} {state}" for state, count in waiting.most_common())
        self.say(f"{begun} begun, {self.ended} ended, {self.faults.left()} faults to come; {states}")
