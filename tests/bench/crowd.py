"""A chain full of token transfers, made quickly and for real.

Strangers pay each other through a small contract that calls the token's own `transfer` once for every word of
its calldata: logs, balances and receipts are the token's. Whoever pays one of our addresses sends a
transaction of their own, as people do.
"""

import json
import urllib.request
from collections.abc import Sequence
from typing import Any

from contracts.artifacts import TEST_USDT_ADDRESS
from contracts.calls import erc20_transfer, test_token_mint
from tests.chain.fixtures import Anvil, NodeRefused

CROWD_ADDRESS = "0x00000000000000000000000000000000C80AD000"
UNITS = 1_000_000  # of every transfer of a stranger: one test USDT
_GAS_OF_A_TRANSFER = 70_000
_AT_ONCE = 100  # requests in one HTTP request to the node

# for (i = 32; i < calldatasize; i += 32) require(calldata[0].call(transfer(calldata[i], UNITS)))
_CODE = "0x" + (
    "63a9059cbb60e01b600052"  # memory: the selector of `transfer`
    "620f4240602452"  # and UNITS as its second argument
    "6020"
    "5b36811015603a57"  # the loop, until the calldata ends
    "8035600452"  # memory: this word as the first argument
    "60006000604460006000600035"
    "5af115603c57"  # the call; the whole transaction fails with it
    "6020016014565b00"
    "5b60006000fd"
)


def stranger(number: int) -> str:
    """The address of one of the strangers."""
    return f"0x{0x5712A46E << 128 | number:040x}"


def gather(chain: Anvil, *, payers: int = 5) -> None:
    """Put the contract there, and give it and the payers test USDT to last."""
    chain.rpc("anvil_setCode", CROWD_ADDRESS, _CODE)
    for holder in (CROWD_ADDRESS, *chain.accounts[:payers]):
        chain.send(TEST_USDT_ADDRESS, test_token_mint(holder, 10**15))
    chain.mine()


def among_strangers(chain: Anvil, recipients: Sequence[str]) -> None:
    """One transaction with a transfer to each of these, into the pool."""
    words = [TEST_USDT_ADDRESS, *recipients]
    request = {
        "from": chain.accounts[0],
        "to": CROWD_ADDRESS,
        "data": "0x" + "".join(word[2:].lower().rjust(64, "0") for word in words),
        "gas": hex(100_000 + _GAS_OF_A_TRANSFER * len(recipients)),
    }
    chain.rpc("eth_sendTransaction", request)


def pay_each(chain: Anvil, recipients: Sequence[str], units: int, *, payers: int = 5) -> list[str]:
    """A transaction for each of these, into the pool; returns their hashes."""
    requests = [
        {
            "from": chain.accounts[place % payers],
            "to": TEST_USDT_ADDRESS,
            "data": "0x" + erc20_transfer(recipient, units).hex(),
            "gas": hex(_GAS_OF_A_TRANSFER + 30_000),
        }
        for place, recipient in enumerate(recipients)
    ]
    return [str(found) for found in many(chain, [("eth_sendTransaction", [entry]) for entry in requests])]


def many(chain: Anvil, requests: Sequence[tuple[str, list[Any]]]) -> list[Any]:
    """The results of many requests, in order."""
    found: list[Any] = []
    for start in range(0, len(requests), _AT_ONCE):
        found += _batch(chain.url, requests[start : start + _AT_ONCE])
    return found


def _batch(url: str, requests: Sequence[tuple[str, list[Any]]]) -> list[Any]:
    body = [
        {"jsonrpc": "2.0", "id": place, "method": method, "params": params}
        for place, (method, params) in enumerate(requests)
    ]
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        answers = sorted(json.load(reply), key=lambda answer: answer["id"])
    for answer in answers:
        if answer.get("error"):
            raise NodeRefused(answer["error"])
    return [answer["result"] for answer in answers]
