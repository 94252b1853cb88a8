"""Where the time of a life, or of a log, goes: played in this process, its statements and seconds counted."""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from django.db import connection

from tests.bench import crowd
from tests.chain.fixtures import Anvil


@dataclass
class Spent:
    """Of one duty, over all lives: statements, seconds of this process, seconds in the database."""

    statements: int = 0
    cpu: float = 0.0
    sql: float = 0.0


@dataclass
class Accounts:
    """What each duty took; use `counting` around everything, and `of` around each call."""

    duties: dict[str, Spent] = field(default_factory=dict)
    _now: Spent = field(default_factory=Spent)

    def counting(self) -> AbstractContextManager[None]:
        """Statements are counted inside."""
        return connection.execute_wrapper(self._count)

    def of(self, duty: str, work: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        """Do it and note what it took."""
        self._now = self.duties.setdefault(duty, Spent())
        start = time.process_time()
        work(*args, **kwargs)
        self._now.cpu += time.process_time() - start

    def each(self, lives: int) -> dict[str, dict[str, float]]:
        """For one life of so many."""
        return {
            duty: {
                "statements": round(spent.statements / lives, 1),
                "cpu_ms": round(1000 * spent.cpu / lives, 1),
                "sql_ms": round(1000 * spent.sql / lives, 1),
            }
            for duty, spent in self.duties.items()
        }

    def _count(self, execute: Callable[..., Any], *args: Any) -> Any:
        start = time.perf_counter()
        try:
            return execute(*args)
        finally:
            self._now.statements += 1
            self._now.sql += time.perf_counter() - start


def of_lives(desk: Any, node: Anvil, escrows: list[Any]) -> dict[str, dict[str, float]]:
    """Play these escrows from the deposit to the final release; what each duty took for one of them."""
    from chain.selectors import pending_keys
    from chain.services import indexer, sender
    from core import deadlines, outbox
    from payments.models import Escrow
    from payments.services import payouts
    from payments.services.projection import project
    from payments.tasks import show_heads
    from tests.payments.fixtures import actor

    net, accounts = desk.engine.network, Accounts()
    mine = Escrow.objects.filter(pk__in=[escrow.pk for escrow in escrows])
    crowd.pay_each(node, [escrow.vault_address for escrow in escrows], escrows[0].amount)
    waiting = set(mine.values_list("pk", flat=True))
    with accounts.counting():
        while mine.exclude(state="released").exists():
            node.mine()
            accounts.of("index", indexer.read_all, net)
            accounts.of("show what is new", show_heads, net.pk, pending_keys(net))
            accounts.of("project", project, net)
            for pk in set(mine.filter(pk__in=waiting, state="funded").values_list("pk", flat=True)):
                accounts.of(
                    "order", payouts.release, escrow_id=pk, role="buyer", acting=actor(desk.cast.buyer)
                )
                waiting.remove(pk)
            accounts.of("send", sender.send_due, net)
            accounts.of("confirm", sender.confirm_due, net)
            accounts.of("deadlines", deadlines.run_due)
            accounts.of("tell", outbox.drain)
    return accounts.each(len(escrows))


def of_backfill(read: Callable[[], None], logs: int) -> dict[str, float]:
    """Read everything; microseconds for each log: the requests by kind, the database, and all the rest, which
    is checking, matching and building rows. Requests count until their JSON is decoded."""
    from chain.rpc import transport

    spent: Counter[str] = Counter()

    def timed(work: Callable[..., Any], named: Callable[..., str]) -> Callable[..., Any]:
        def wrapped(*args: Any) -> Any:
            start = time.perf_counter()
            try:
                return work(*args)
            finally:
                spent[named(*args)] += time.perf_counter() - start

        return wrapped

    batch = timed(transport._batch, lambda _, asked: str(asked[0][0]))
    call = timed(transport.call, lambda _, method, __: str(method))
    start = time.perf_counter()
    with (
        patch.object(transport, "_batch", batch),
        patch.object(transport, "call", call),
        connection.execute_wrapper(timed(_execute, lambda *_: "database")),
    ):
        read()
    spent["all the rest"] = time.perf_counter() - start - sum(spent.values())
    return {what: round(1e6 * seconds / logs, 2) for what, seconds in spent.most_common()}


def _execute(execute: Callable[..., Any], *args: Any) -> Any:
    return execute(*args)
