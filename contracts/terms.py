"""The terms of one escrow: the same rules and the same hash as `src/Terms.sol`.

Amounts are integers of the token's base units, instants unix seconds, periods seconds, shares basis points.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from enum import IntEnum
from typing import Any

from eth_utils.address import is_address, to_checksum_address
from eth_utils.crypto import keccak

from contracts.artifacts import ESCROW_ADDRESS, vault_address

ZERO_ADDRESS = "0x" + "00" * 20
VERSION = 1
MAX_FEE_BPS = 1_000
BPS = 10_000
DAY = 86_400
MAX_DELIVERY = 400 * DAY
INSPECTION_BOUNDS = (DAY, 30 * DAY)
ARBITRATION_BOUNDS = (60 * DAY, 365 * DAY)
MAX_SEATS = 9

TYPE = (
    "Terms(uint256 tokenAmount,uint256 buyerClocks,uint256 sellerChain,uint256 operatorRest,"
    "uint256 feeRecipient,bytes32 arbiters,bytes32 dealHash)"
)
TYPEHASH = keccak(text=TYPE)

Words = tuple[int, int, int, int, int, bytes, bytes]


class Fault(IntEnum):
    """Why terms are refused; the numbers are those of the contract."""

    VERSION = 1
    CHAIN = 2
    AMOUNT = 3
    PARTIES = 4
    OPERATOR = 5
    ADDRESSES = 6
    FEE = 7
    FEE_RECIPIENT = 8
    CLOCKS = 9
    INSPECTION = 10
    ARBITRATION = 11
    FALLBACK = 12
    ARBITERS = 13
    DEAL = 14


MESSAGES = {
    Fault.VERSION: f"the version of the terms must be {VERSION}",
    Fault.CHAIN: "the home chain id must be above zero and fit 64 bits",
    Fault.AMOUNT: "the amount must be above zero and fit 96 bits",
    Fault.PARTIES: "buyer and seller must be two different addresses, neither of them zero",
    Fault.OPERATOR: "the operator can not be the buyer or the seller",
    Fault.ADDRESSES: "a token is needed, and nobody in the terms can be the token or the escrow contract",
    Fault.FEE: f"the fee can not exceed {MAX_FEE_BPS} basis points",
    Fault.FEE_RECIPIENT: "a fee needs a fee recipient",
    Fault.CLOCKS: "fund-by must come first, deliver-by at most 400 days later",
    Fault.INSPECTION: "the inspection must take 1 to 30 days",
    Fault.ARBITRATION: "the arbitration must take 60 to 365 days",
    Fault.FALLBACK: f"the fallback split can not exceed {BPS} basis points",
    Fault.ARBITERS: "the hash of the arbiters is missing or is not 32 bytes",
    Fault.DEAL: "the hash of the deal is missing or is not 32 bytes",
}


class TermsError(ValueError):
    """These terms can not make an escrow. `fault` is the first rule broken, as the contract numbers it."""

    def __init__(self, fault: Fault, detail: str = "") -> None:
        super().__init__(detail or MESSAGES[fault])
        self.fault = fault


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """What an escrow is, in full: its id, its deposit address and every action follow from this alone."""

    version: int = VERSION
    home_chain_id: int
    token: str
    amount: int
    buyer: str
    seller: str
    operator: str
    fee_recipient: str
    fee_bps: int
    fund_by: int
    deliver_by: int
    inspection: int
    arbitration: int
    fallback_seller_bps: int
    arbiters: bytes
    deal_hash: bytes

    def __post_init__(self) -> None:
        """One form per address, so that equal terms compare equal. `check` refuses what is no address."""
        for name, _ in _ADDRESS_FIELDS:
            given = getattr(self, name)
            if is_address(given):
                object.__setattr__(self, name, to_checksum_address(given))

    def fault(self) -> Fault | None:
        """The first rule that these terms break, in the contract's order; None when they are good."""
        checks = (
            self._header_fault,
            self._address_fault,
            self._fee_fault,
            self._bounds_fault,
            self._hash_fault,
        )
        return next((fault for check in checks if (fault := check()) is not None), None)

    def check(self) -> None:
        """Raises TermsError unless the contract accepts these terms."""
        fault = self.fault()
        if fault is not None:
            raise TermsError(fault)

    def as_abi(self) -> Words:
        """The seven packed words of every call. Raises TermsError when a field does not fit its bits."""
        self._require_fit()
        return (
            _int(self.token) | self.amount << 160,
            _int(self.buyer) | self.fund_by << 160 | self.deliver_by << 200 | self.fee_bps << 240,
            _int(self.seller) | self.home_chain_id << 160 | self.inspection << 224,
            _int(self.operator)
            | self.arbitration << 160
            | self.fallback_seller_bps << 192
            | self.version << 208,
            _int(self.fee_recipient),
            self.arbiters,
            self.deal_hash,
        )

    def struct_hash(self) -> bytes:
        """The escrow id, which is also the salt of its vault: the EIP-712 struct hash, without a domain."""
        return keccak(TYPEHASH + b"".join(_word(word) for word in self.as_abi()))

    @property
    def escrow_id(self) -> str:
        """The escrow id as 0x-prefixed lower-case hex, as events carry it."""
        return "0x" + self.struct_hash().hex()

    def vault_address(self) -> str:
        """The deposit address, checksummed. Check the terms before showing it to anyone."""
        return vault_address(self.struct_hash())

    def to_json(self) -> dict[str, Any]:
        """A plain mapping that survives JSON in any language: the amount is a string, hashes are hex."""
        raw = asdict(self)
        raw["amount"] = str(self.amount)
        raw["arbiters"] = "0x" + self.arbiters.hex()
        raw["deal_hash"] = "0x" + self.deal_hash.hex()
        return raw

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Terms":
        """Reads what `to_json` wrote. Raises KeyError for a missing field, ValueError for a malformed one."""
        values = {field.name: raw[field.name] for field in fields(cls)}
        values["amount"] = int(values["amount"])
        values["arbiters"] = bytes.fromhex(values["arbiters"].removeprefix("0x"))
        values["deal_hash"] = bytes.fromhex(values["deal_hash"].removeprefix("0x"))
        return cls(**values)

    @classmethod
    def from_abi(cls, words: Words) -> "Terms":
        """Reads the seven words of a call or of an `Announced` event."""
        token_amount, buyer_clocks, seller_chain, operator_rest, fee_recipient, arbiters, deal_hash = words
        return cls(
            version=operator_rest >> 208,
            home_chain_id=_bits(seller_chain, 160, 64),
            token=_address(token_amount),
            amount=token_amount >> 160,
            buyer=_address(buyer_clocks),
            seller=_address(seller_chain),
            operator=_address(operator_rest),
            fee_recipient=_address(fee_recipient),
            fee_bps=buyer_clocks >> 240,
            fund_by=_bits(buyer_clocks, 160, 40),
            deliver_by=_bits(buyer_clocks, 200, 40),
            inspection=seller_chain >> 224,
            arbitration=_bits(operator_rest, 160, 32),
            fallback_seller_bps=_bits(operator_rest, 192, 16),
            arbiters=bytes(arbiters),
            deal_hash=bytes(deal_hash),
        )

    def _require_fit(self) -> None:
        for name, bits, fault in _WIDTHS:
            if not 0 <= getattr(self, name) < 1 << bits:
                raise TermsError(fault, f"{name} does not fit {bits} bits")
        for name, fault in _ADDRESS_FIELDS:
            if not is_address(getattr(self, name)):
                raise TermsError(fault, f"{name} is not an address")
        if len(self.arbiters) != 32:
            raise TermsError(Fault.ARBITERS)
        if len(self.deal_hash) != 32:
            raise TermsError(Fault.DEAL)

    def _header_fault(self) -> Fault | None:
        if self.version != VERSION:
            return Fault.VERSION
        if not 0 < self.home_chain_id < 1 << 64:
            return Fault.CHAIN
        if not 0 < self.amount < 1 << 96:
            return Fault.AMOUNT
        return None

    def _address_fault(self) -> Fault | None:
        if malformed := next(
            (fault for name, fault in _ADDRESS_FIELDS if not is_address(getattr(self, name))), None
        ):
            return malformed
        buyer, seller, operator = _int(self.buyer), _int(self.seller), _int(self.operator)
        if not buyer or not seller or buyer == seller:
            return Fault.PARTIES
        if operator in (buyer, seller):
            return Fault.OPERATOR
        token, escrow = _int(self.token), _int(ESCROW_ADDRESS)
        if not token or token == escrow:
            return Fault.ADDRESSES
        if {buyer, seller, operator, _int(self.fee_recipient)} & {token, escrow}:
            return Fault.ADDRESSES
        return None

    def _fee_fault(self) -> Fault | None:
        if not 0 <= self.fee_bps <= MAX_FEE_BPS:
            return Fault.FEE
        if self.fee_bps and not _int(self.fee_recipient):
            return Fault.FEE_RECIPIENT
        return None

    def _bounds_fault(self) -> Fault | None:
        if not 0 < self.fund_by <= self.deliver_by <= min(self.fund_by + MAX_DELIVERY, (1 << 40) - 1):
            return Fault.CLOCKS
        if not INSPECTION_BOUNDS[0] <= self.inspection <= INSPECTION_BOUNDS[1]:
            return Fault.INSPECTION
        if not ARBITRATION_BOUNDS[0] <= self.arbitration <= ARBITRATION_BOUNDS[1]:
            return Fault.ARBITRATION
        if not 0 <= self.fallback_seller_bps <= BPS:
            return Fault.FALLBACK
        return None

    def _hash_fault(self) -> Fault | None:
        if len(self.arbiters) != 32 or not any(self.arbiters):
            return Fault.ARBITERS
        if len(self.deal_hash) != 32 or not any(self.deal_hash):
            return Fault.DEAL
        return None


_WIDTHS = (
    ("version", 8, Fault.VERSION),
    ("home_chain_id", 64, Fault.CHAIN),
    ("amount", 96, Fault.AMOUNT),
    ("fee_bps", 16, Fault.FEE),
    ("fund_by", 40, Fault.CLOCKS),
    ("deliver_by", 40, Fault.CLOCKS),
    ("inspection", 32, Fault.INSPECTION),
    ("arbitration", 32, Fault.ARBITRATION),
    ("fallback_seller_bps", 16, Fault.FALLBACK),
)
_ADDRESS_FIELDS = (
    ("buyer", Fault.PARTIES),
    ("seller", Fault.PARTIES),
    ("operator", Fault.OPERATOR),
    ("token", Fault.ADDRESSES),
    ("fee_recipient", Fault.ADDRESSES),
)


class SeatsError(ValueError):
    """This list of signers can not rule."""


def sorted_seats(signers: Sequence[str], threshold: int) -> list[str]:
    """The signers in the contract's order, checksummed. Raises SeatsError unless 1 <= threshold <= n <= 9,
    all different and none zero."""
    seats: list[str] = [to_checksum_address(seat) for seat in sorted(signers, key=_int)]
    if not 1 <= threshold <= len(seats) <= MAX_SEATS:
        raise SeatsError(f"{threshold} of {len(seats)} seats: needs 1 <= threshold <= seats <= {MAX_SEATS}")
    if len(set(seats)) != len(seats) or ZERO_ADDRESS in seats:
        raise SeatsError("every seat must be a different address, and none of them zero")
    return seats


def arbiters_hash(signers: Sequence[str], threshold: int) -> bytes:
    """What the terms hold of their arbiters. The order given does not matter. Raises SeatsError."""
    seats = sorted_seats(signers, threshold)
    return keccak(threshold.to_bytes(32, "big") + b"".join(_int(seat).to_bytes(32, "big") for seat in seats))


def check_seats(terms: Terms, signers: Sequence[str], threshold: int) -> None:
    """Raises SeatsError unless the terms name these seats, and none of them in another role."""
    if arbiters_hash(signers, threshold) != terms.arbiters:
        raise SeatsError("these are not the seats that the terms name")
    others = {terms.buyer, terms.seller, terms.operator, terms.fee_recipient}
    if named := others & set(sorted_seats(signers, threshold)):
        raise SeatsError(
            f"a seat can not be a party, the operator or the fee recipient: {', '.join(sorted(named))}"
        )


def _int(address: str) -> int:
    return int(address, 16)


def _word(value: int | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.to_bytes(32, "big")


def _bits(word: int, start: int, width: int) -> int:
    return word >> start & ((1 << width) - 1)


def _address(word: int) -> str:
    return to_checksum_address(_bits(word, 0, 160).to_bytes(20, "big"))
