"""New heads by websocket, where a provider offers them. A doorbell: what is believed is read by HTTP."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from chain.rpc.answers import an_object, decoded, quantity
from chain.rpc.errors import BadAnswer, Unreachable, WrongChain, from_node
from core.netguard import assert_no_transaction

OPEN_TIMEOUT, ANSWER_TIMEOUT = 3.0, 10.0
_TICK = 0.5
_LONGEST_MESSAGE = 2**18


def heads(url: str, chain_id: int, silence: float, stop: threading.Event) -> Iterator[int]:
    """Numbers of new heads as they come, until `stop`.

    Raises `Unreachable` when the connection ends or nothing comes for `silence` seconds, `WrongChain` or
    another `RpcError` when the node is not what it should be.
    """
    assert_no_transaction("a subscription")
    try:
        with connect(
            url, open_timeout=OPEN_TIMEOUT, close_timeout=1, max_size=_LONGEST_MESSAGE, proxy=None
        ) as socket:
            if (found := quantity(_ask(socket, 1, "eth_chainId"), "chain id")) != chain_id:
                raise WrongChain(f"chain id {found} instead of {chain_id}")
            subscription = _ask(socket, 2, "eth_subscribe", "newHeads")
            yield from _notices(socket, subscription, silence, stop)
    except (WebSocketException, OSError) as error:
        raise Unreachable(type(error).__name__) from None


def _ask(socket: ClientConnection, identity: int, method: str, *params: Any) -> Any:
    socket.send(json.dumps({"jsonrpc": "2.0", "id": identity, "method": method, "params": params}))
    end = time.monotonic() + ANSWER_TIMEOUT
    while time.monotonic() < end:
        answer = _message(socket, ANSWER_TIMEOUT)
        if answer is not None and answer.get("id") == identity:
            if answer.get("error") is not None:
                raise from_node(method, answer["error"])
            return answer.get("result")
    raise Unreachable("no answer", slow=True)


def _notices(
    socket: ClientConnection, subscription: Any, silence: float, stop: threading.Event
) -> Iterator[int]:
    heard = time.monotonic()
    while not stop.is_set():
        message = _message(socket, _TICK)
        if message is None:
            if time.monotonic() - heard > silence:
                raise Unreachable("no new head", slow=True)
            continue
        params = message.get("params")
        if isinstance(params, dict) and params.get("subscription") == subscription:
            heard = time.monotonic()
            yield quantity(an_object(params.get("result"), "head").get("number"), "block number")


def _message(socket: ClientConnection, timeout: float) -> dict[str, Any] | None:
    try:
        return an_object(decoded(socket.recv(timeout=timeout)), "message")
    except TimeoutError:
        return None
    except ValueError:
        raise BadAnswer("not JSON") from None
