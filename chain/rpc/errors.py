"""What can go wrong between us and a node, sorted by what to do about it."""

import re
from typing import Any

from contracts.errors import explain


class RpcError(Exception):
    """Any failure of a node to give a usable answer."""


class Unreachable(RpcError):
    """Timeout, refused connection, HTTP error, rate limit: nothing is known about what the node did.

    `slow`: it took the whole timeout to know so little.
    """

    def __init__(self, message: str = "", *, slow: bool = False) -> None:
        super().__init__(message)
        self.slow = slow


class RateLimited(Unreachable):
    """The node wants to be left alone for `seconds`; None: it names no time."""

    def __init__(self, message: str = "", *, seconds: float | None = None) -> None:
        super().__init__(message or "rate limited")
        self.seconds = seconds


class SilentOnRange(Unreachable):
    """The node answers, but not when asked for so many blocks: fewer are asked for next."""


class BadAnswer(RpcError):
    """The node answered something that cannot be true or that it is not fit to answer now."""


class NotJson(BadAnswer):
    """The node sent something that nobody can read; perhaps a part of an answer."""


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
    def error_data(self) -> str:
        """What the contract returned: 0x and hexadecimal digits, wherever the node put it; 0x for nothing."""
        return _returned(self.data) or "0x"

    @property
    def reason(self) -> str:
        """Why, in words as `contracts.errors` has them, or what the node said; at most 200 characters."""
        return (explain(self.error_data) or self.message)[:200]


class LogsRefused(NodeError):
    """The node does not give these logs, whatever it says: fewer are asked for next."""

    @property
    def names_size(self) -> bool:
        """Whether the text speaks of blocks, ranges or results."""
        return _SIZE.search(said(self.message, self.data)) is not None

    @property
    def suggested(self) -> int | None:
        """A window taken from the text, in blocks: a hint, often a wrong one."""
        text = said(self.message, self.data)
        span = re.search(r"0x([0-9a-f]{1,16})\W+0x([0-9a-f]{1,16})\b", text)
        if span:
            return max(1, int(span[2], 16) - int(span[1], 16) + 1)
        named = re.findall(r"(\d[\d,]{0,9})(k?)\s(?:blocks?|range)\b", text)
        named += re.findall(r"(?:range|blocks?)\D{0,40}?(\d[\d,]{0,9})(k?)\b", text)
        sizes = [int(digits.replace(",", "")) * (1000 if thousands else 1) for digits, thousands in named]
        return max(1, min(sizes)) if sizes else None


class BatchRefused(NodeError):
    """The node does not take so many requests at once, whatever it says: fewer are sent next."""


class AllProvidersFailed(RpcError):
    """Nobody gave a usable answer; `causes` holds each provider's error."""

    def __init__(self, causes: list[RpcError]) -> None:
        super().__init__("; ".join(f"{type(cause).__name__}: {cause}" for cause in causes) or "no provider")
        self.causes = causes

    @property
    def only_limited(self) -> bool:
        """Whether all of them merely want to be asked later."""
        return bool(self.causes) and all(isinstance(cause, RateLimited) for cause in self.causes)


# Words about how often one asks. They only keep a refusal of logs from narrowing the window; where blocks,
# ranges or results are named too, less is asked for all the same.
_RATE = ("rate limit", "ratelimit", "too many requests", "throttl", "request limit", "requests per",
         "per second", "compute units", "usage limit", "quota", "request count", "no backend is")  # fmt: skip
_SIZE = re.compile(r"\b(?:blocks?|ranges?|results?|logs?)\b")
_RETURNED = re.compile(r"(?:Reverted )?(0x[0-9a-fA-F]*)")
_UNKNOWN_METHOD = re.compile(
    r"method.{0,40}(?:not found|not supported|not exist|not available|unsupported|unknown)"
    r"|(?:unsupported|unknown) method"
)
# How machines say that the code they ran ended by itself; everything else is the node's own trouble.
_RAN = ("revert", "evm error", "vm exception", "vm execution error", "out of gas", "opcode",
        "bad instruction", "invalid jump", "badjump", "stack underflow", "stack overflow", "stack limit",
        "gas uint64 overflow", "write protection", "return data out of bounds")  # fmt: skip


def from_node(method: str, error: Any, *, in_batch: bool = False) -> RpcError:
    """The exception for a JSON-RPC error object of `method`; of a request in a batch, or of the batch itself,
    with `in_batch`."""
    if not isinstance(error, dict):
        return BadAnswer("an error that is no object")
    raw_code, message = error.get("code"), _printable(_plain(error.get("message", ""))[:300])
    code, data = (raw_code if isinstance(raw_code, int) else 0), error.get("data")
    text = said(message, data)
    if method == "eth_call" and (code == 3 or any(words in text for words in _RAN)):
        return Reverted(code, message, data)
    if in_batch and re.search(r"\bbatch\b", text):
        return BatchRefused(code, message, data)
    too_often = code == 429 or (code == -32005 and method != "eth_getLogs")
    if too_often or (any(words in text for words in _RATE) and not _SIZE.search(text)):
        return RateLimited(f"rate limited: {message}")
    unknown = code == -32601 or _UNKNOWN_METHOD.search(text)
    if method == "eth_getLogs" and (not unknown or _SIZE.search(text)):
        return LogsRefused(code, message, data)
    return NodeError(code, message, data)


def said(message: str, data: Any) -> str:
    """All that the node says, in lower case: some say why only in the data."""
    more = "" if data is None or _returned(data) else _printable(_plain(data)[:300])
    return f"{message} {more}".lower()


def _plain(value: Any, depth: int = 3) -> str:
    """What a JSON value says, as one text; what is nested deeper was not written for people."""
    if isinstance(value, dict | list) and depth:
        entries = value.values() if isinstance(value, dict) else value
        return " ".join(_plain(entry, depth - 1) for entry in list(entries)[:20])
    return str(value) if isinstance(value, str | int | float) else ""


def _returned(data: Any, depth: int = 3) -> str:
    """The bytes that a contract returned, in any of the places where nodes put them; empty for none."""
    if isinstance(data, dict) and depth:
        entries = [data.get("data"), *(data[name] for name in data if name not in ("data", "txHash"))]
        return next((found for entry in entries if (found := _returned(entry, depth - 1))), "")
    match = _RETURNED.fullmatch(data) if isinstance(data, str) else None
    return match[1].lower() if match else ""


def _printable(text: str) -> str:
    """Without what no database column holds and no page shows; a stranger wrote it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
