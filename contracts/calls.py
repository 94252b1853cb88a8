"""Calldata of every action. All calls but the token's go to `ESCROW_ADDRESS` and carry the full terms."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from eth_utils.crypto import keccak

from contracts import abi
from contracts.terms import Terms

NATIVE = "0x" + "00" * 20
"""The token argument of `rescue` that means the native coin."""

ITEM_GAS = 330_000
"""The gas that the contract wants to have left when it starts an item of a batch."""


class Side(IntEnum):
    """On whose behalf a dispute is opened."""

    BUYER = 0
    SELLER = 1


class LegKind(IntEnum):
    """Kinds of payout leg that the contract can owe."""

    RELEASE = 0
    REFUND = 1
    FEE = 2


class Signers(IntEnum):
    """Who signs a message that anyone submits."""

    BUYER = 1
    SELLER = 2
    BOTH = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Act:
    """An action as a party signs it: the function's name and its arguments after the terms, zero where there
    are fewer. `relayed` names which ones exist."""

    action: str
    first: int = 0
    second: int = 0

    @property
    def action_hash(self) -> bytes:
        """How the contract and the signed message carry the name."""
        return keccak(text=self.action)


class relayed:
    """Every act that a party can sign. Both sign `extend`; both or the seller `cancel`."""

    @staticmethod
    def pay(*, to_seller: int, to_buyer: int) -> Act:
        """The buyer gives to the seller or the seller to the buyer, base units."""
        return Act(action="pay", first=to_seller, second=to_buyer)

    @staticmethod
    def mark_delivered() -> Act:
        """The seller."""
        return Act(action="markDelivered")

    @staticmethod
    def reopen_delivery() -> Act:
        """The buyer."""
        return Act(action="reopenDelivery")

    @staticmethod
    def extend(*, until: int) -> Act:
        """Both, at most 400 days from now."""
        return Act(action="extend", first=until)

    @staticmethod
    def cancel() -> Act:
        """The seller, or both."""
        return Act(action="cancel")

    @staticmethod
    def dispute(*, side: Side | int, evidence_hash: bytes) -> Act:
        """That side."""
        return Act(action="dispute", first=int(side), second=int.from_bytes(evidence_hash, "big"))

    @staticmethod
    def withdraw_dispute() -> Act:
        """The side that opened it."""
        return Act(action="withdrawDispute")

    @staticmethod
    def appeal(*, side: Side | int) -> Act:
        """That side."""
        return Act(action="appeal", first=int(side))

    @staticmethod
    def rescue(*, token: str) -> Act:
        """The buyer, for money on a network that is not the escrow's own. Signed with left 0 and seq 0."""
        return Act(action="rescue", first=int(token, 16))


def pay(terms: Terms, *, to_seller: int, to_buyer: int, left: int) -> bytes:
    """Decides a part, base units; `left` is the remainder expected: the call reverts at another."""
    return _call("pay", terms, to_seller, to_buyer, left)


def mark_delivered(terms: Terms) -> bytes:
    """Starts the inspection clock. Seller or operator, funded, up to deliver-by."""
    return _call("markDelivered", terms)


def reopen_delivery(terms: Terms) -> bytes:
    """Stops the inspection clock: changes are wanted. Buyer or operator, at most three times."""
    return _call("reopenDelivery", terms)


def claim_delivered(terms: Terms) -> bytes:
    """The remainder to the seller once the inspection is over. Anyone."""
    return _call("claimDelivered", terms)


def claim_undelivered(terms: Terms) -> bytes:
    """The remainder to the buyer once deliver-by is over without a mark. Anyone."""
    return _call("claimUndelivered", terms)


def claim_unfunded(terms: Terms) -> bytes:
    """What came of too small a deposit back to the buyer once fund-by is over. Anyone."""
    return _call("claimUnfunded", terms)


def claim_fallback(terms: Terms) -> bytes:
    """The split named in the terms once the arbitration period is over without a ruling. Anyone."""
    return _call("claimFallback", terms)


def dispute(terms: Terms, *, side: Side | int, evidence_hash: bytes) -> bytes:
    """Freezes the running clock on behalf of `side`; the caller is that side or the operator."""
    return _call("dispute", terms, int(side), evidence_hash)


def withdraw_dispute(terms: Terms) -> bytes:
    """Back to the state before. The side that opened it; the operator when the operator opened it. Not
    after the arbitration period."""
    return _call("withdrawDispute", terms)


def rule(
    terms: Terms,
    *,
    to_seller: int,
    to_buyer: int,
    ruling_hash: bytes,
    round: int,
    not_before: int,
    deadline: int,
    signers: Sequence[str],
    threshold: int,
    signatures: Sequence[bytes],
) -> bytes:
    """Executes a ruling. `signers` ascending, `signatures` beside them, empty where a seat did not
    sign: `rulings.sort_signatures` makes both. Anyone."""
    parts = (to_seller, to_buyer, ruling_hash, round, not_before, deadline)
    return _call("rule", terms, parts, list(signers), threshold, list(signatures))


def settle(
    terms: Terms,
    *,
    to_seller: int,
    to_buyer: int,
    deadline: int,
    buyer_signature: bytes,
    seller_signature: bytes,
) -> bytes:
    """Divides the remainder as both parties signed (`rulings.settlement_digest`). Anyone."""
    return _call("settle", terms, (to_seller, to_buyer, deadline), buyer_signature, seller_signature)


def extend(terms: Terms, *, until: int) -> bytes:
    """Moves the end of the running clock to `until`, unix seconds. The operator, at most 14 days in all; both
    parties by `relay`."""
    return _call("extend", terms, until)


def cancel(terms: Terms) -> bytes:
    """Ends it before anything was decided: everything to the buyer, now and later. The seller, the operator
    while nothing is disputed; both parties by `relay`."""
    return _call("cancel", terms)


def appeal(terms: Terms, *, side: Side | int) -> bytes:
    """A new round on behalf of `side`, once per side, until 14 days before the fallback."""
    return _call("appeal", terms, int(side))


def relay(
    terms: Terms,
    *,
    act: Act,
    signers: Signers | int,
    deadline: int,
    buyer_signature: bytes = b"",
    seller_signature: bytes = b"",
) -> bytes:
    """Does what a party signed (`rulings.act_digest`), or both. Anyone."""
    parts = (act.action_hash, act.first, act.second, deadline, int(signers))
    return _call("relay", terms, parts, buyer_signature, seller_signature)


def pay_leg(terms: Terms, *, kind: LegKind | int) -> bytes:
    """Tries an owed leg again. Anyone."""
    return _call("payLeg", terms, int(kind))


def rescue(terms: Terms, *, token: str) -> bytes:
    """Sends to the buyer what is not this escrow's: surplus, other tokens, `NATIVE` coin. Anyone."""
    return _call("rescue", terms, token)


def announce(terms: Terms) -> bytes:
    """Emits the full terms. Anyone."""
    return _call("announce", terms)


def batch(items: Sequence[bytes]) -> bytes:
    """Several actions in one transaction, each on its own."""
    return abi.encode_call("Escrow", "batch", [list(items)])


def erc20_transfer(to: str, amount: int) -> bytes:
    """A plain token transfer, to be sent to the token; this is how an escrow is funded."""
    return abi.encode_call("TestUSDT", "transfer", [to, amount])


def erc20_approve(spender: str, amount: int) -> bytes:
    """A token approval, for other people's contracts; escrows never need one."""
    return abi.encode_call("TestUSDT", "approve", [spender, amount])


def test_token_mint(to: str, amount: int) -> bytes:
    """The test token's faucet; its owner only."""
    return abi.encode_call("TestUSDT", "mint", [to, amount])


# by its name pytest would take it for a test in every module that imports it
test_token_mint.__test__ = False  # type: ignore[attr-defined]


def _call(name: str, terms: Terms, *arguments: Any) -> bytes:
    return abi.encode_call("Escrow", name, [terms.as_abi(), *arguments])
