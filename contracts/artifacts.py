"""The compiled contracts, their deterministic addresses and the transactions that deploy them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

_FOLDER = Path(__file__).resolve().parent / "artifacts"

KEYLESS_DEPLOYER = "0x4e59b44847b379578588920cA78FbF26c0B4956C"
"""The deterministic deployment proxy: it creates whatever code follows a 32-byte salt, by CREATE2."""

KEYLESS_CODE = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f5801515"
    "6039578182fd5b8082525050506014600cf3"
)
"""The code that stands at `KEYLESS_DEPLOYER`."""

KEYLESS_TRANSACTION = bytes.fromhex(
    "f8a58085174876e800830186a08080b853604580600e600039806000f350fe7fffffffffffffffffffffffffffffffffffffffff"
    "ffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf31ba02222"
    "222222222222222222222222222222222222222222222222222222222222a022222222222222222222222222222222222222222222"
    "22222222222222222222"
)
"""The transaction that put it there on every network. Nobody has the key: the signature was made up and the
sender follows from it, so whoever gives that sender the coins can send it again on a new network."""

KEYLESS_SENDER = "0x3fAB184622Dc19b6109349B94811493BF2a45362"
KEYLESS_COST = 10**16
"""Wei that `KEYLESS_SENDER` needs for `KEYLESS_TRANSACTION`."""

_SALT = bytes(32)


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """One compiled contract. `runtime` has zeros where immutables go; `immutable_order` says which of them
    goes to which place, counted as the source declares them."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: bytes
    runtime: bytes
    immutables: tuple[tuple[int, int], ...]
    immutable_order: tuple[int, ...]
    storage_layout: list[dict[str, Any]]
    source_hash: str
    compiler: str
    settings: Mapping[str, Any]

    def with_immutables(self, *values: str | int) -> bytes:
        """The runtime code as the constructor writes it: addresses or numbers, in the source's order."""
        words = [value if isinstance(value, int) else int(value, 16) for value in values]
        code = bytearray(self.runtime)
        for (start, length), which in zip(self.immutables, self.immutable_order, strict=True):
            code[start : start + length] = words[which].to_bytes(length, "big")
        return bytes(code)


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """One transaction to send, and what must be at `address` afterwards. The address follows from
    `init_code_hash`, so it is that code and these constructor arguments, or nothing."""

    name: str
    to: str
    data: bytes
    address: str
    init_code_hash: bytes
    runtime_hash: bytes


@cache
def load(name: str) -> Artifact:
    """The committed artifact of one of `build.TARGETS`, by its name. Raises FileNotFoundError otherwise."""
    raw = json.loads((_FOLDER / f"{name}.json").read_text())
    return Artifact(
        name=raw["name"],
        abi=raw["abi"],
        bytecode=bytes.fromhex(raw["bytecode"][2:]),
        runtime=bytes.fromhex(raw["runtime"][2:]),
        immutables=tuple((start, length) for start, length in raw["immutables"]),
        immutable_order=tuple(raw.get("immutable_order", [0] * len(raw["immutables"]))),
        storage_layout=raw["storage_layout"],
        source_hash=raw["source_hash"],
        compiler=raw["compiler"],
        settings=raw["settings"],
    )


def create2_address(deployer: str, salt: bytes, init_code_hash: bytes) -> str:
    """The address that CREATE2 gives, checksummed."""
    digest = keccak(b"\xff" + bytes.fromhex(deployer[2:]) + salt + init_code_hash)
    return to_checksum_address(digest[12:])


def _first_child(parent: str) -> str:
    """The address of the first contract that `parent` creates (contracts start at nonce 1)."""
    return to_checksum_address(keccak(b"\xd6\x94" + bytes.fromhex(parent[2:]) + b"\x01")[12:])


def keyless_address(name: str, arguments: bytes = b"") -> str:
    """Where the keyless deployer puts this contract with these constructor arguments, on every network."""
    return create2_address(KEYLESS_DEPLOYER, _SALT, keccak(load(name).bytecode + arguments))


ESCROW_ADDRESS = keyless_address("Escrow")
"""The one escrow contract of this version, at the same address on every network."""

VAULT_CODE_ADDRESS = _first_child(ESCROW_ADDRESS)
"""The code that every vault is a clone of; the escrow contract creates it when it is deployed."""

TEST_USDT_ADDRESS = keyless_address("TestUSDT")
"""The test token, where a test network has it. Its owner is whoever signed the deployment."""

_ESCROW_ARGUMENT = encode(["address"], [ESCROW_ADDRESS])
LENS_ADDRESS = keyless_address("Lens", _ESCROW_ARGUMENT)
"""Batched reads of the escrow contract, at the same address on every network. Nothing trusts it."""

FUNDER_ADDRESS = keyless_address("PermitFunder", _ESCROW_ARGUMENT)
"""Funds escrows with Permit2 signatures, at the same address on every network. Nothing trusts it."""

_CLONE_INIT_CODE = (
    bytes.fromhex("3d602d80600a3d3981f3363d3d373d3d3d363d73")
    + bytes.fromhex(VAULT_CODE_ADDRESS[2:])
    + bytes.fromhex("5af43d82803e903d91602b57fd5bf3")
)
VAULT_INIT_CODE_HASH = keccak(_CLONE_INIT_CODE)


def vault_address(escrow_id: bytes) -> str:
    """The deposit address of an escrow, before and after it has code."""
    return create2_address(ESCROW_ADDRESS, escrow_id, VAULT_INIT_CODE_HASH)


def expected_runtime_hashes() -> dict[str, bytes]:
    """keccak256 of the code that must stand at each address once deployed."""
    return {
        ESCROW_ADDRESS: keccak(load("Escrow").with_immutables(VAULT_CODE_ADDRESS)),
        VAULT_CODE_ADDRESS: keccak(load("Vault").with_immutables(ESCROW_ADDRESS)),
    }


def deploy_transactions() -> list[Deployment]:
    """What deploys the product where the keyless deployer is. Anyone may send it; no argument, no key."""
    return [
        _deployment("Escrow", expected_runtime_hashes()[ESCROW_ADDRESS]),
        deploy_with("Lens", _ESCROW_ARGUMENT, ESCROW_ADDRESS),
        deploy_with("PermitFunder", _ESCROW_ARGUMENT, ESCROW_ADDRESS),
    ]


def deploy_test_token() -> Deployment:
    """The test token for networks of our own. The sender of this transaction owns it and may mint."""
    return _deployment("TestUSDT", keccak(load("TestUSDT").runtime))


def deploy_with(name: str, arguments: bytes, *immutables: str | int) -> Deployment:
    """A contract whose address depends on its encoded constructor arguments; `immutables` are what the
    constructor writes into its code, as the source declares them."""
    return _deployment(name, keccak(load(name).with_immutables(*immutables)), arguments)


def _deployment(name: str, runtime_hash: bytes, arguments: bytes = b"") -> Deployment:
    init_code = load(name).bytecode + arguments
    return Deployment(
        name=name,
        to=KEYLESS_DEPLOYER,
        data=_SALT + init_code,
        address=keyless_address(name, arguments),
        init_code_hash=keccak(init_code),
        runtime_hash=runtime_hash,
    )
