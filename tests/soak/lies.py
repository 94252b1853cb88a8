"""How the node lies to the product: each kind of fault of the proxy, for a few answers or a few seconds."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.chaos import modes, rpcproxy
from tests.chaos.rpcproxy import Answer, Fault, Forward, Request, RpcProxy, Rule

LAG_BLOCKS, LAG_SECONDS = 6, 4.0
LATE_SECONDS = 1.5
WITHHELD_SECONDS = 4.0


def error_after_accepting(request: Request, forward: Forward) -> Answer:
    """The node takes it and answers with an error that says nothing."""
    forward(request)
    return rpcproxy.error("internal error")(request, forward)


_SIMPLE: dict[str, tuple[str, Fault]] = {
    "rpc reply dropped": ("eth_sendRawTransaction", rpcproxy.drop_reply),
    "rpc request dropped": ("eth_sendRawTransaction", rpcproxy.drop_request),
    "rpc error after accepting": ("eth_sendRawTransaction", error_after_accepting),
    "rpc 429": ("*", rpcproxy.status(429)),
    "rpc 500": ("*", rpcproxy.status(500)),
    "rpc garbage": ("*", rpcproxy.garbage),
    "rpc late": ("*", modes.delay(LATE_SECONDS)),
    "rpc no receipts": ("eth_getTransactionReceipt", modes.null_receipt),
}


@dataclass
class Lie:
    """One fault told to the proxy: how often it really changed an answer, and how long it lasts."""

    kind: str
    rules: list[Rule]
    changed: Callable[[], int]
    lasts: float | None = None
    until: float | None = None


@dataclass
class Lies:
    """The faults that the proxy was told, of which each counts once it changed an answer."""

    proxy: RpcProxy
    told: list[Lie] = field(default_factory=list)

    def tell(self, kind: str, size: int) -> None:
        """From the next matching request on."""
        if kind in _SIMPLE:
            method, fault = _SIMPLE[kind]
            rule = self.proxy.on(method, fault, times=size)
            self.told.append(Lie(kind, [rule], lambda: rule.used))
        elif kind == "rpc lagging":
            before = len(self.proxy.rules)
            modes.lag(self.proxy, LAG_BLOCKS)
            rules = self.proxy.rules[before:]
            self.told.append(Lie(kind, rules, lambda: sum(rule.used for rule in rules), LAG_SECONDS))
        else:
            self._withhold(kind, size)

    def _withhold(self, kind: str, size: int) -> None:
        """Counts only answers in which there was something to leave out."""
        left_out: list[Any] = []

        def fault(request: Request, forward: Forward) -> Answer:
            if len(left_out) >= size:
                return forward(request)
            honest = forward(request)
            if honest.get("result"):
                left_out.append(honest["result"][-1])
                return {**honest, "result": honest["result"][:-1]}
            return honest

        # Taken back soon after, so that it does not stand before another rule for the same method.
        rule = self.proxy.on("eth_getLogs", fault)
        self.told.append(Lie(kind, [rule], lambda: len(left_out), WITHHELD_SECONDS))

    def tend(self) -> None:
        """Take back what has lasted long enough since somebody was first told."""
        now = time.monotonic()
        for lie in self.told:
            if lie.lasts is not None and lie.until is None and lie.changed():
                lie.until = now + lie.lasts
            if lie.until is not None and now >= lie.until:
                self._forget(lie)

    def _forget(self, lie: Lie) -> None:
        for rule in lie.rules:
            if rule in self.proxy.rules:
                self.proxy.rules.remove(rule)
        lie.lasts = lie.until = None

    def fired(self) -> dict[str, int]:
        """How many faults of each kind changed at least one answer."""
        counts: dict[str, int] = {}
        for lie in self.told:
            counts[lie.kind] = counts.get(lie.kind, 0) + (lie.changed() > 0)
        return counts
