"""JSON-RPC over HTTP: web3's provider as transport, without its middleware and its retries."""

import os
import sys
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests
from eth_typing import URI
from web3 import HTTPProvider
from web3.types import RPCEndpoint

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


class _Provider(HTTPProvider):
    """Reads answers with msgspec: a back-fill is mostly reading."""

    @staticmethod
    def decode_rpc_response(raw_response: bytes) -> Any:
        """The JSON in it; `ValueError` if it is none."""
        try:
            return msgspec.json.decode(raw_response)
        except RecursionError:
            raise ValueError("JSON nested without end") from None


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
        answer = provider(url).make_request(RPCEndpoint(method), params)
    except requests.HTTPError as error:
        answer = _body_of(error)
    except (requests.RequestException, OSError) as error:
        raise _unreachable(error) from None
    except ValueError:
        raise BadAnswer("not JSON") from None
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
    in_order = _by_identity(answers)
    if not len(answers) == len(in_order) == len(asked):
        raise BadAnswer("answers of a batch are missing")
    return [_result_or_error(method, answer) for (method, _), answer in zip(asked, in_order, strict=True)]


def _by_identity(answers: list[Any]) -> list[Any]:
    """As they were asked for: a node may answer a batch in any order. Of one identity only one."""
    try:
        placed = {int(answer["id"]): answer for answer in answers}
    except (TypeError, KeyError, ValueError):
        raise BadAnswer("not a JSON-RPC batch") from None
    return [placed[identity] for identity in sorted(placed)]


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
