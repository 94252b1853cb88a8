"""JSON-RPC over HTTP: web3's provider as transport, without its middleware and its retries."""

import os
import sys
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests
import urllib3
from django.conf import settings
from eth_typing import URI
from web3 import HTTPProvider
from web3.types import RPCEndpoint

from chain.rpc import sizes
from chain.rpc.answers import decoded
from chain.rpc.errors import (
    BadAnswer,
    BatchRefused,
    LogsRefused,
    NodeError,
    NotJson,
    RateLimited,
    Reverted,
    RpcError,
    Unreachable,
    from_node,
)
from chain.rpc.waits import asked_to_wait
from core.netguard import assert_no_transaction

# web3 brings py_ecc, which lifts the limit so far that an answer nested deep enough would end the process.
sys.setrecursionlimit(min(sys.getrecursionlimit(), 1000))

CONNECT_TIMEOUT, READ_TIMEOUT = 3.05, 10.0  # seconds; the second between two parts of an answer
_PART = 2**20
# HTTP refusals that have nothing to do with how much was asked for: no right, no such place, too slow.
_NOT_ABOUT_SIZE = (401, 403, 404, 408, 429)

Request = tuple[str, list[Any]]


def redacted(url: str) -> str:
    """Scheme and host only: paths, queries and user names of node URLs carry keys."""
    parts = urlsplit(url)
    host = f"{parts.hostname}:{parts.port}" if parts.port else f"{parts.hostname}"
    return f"{parts.scheme}://{host}"


class _Asked(threading.local):
    """The identities of what this thread has just asked."""

    def __init__(self) -> None:
        self.identities: list[int] = []


_asked = _Asked()


class TooLarge(BadAnswer):
    """An answer above `settings.RPC_ANSWER_BYTES`; nobody read it to its end."""


class HttpRefusal(Unreachable):
    """An HTTP error without JSON-RPC in it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.about_size = 400 <= status < 500 and status not in _NOT_ABOUT_SIZE
        # Of a batch this may be the answer to its size; a smaller one tells.
        self.about_batch = self.about_size or status == 500


class _HttpError(Exception):
    """An HTTP error with all that came with it."""

    def __init__(self, response: requests.Response, body: bytes) -> None:
        super().__init__(response.status_code)
        self.status, self.headers, self.body = response.status_code, response.headers, body


class _Provider(HTTPProvider):
    """Reads answers with msgspec, for a back-fill is mostly reading, bounds their size and their whole time,
    and remembers what it asked."""

    def encode_rpc_request(self, method: RPCEndpoint, params: Any) -> bytes:
        """One request, with an identity of its own."""
        identity = next(self.request_counter)
        _asked.identities.append(identity)
        return msgspec.json.encode({"jsonrpc": "2.0", "id": identity, "method": method, "params": params})

    @staticmethod
    def decode_rpc_response(raw_response: bytes) -> Any:
        """The JSON in it; `ValueError` if it is none."""
        return decoded(raw_response)

    def make_batch_request(self, batch_requests: list[tuple[RPCEndpoint, Any]]) -> Any:
        """The answer to all of them as it came."""
        request = self.encode_batch_rpc_request(batch_requests)
        return self.decode_rpc_response(self._make_request(RPCEndpoint("batch"), request))

    def _make_request(self, method: RPCEndpoint, request_data: bytes) -> bytes:
        end, manager = time.monotonic() + settings.RPC_ANSWER_SECONDS, self._request_session_manager
        with manager.get_response_from_post_request(
            URI(str(self.endpoint_uri)), data=request_data, stream=True, **self.get_request_kwargs()
        ) as response:
            body = _bounded(response, end)
            if not response.ok:
                raise _HttpError(response, body)
            return body


def _bounded(response: requests.Response, end: float) -> bytes:
    """The body. Raises `TooLarge`, and `Unreachable` when it did not end before `end`: a time-out of the
    socket starts anew with every byte."""
    parts, size = list[bytes](), 0
    while part := response.raw.read1(_PART, decode_content=True):
        parts.append(part)
        size += len(part)
        if size > settings.RPC_ANSWER_BYTES:
            raise TooLarge(f"an answer above {settings.RPC_ANSWER_BYTES} bytes")
        if time.monotonic() > end:
            raise Unreachable("an answer without end", slow=True)
    return b"".join(parts)


@lru_cache(maxsize=64)
def _provider(url: str, process: int) -> HTTPProvider:
    # Retries off: web3's allow-list contains eth_sendRawTransaction. One session per process and thread.
    return _Provider(
        URI(url),
        request_kwargs={"timeout": (CONNECT_TIMEOUT, READ_TIMEOUT)},
        exception_retry_configuration=None,
    )


def provider(url: str) -> HTTPProvider:
    """The process's connection to `url`."""
    return _provider(url, os.getpid())


def call(url: str, method: str, params: list[Any]) -> Any:
    """The result of one request. Raises an `RpcError`; never inside a database transaction."""
    assert_no_transaction(f"{method} on the chain")
    try:
        answer = _exchange(lambda: provider(url).make_request(RPCEndpoint(method), params))
    except (TooLarge, HttpRefusal) as error:
        if method == "eth_getLogs" and (isinstance(error, TooLarge) or error.about_size):
            raise LogsRefused(0, str(error)) from None
        raise
    # Of a request that it could not read a node does not know the identity, and says so.
    unknown = isinstance(answer, dict) and answer.get("id") is None and answer.get("error") is not None
    if not unknown and list(_by_identity([answer])) != _asked.identities:
        raise BadAnswer("an answer to another request")
    return _result(method, answer)


def batch(url: str, requests_: list[Request]) -> list[Any]:
    """Results in order; a request that failed stands there as its exception, not raised.

    As many at once as the node takes: who refuses is asked for half of them, down to one. What comes later
    in the list is never asked earlier. Raises `RpcError` when the node gave no answer, or wants us to wait.
    """
    results: list[Any] = []
    while len(results) < len(requests_):
        results += _some(url, requests_[len(results) :][: sizes.of(url)])
    return results


def _some(url: str, asked: list[Request]) -> list[Any]:
    """Results of the first of `asked`: of all that were answered as each would be alone; at least one."""
    size = len(asked)
    while size > 1:
        results = _batch_or_none(url, asked[:size])
        answered = _answered(url, asked, results)
        if answered:
            sizes.note(url, answered if answered == size else size // 2, refused=answered < len(asked))
            return results[:answered]
        size //= 2
    alone = _alone(url, *asked[0])
    sizes.note(url, 1, refused=len(asked) > 1)
    return [alone]


def _batch_or_none(url: str, asked: list[Request]) -> list[Any]:
    """Results of all, or of none when the node did not take the batch as a whole."""
    try:
        return _batch(url, asked)
    except BatchRefused:
        return []


def _answered(url: str, asked: list[Request], results: list[Any]) -> int:
    """How many of the first results are what the node says of the request itself.

    An error is, if the same request alone fails too; one such proof holds for the rest of the batch.
    """
    proven = False
    for place, result in enumerate(results):
        if isinstance(result, BatchRefused):
            return place
        own = isinstance(result, Reverted) or (isinstance(result, LogsRefused) and result.names_size)
        if proven or own or not isinstance(result, NodeError):
            continue
        proven = isinstance(_alone(url, *asked[place]), NodeError)
        if not proven:
            return place
    return len(results)


def _alone(url: str, method: str, params: list[Any]) -> Any:
    try:
        return call(url, method, params)
    except NodeError as error:
        return error


def _batch(url: str, asked: list[Request]) -> list[Any]:
    """Results of all. Raises `BatchRefused` when the node did not take the batch as a whole."""
    assert_no_transaction("a batch on the chain")
    named = [(RPCEndpoint(method), params) for method, params in asked]
    try:
        answers = _exchange(lambda: provider(url).make_batch_request(named))
    except (TooLarge, HttpRefusal) as error:
        if isinstance(error, TooLarge) or error.about_batch:
            raise BatchRefused(0, str(error)) from None
        raise
    if not isinstance(answers, list):
        _result("batch", answers, in_batch=True)
        raise BadAnswer("a batch was answered with one answer")
    if any(
        isinstance(answer, dict) and answer.get("id") is None and answer.get("error") for answer in answers
    ):
        _result("batch", next(answer for answer in answers if answer.get("id") is None), in_batch=True)
    given = _by_identity(answers)
    if len(answers) != len(given) or not given.keys() <= set(_asked.identities):
        raise BadAnswer("answers to other requests")
    if len(given) < len(asked):
        raise BatchRefused(0, "answers of a batch are missing")
    # A node may answer in any order.
    in_order = zip(asked, _asked.identities, strict=True)
    results = [_result_or_error(method, given[identity]) for (method, _), identity in in_order]
    for result in results:
        if isinstance(result, RateLimited):
            raise result
    return results


def _exchange(ask: Callable[[], Any]) -> Any:
    """The JSON that came back. Raises `RpcError`."""
    _asked.identities = []
    try:
        return ask()
    except _HttpError as error:
        return _body_of(error)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise _unreachable(error) from None
    except ValueError:
        raise NotJson("not JSON") from None


def _by_identity(answers: list[Any]) -> dict[int, Any]:
    try:
        return {int(answer["id"]): answer for answer in answers}
    except (TypeError, KeyError, ValueError, OverflowError):
        raise BadAnswer("an answer without its request's id") from None


def _unreachable(error: Exception) -> Unreachable:
    slow = isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError)
    return Unreachable(type(error).__name__, slow=slow)


def _body_of(error: _HttpError) -> Any:
    """Some nodes send JSON-RPC errors with an HTTP error; anything else says nothing, or asks us to wait."""
    seconds = asked_to_wait(error.headers.get("Retry-After"))
    try:
        body = _Provider.decode_rpc_response(error.body)
    except ValueError:
        body = None
    if error.status == 429 or (error.status == 503 and seconds is not None):
        raise RateLimited(f"HTTP {error.status}", seconds=seconds) from None
    if (
        error.status == 503
        or not isinstance(body, dict | list)
        or (isinstance(body, dict) and "error" not in body)
    ):
        raise HttpRefusal(error.status) from None
    return body


def _result(method: str, answer: Any, *, in_batch: bool = False) -> Any:
    if not isinstance(answer, dict):
        raise BadAnswer("not a JSON-RPC answer")
    if answer.get("error") is not None:
        raise _error(method, answer["error"], in_batch=in_batch)
    if "result" not in answer:
        raise BadAnswer("neither result nor error")
    return answer["result"]


def _error(method: str, error: Any, *, in_batch: bool) -> RpcError:
    """Who refuses a whole batch refuses its size, whatever the words."""
    found = from_node(method, error, in_batch=in_batch)
    if method == "batch" and isinstance(found, NodeError):
        return BatchRefused(found.code, found.message, found.data)
    return found


def _result_or_error(method: str, answer: Any) -> Any:
    try:
        return _result(method, answer, in_batch=True)
    except RpcError as error:
        return error
