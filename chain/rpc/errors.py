"""What can go wrong between us and a node, sorted by what to do about it."""

import re
from typing import Any


class RpcError(Exception):
    """Any failure of a node to give a usable answer."""


class Unreachable(RpcError):
    """Timeout, refused connection, HTTP error, rate limit: nothing is known about what the node did.

    `slow`: it took the whole timeout to know so little.
    """

    def __init__(self, message: str = "", *, slow: bool = False) -> None:
        super().__init__(message)
        self.slow = slow


class SilentOnRange(Unreachable):
    """The node answers, but not when asked for so many blocks: fewer are asked for next."""


class BadAnswer(RpcError):
    """The node answered something that cannot be true or that it is not fit to answer now."""


class WrongChain(BadAnswer):
    """The node speaks for another chain."""


class FinalConflict(BadAnswer):
    """The node contradicts a block that we hold for final."""


class NodeError(RpcError):
    """A JSON-RPC error object."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(f"{message} ({code})")
        self.code, self.message, self.data = code, message, data


class Reverted(NodeError):
    """`eth_call` ran and the contract refused."""

    @property
    def reason(self) -> str:
        """The contract's words, or the raw error data, at most 200 characters."""
        data = self.data if isinstance(self.data, str) else ""
        return (_error_string(data) or _printable(data[:200]) or self.message)[:200]


class RangeTooLarge(NodeError):
    """The node refuses so many blocks or logs at once; `suggested` blocks, if its text names a number."""

    @property
    def suggested(self) -> int | None:
        """A window taken from the text, in blocks."""
        blocks = re.search(r"(?:range|blocks?)\D{0,40}?(\d{1,6})\b", self.message.lower())
        span = re.search(r"0x([0-9a-f]+)\W+0x([0-9a-f]+)", self.message.lower())
        if span:
            return max(1, int(span[2], 16) - int(span[1], 16) + 1)
        return max(1, int(blocks[1])) if blocks else None


class AllProvidersFailed(RpcError):
    """Nobody gave a usable answer; `causes` holds each provider's error."""

    def __init__(self, causes: list[RpcError]) -> None:
        super().__init__("; ".join(f"{type(cause).__name__}: {cause}" for cause in causes) or "no provider")
        self.causes = causes


_RATE = ("rate limit", "too many requests", "capacity", "throttl", "request limit", "exceeded its compute")
_RANGE = ("block range", "range limit", "range is too", "query returned more than", "more than 10000",
          "response size", "query timeout", "blocks at a time", "limit exceeded", "too many results",
          "exceeds the range", "exceed maximum block range", "log response size")  # fmt: skip


def from_node(method: str, error: Any) -> RpcError:
    """The exception for a JSON-RPC error object of `method`."""
    if not isinstance(error, dict):
        return BadAnswer("an error that is no object")
    raw_code, message = error.get("code"), _printable(str(error.get("message", ""))[:300])
    code, data, text = (raw_code if isinstance(raw_code, int) else 0), error.get("data"), message.lower()
    if any(word in text for word in _RATE) or code == 429:
        return Unreachable("rate limited")
    if method == "eth_getLogs" and any(word in text for word in _RANGE):
        return RangeTooLarge(code, message, data)
    if method == "eth_call" and (
        code == 3 or "revert" in text or "evm error" in text or "out of gas" in text
    ):
        return Reverted(code, message, data)
    return NodeError(code, message, data)


def _printable(text: str) -> str:
    """Without what no database column holds and no page shows; a stranger wrote it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _error_string(data: str) -> str:
    """The text of `Error(string)`, empty for anything else."""
    body = data.removeprefix("0x")
    if not body.startswith("08c379a0") or len(body) < 8 + 128:
        return ""
    try:
        length = int(body[72:136], 16)
        words = bytes.fromhex(body[136 : 136 + 2 * min(length, 200)]).decode("utf-8", "replace")
        return _printable(words)
    except ValueError:
        return ""
