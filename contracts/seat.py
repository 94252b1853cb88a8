"""`ArbiterSeat`: a seat that terms name as an arbiter. Its key signs rulings like any seat (`rulings`)."""

from collections.abc import Sequence
from typing import Any

from eth_abi.abi import encode

from contracts import abi
from contracts.artifacts import Deployment, deploy_with

NAME = "ArbiterSeat"
REPLACE_DELAY = 7 * 86_400


def deploy(*, cold: str, key: str) -> Deployment:
    """A seat with its first key. Its address follows from both keys: the same on every network."""
    return deploy_with(NAME, encode(["address", "address"], [cold, key]), cold)


def propose(next_key: str) -> bytes:
    """The cold key names who takes the seat in 7 days."""
    return abi.encode_call(NAME, "propose", [next_key])


def withdraw() -> bytes:
    """The cold key takes its proposal back."""
    return abi.encode_call(NAME, "withdraw", [])


def replace() -> bytes:
    """Seats the proposed key after 7 days. Anyone."""
    return abi.encode_call(NAME, "replace", [])


def decode_log(topics: Sequence[bytes], data: bytes) -> tuple[str, dict[str, Any]] | None:
    """What a log of a seat says: `Proposed`, `Withdrawn`, `Seated` and the fields; None for another log."""
    return abi.decode_log(NAME, topics, data)


def key() -> bytes:
    """Whose signatures are the seat's; `views.decode_address` reads the answer."""
    return abi.encode_call(NAME, "key", [])


def next_key() -> bytes:
    """Who was proposed, zero when nobody; `views.decode_address` reads the answer."""
    return abi.encode_call(NAME, "nextKey", [])


def ready_at() -> bytes:
    """When the proposed key may take the seat, zero when nobody; `views.decode_int` reads the answer."""
    return abi.encode_call(NAME, "readyAt", [])
