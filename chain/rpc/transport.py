"""JSON-RPC over HTTP: web3's provider as transport, without its middleware and its retries."""

import os
import sys
import threading
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests
from eth_typing import URI
from web3 import HTTPProvider
from web3.types import RPCEndpoint

from chain.rpc.answers import decoded
from chain.rpc.errors import BadAnswer, RpcError, Unreachable, from_node
from core.netguard import assert_no_transaction

# web3 brings py_ecc, which lifts the limit so far that an answer nested deep enough would end the process.
sys.setrecursionlimit(min(sys.getrecursionlimit(), 1000))

CONNECT_TIMEOUT, READ_TIMEOUT = 3.05, 10.0
BATCH_LIMIT = 50

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


class _Provider(HTTPProvider):
    """Reads answers with msgspec, for a back-fill is mostly reading, and remembers what it asked."""

    def encode_rpc_request(self, method: RPCEndpoint, params: Any) -> bytes:
        """One request, with an identity of its own."""
        identity = next(self.request_counter)
        _asked.identities.append(identity)
        return msgspec.json.encode({"jsonrpc": "2.0", "id": identity, "method": method, "params": params})

    @staticmethod
    def decode_rpc_response(raw_response: bytes) -> Any:
        """The JSON in it; `ValueError` if it is none."""
        return decoded(raw_response)


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
    _asked.identities = []
    try:
        answer = provider(url).make_request(RPCEndpoint(method), params)
    except requests.HTTPError as error:
        answer = _body_of(error)
    except (requests.RequestException, OSError) as error:
        raise _unreachable(error) from None
    except ValueError:
        raise BadAnswer("not JSON") from None
    # Of a request that it could not read a node does not know the identity, and says so.
    unknown = isinstance(answer, dict) and answer.get("id") is None and answer.get("error") is not None
    if not unknown and list(_by_identity([answer])) != _asked.identities:
        raise BadAnswer("an answer to another request")
    return _result(method, answer)


def batch(url: str, requests_: list[Request]) -> list[Any]:
    """Results in order; a request that failed stands there as its exception, not raised.

    Raises `RpcError` when the batch as a whole failed, or when answers are missing.
    """
    results: list[Any] = []
    for start in range(0, len(requests_), BATCH_LIMIT):
        results += _batch(url, requests_[start : start + BATCH_LIMIT])
    return results


def _batch(url: str, asked: list[Request]) -> list[Any]:
    assert_no_transaction("a batch on the chain")
    _asked.identities = []
    try:
        answers: Any = provider(url).make_batch_request(
            [(RPCEndpoint(method), params) for method, params in asked]
        )
    except requests.HTTPError as error:
        answers = _body_of(error)
    except (requests.RequestException, OSError) as error:
        raise _unreachable(error) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadAnswer("not a JSON-RPC batch") from None
    if not isinstance(answers, list):
        _result("batch", answers)
        raise BadAnswer("a batch was answered with one answer")
    given = _by_identity(answers)
    if len(answers) != len(asked) or given.keys() != set(_asked.identities):
        raise BadAnswer("answers of a batch are missing")
    # A node may answer in any order.
    in_order = zip(asked, _asked.identities, strict=True)
    return [_result_or_error(method, given[identity]) for (method, _), identity in in_order]


def _by_identity(answers: list[Any]) -> dict[int, Any]:
    try:
        return {int(answer["id"]): answer for answer in answers}
    except (TypeError, KeyError, ValueError, OverflowError):
        raise BadAnswer("an answer without its request's id") from None


def _unreachable(error: Exception) -> Unreachable:
    return Unreachable(type(error).__name__, slow=isinstance(error, requests.Timeout))


def _body_of(error: requests.HTTPError) -> Any:
    """Some nodes send JSON-RPC errors with an HTTP error; anything else is unreachable."""
    status = error.response.status_code if error.response is not None else 0
    try:
        content = error.response.content if error.response is not None and status not in (429, 503) else b""
        body = _Provider.decode_rpc_response(content)
    except ValueError:
        body = None
    if not isinstance(body, dict | list) or (isinstance(body, dict) and "error" not in body):
        raise Unreachable(f"HTTP {status}") from None
    return body


def _result(method: str, answer: Any) -> Any:
    if not isinstance(answer, dict):
        raise BadAnswer("not a JSON-RPC answer")
    if answer.get("error") is not None:
        raise from_node(method, answer["error"])
    if "result" not in answer:
        raise BadAnswer("neither result nor error")
    return answer["result"]


def _result_or_error(method: str, answer: Any) -> Any:
    try:
        return _result(method, answer)
    except RpcError as error:
        return error
