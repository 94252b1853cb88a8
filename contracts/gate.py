"""`OperatorGate`: the operator that managed terms name. Deploying it, its keys, what a second key signs.

What an operator does is sent to the gate with the very calldata that `calls` makes for the escrow contract,
`calls.batch` included. Amounts in base units, instants in unix seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from contracts import abi, errors
from contracts.artifacts import ESCROW_ADDRESS, Deployment, deploy_with
from contracts.terms import ZERO_ADDRESS, Terms

NAME = "OperatorGate"
ADD_DELAY = 48 * 3_600
MAX_TOKENS = 16
MAX_LIMIT = (1 << 80) - 1

_DOMAIN_TYPEHASH = keccak(
    text="EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
_APPROVAL_TYPEHASH = keccak(text="Approval(address hot,bytes32 callHash,uint256 deadline)")
_DOMAIN_NAME = "Holdfast OperatorGate"

_FREE = ("markDelivered", "reopenDelivery", "extend", "dispute")
_CAPPED = ("pay", "cancel", "withdrawDispute", "appeal")


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """A hot key's limits for one token; with token zero and no limits, a second key."""

    key: str
    token: str = ZERO_ADDRESS
    per_escrow: int = 0
    per_day: int = 0

    def as_abi(self) -> tuple[str, str, int, int]:
        """The fields in the contract's order."""
        return self.key, self.token, self.per_escrow, self.per_day


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """What a hot key may do alone with one token, and what it decided on `day` (days since 1970, UTC)."""

    per_escrow: int
    per_day: int
    spent: int
    day: int

    @property
    def is_hot(self) -> bool:
        """Whether the key may act on escrows of that token at all."""
        return self.per_escrow != 0

    def left_at(self, instant: int) -> int:
        """What the key may still decide alone on the day of `instant`."""
        return self.per_day - (self.spent if instant // 86_400 == self.day else 0)


def deploy(*, cold: str, grants: Sequence[Grant]) -> Deployment:
    """The gate with its first keys. Its address follows from the keys: the same on every network."""
    arguments = encode(
        ["address", "address", "(address,address,uint80,uint80)[]"],
        [ESCROW_ADDRESS, cold, [grant.as_abi() for grant in grants]],
    )
    return deploy_with(NAME, arguments, ESCROW_ADDRESS)


def is_passed_on(item: bytes) -> bool:
    """Whether the gate passes this action of `Escrow` on, where the escrow is at home."""
    return is_free(item) or item[:4] in _selectors(_CAPPED)


def is_free(item: bytes) -> bool:
    """Whether a hot key may do this however large the escrow: it protects, or starts a clock."""
    return item[:4] in _selectors(_FREE)


def is_above_cap(reason: str) -> bool:
    """Whether an action was refused because it needs a second key; `reason` as `errors.explain` writes it."""
    return errors.is_named(reason, "AboveCap")


def release_batch(terms: Sequence[Terms]) -> bytes:
    """Releases whole escrows of one token, nothing decided yet: `calls.batch` of as many `pay`, for less."""
    return abi.encode_call(NAME, "releaseBatch", [[one.as_abi() for one in terms]])


def propose(grant: Grant) -> bytes:
    """The cold key announces a key, or new limits of one."""
    return abi.encode_call(NAME, "propose", [grant.as_abi()])


def withdraw(grant: Grant) -> bytes:
    """The cold key takes a proposal back."""
    return abi.encode_call(NAME, "withdraw", [grant.as_abi()])


def grant_proposed(grant: Grant) -> bytes:
    """The cold key makes a proposal true, 48 hours after it."""
    return abi.encode_call(NAME, "grant", [grant.as_abi()])


def revoke(key: str) -> bytes:
    """The cold key takes everything from a key, at once."""
    return abi.encode_call(NAME, "revoke", [key])


def act_approved(item: bytes, *, second: str, deadline: int, signature: bytes) -> bytes:
    """One action that a second key approved, sent by the hot key that the approval names."""
    return abi.encode_call(NAME, "actApproved", [item, second, deadline, signature])


def batch_approved(items: Sequence[bytes], *, second: str, deadline: int, signature: bytes) -> bytes:
    """Several actions that a second key approved together."""
    return abi.encode_call(NAME, "batchApproved", [list(items), second, deadline, signature])


def call_hash(item: bytes) -> bytes:
    """What an approval of one action names."""
    return keccak(item)


def batch_hash(items: Sequence[bytes]) -> bytes:
    """What an approval of several actions names."""
    return keccak(encode(["bytes[]"], [list(items)]))


def approval_digest(*, gate: str, chain_id: int, hot: str, call_hash: bytes, deadline: int) -> bytes:
    """What a second key signs: this very call, by this hot key, until the deadline, once."""
    values = [_APPROVAL_TYPEHASH, hot, call_hash, deadline]
    struct = keccak(encode(["bytes32", "address", "bytes32", "uint256"], values))
    return keccak(b"\x19\x01" + _domain_separator(gate, chain_id) + struct)


def approval_typed_data(
    *, gate: str, chain_id: int, hot: str, call_hash: bytes, deadline: int
) -> dict[str, Any]:
    """The same message as a wallet shows it (`eth_signTypedData_v4`)."""
    return {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "Approval": [
                {"name": "hot", "type": "address"},
                {"name": "callHash", "type": "bytes32"},
                {"name": "deadline", "type": "uint256"},
            ],
        },
        "primaryType": "Approval",
        "domain": {
            "name": _DOMAIN_NAME,
            "version": "1",
            "chainId": chain_id,
            "verifyingContract": to_checksum_address(gate),
        },
        "message": {"hot": hot, "callHash": "0x" + call_hash.hex(), "deadline": str(deadline)},
    }


def limits(key: str, token: str) -> bytes:
    """What a key may do with a token; for `decode_limit`."""
    return abi.encode_call(NAME, "limits", [key, token])


def decode_limit(answer: bytes) -> Limit:
    """The answer to `limits`."""
    per_escrow, per_day, spent, day = abi.decode_result(NAME, "limits", answer)
    return Limit(per_escrow=per_escrow, per_day=per_day, spent=spent, day=day)


def tokens_of(key: str) -> bytes:
    """The tokens that a key is hot for; for `decode_tokens`."""
    return abi.encode_call(NAME, "tokensOf", [key])


def decode_tokens(answer: bytes) -> list[str]:
    """The answer to `tokens_of`."""
    return [to_checksum_address(token) for token in abi.decode_result(NAME, "tokensOf", answer)[0]]


def is_second(key: str) -> bytes:
    """Whether a key may approve; `views.decode_bool` reads the answer."""
    return abi.encode_call(NAME, "isSecond", [key])


def decode_log(topics: Sequence[bytes], data: bytes) -> tuple[str, dict[str, Any]] | None:
    """What a log of the gate says of its keys: `Proposed`, `Withdrawn`, `Granted`, `Revoked`, `Approved` and
    the fields as the contract names them; None for another log. Whose log it is, the caller looks at."""
    return abi.decode_log(NAME, topics, data)


def ready_at(grant: Grant) -> bytes:
    """When a proposal may be made true, zero when there is none; `views.decode_int` reads the answer."""
    proposal = keccak(encode(["(address,address,uint80,uint80)"], [grant.as_abi()]))
    return abi.encode_call(NAME, "readyAt", [proposal])


def _selectors(names: Sequence[str]) -> set[bytes]:
    return {abi.selector("Escrow", name) for name in names}


def _domain_separator(gate: str, chain_id: int) -> bytes:
    values = [_DOMAIN_TYPEHASH, keccak(text=_DOMAIN_NAME), keccak(text="1"), chain_id, gate]
    return keccak(encode(["bytes32", "bytes32", "bytes32", "uint256", "address"], values))
