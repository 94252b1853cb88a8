"""Encoding and decoding by the committed ABI, so that no signature is written twice."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from contracts.artifacts import load


def signature_type(item: dict[str, Any]) -> str:
    """The canonical type of one parameter: structs become tuples."""
    kind: str = item["type"]
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(signature_type(part) for part in item['components'])}){kind.removeprefix('tuple')}"


@cache
def _entry(contract: str, kind: str, name: str) -> dict[str, Any]:
    for item in load(contract).abi:
        if item["type"] == kind and item["name"] == name:
            return item
    raise LookupError(f"{contract} has no {kind} {name}")


def signature(entry: dict[str, Any]) -> str:
    """Name and types, of which selectors and topics are hashes."""
    return f"{entry['name']}({','.join(signature_type(item) for item in entry['inputs'])})"


@cache
def selector(contract: str, name: str) -> bytes:
    """The four bytes that name a function."""
    return keccak(text=signature(_entry(contract, "function", name)))[:4]


@cache
def error_selectors(contract: str) -> dict[bytes, str]:
    """Selector to name, of every error that the contract may answer with."""
    return {
        keccak(text=signature(item))[:4]: item["name"]
        for item in load(contract).abi
        if item["type"] == "error"
    }


@cache
def topic(contract: str, name: str) -> bytes:
    """Topic 0 of an event."""
    return keccak(text=signature(_entry(contract, "event", name)))


def encode_call(contract: str, name: str, arguments: Sequence[Any]) -> bytes:
    """Calldata. Raises eth_abi's EncodingError when an argument does not fit its type."""
    types = [signature_type(item) for item in _entry(contract, "function", name)["inputs"]]
    return selector(contract, name) + encode(types, arguments)


def decode_result(contract: str, name: str, data: bytes) -> tuple[Any, ...]:
    """What a call answered. Raises eth_abi's DecodingError for anything else."""
    types = [signature_type(item) for item in _entry(contract, "function", name)["outputs"]]
    return decode(types, data)


def decode_log(contract: str, topics: Sequence[bytes], data: bytes) -> tuple[str, dict[str, Any]] | None:
    """The event's name and its fields, None when the contract has no such event."""
    for item in load(contract).abi:
        if item["type"] == "event" and topics and topic(contract, item["name"]) == bytes(topics[0]):
            return item["name"], decode_event(contract, item["name"], topics, data)
    return None


def decode_event(contract: str, name: str, topics: Sequence[bytes], data: bytes) -> dict[str, Any]:
    """The fields of a log by name. Raises eth_abi's DecodingError, or ValueError for missing topics."""
    inputs = _entry(contract, "event", name)["inputs"]
    indexed = [item for item in inputs if item["indexed"]]
    plain = [item for item in inputs if not item["indexed"]]
    values = {
        item["name"]: decode([signature_type(item)], word)[0]
        for item, word in zip(indexed, topics[1:], strict=True)
    }
    decoded = decode([signature_type(item) for item in plain], data)
    return values | {item["name"]: value for item, value in zip(plain, decoded, strict=True)}
