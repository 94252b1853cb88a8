"""What a version of a deal says, as typed data with one canonical text and one hash."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from eth_utils.crypto import keccak

from chain.models import Token
from contracts.terms import ARBITRATION_BOUNDS, BPS, MAX_FEE_BPS
from core import clock
from core.errors import FieldError, Invalid
from core.money import Amount, UnitMismatch
from core.text import long_fault, short_fault

RULES_VERSION = 1
MAX_MILESTONES = 20
# The contract allows 400 days between fund-by and its own last instant, which lies later than the date.
MAX_DELIVERY = timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone:
    """`amount` in base units of the deal's token as agreed, before a fee that the buyer pays on top."""

    title: str
    amount: int
    deliver_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRef:
    """A file of the agreement, by content."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Everything the two sides agree on except their names and addresses. Times in seconds."""

    title: str
    description: str
    network: str
    token: str
    milestones: tuple[Milestone, ...]
    fee_payer: str = "seller"
    fee_bps: int = 0
    pay_seconds: int
    inspect_seconds: int
    opening: str = "all"
    arbitration_seconds: int
    fallback_seller_bps: int = 5_000
    files: tuple[FileRef, ...] = field(default=())
    rules_version: int = RULES_VERSION

    @property
    def total(self) -> int:
        """Base units the buyer pays over all milestones."""
        return sum(self.escrow_amount(milestone) for milestone in self.milestones)

    def price(self, milestone: Milestone, token: Token) -> Amount:
        """The milestone's amount as agreed. Raises `UnitMismatch` for another token than the agreement's."""
        return self._money(milestone.amount, token)

    def price_in_all(self, token: Token) -> Amount:
        """`total` as an amount. Raises `UnitMismatch` for another token than the agreement's."""
        return self._money(self.total, token)

    def _money(self, units: int, token: Token) -> Amount:
        if (self.network, self.token) != (token.network.slug, token.address):
            raise UnitMismatch(f"the agreement is in {self.token} on {self.network}, not in {token}")
        return Amount(units, token.unit)

    def escrow_amount(self, milestone: Milestone) -> int:
        """What the buyer pays into the escrow: grossed up when the buyer carries the fee."""
        if self.fee_payer == "seller":
            return milestone.amount
        return gross_up(milestone.amount, self.fee_bps)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; amounts as strings, because JSON numbers lose digits."""
        body = asdict(self)
        for milestone in body["milestones"]:
            milestone["amount"] = str(milestone["amount"])
            milestone["deliver_at"] = milestone["deliver_at"].astimezone(UTC).isoformat()
        return body | {"milestones": list(body["milestones"]), "files": list(body["files"])}

    def digest(self) -> str:
        """keccak-256 of the canonical JSON: the hash that a party accepts."""
        return agreement_hash(self.as_json())


def agreement_hash(body: Mapping[str, Any]) -> str:
    """The hash of a version's stored JSON."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "0x" + keccak(text.encode()).hex()


def gross_up(net: int, fee_bps: int) -> int:
    """The least amount of which, after a fee rounded down, exactly `net` is left."""
    return (net - 1) * 10_000 // (10_000 - fee_bps) + 1 if net > 0 else 0


def from_json(body: Mapping[str, Any]) -> Agreement:
    """The agreement that `as_json` wrote."""
    milestones = tuple(
        Milestone(
            title=item["title"],
            amount=int(item["amount"]),
            deliver_at=datetime.fromisoformat(item["deliver_at"]),
        )
        for item in body["milestones"]
    )
    files = tuple(FileRef(**item) for item in body["files"])
    return Agreement(**{**body, "milestones": milestones, "files": files})


def check(agreement: Agreement, *, minimum: int = 1) -> None:
    """Raise `Invalid` listing everything that breaks a rule; `minimum` base units for each milestone."""
    errors = [*_text_errors(agreement), *_milestone_errors(agreement, minimum), *_clock_errors(agreement)]
    if agreement.fee_payer not in ("buyer", "seller"):
        errors.append(FieldError("/fee_payer", "unknown", "Choose who pays the fee: buyer or seller."))
    if agreement.opening not in ("all", "each"):
        errors.append(FieldError("/opening", "unknown", "Open all milestones at once, or each in turn."))
    errors += _contract_errors(agreement)
    if errors:
        raise Invalid("terms_invalid", errors[0].message, errors)


def _text_errors(agreement: Agreement) -> list[FieldError]:
    errors = []
    if not 3 <= len(agreement.title.strip()) <= 120:
        errors.append(FieldError("/title", "length", "Give the deal a title of 3 to 120 characters."))
    if not 10 <= len(agreement.description.strip()) <= 20_000:
        message = "Describe what is delivered, in 10 to 20,000 characters."
        errors.append(FieldError("/description", "length", message))
    faults = {"/title": short_fault(agreement.title), "/description": long_fault(agreement.description)}
    for place, milestone in enumerate(agreement.milestones):
        faults[f"/milestones/{place}/title"] = short_fault(milestone.title)
    return errors + [FieldError(where, "characters", fault) for where, fault in faults.items() if fault]


def _milestone_errors(agreement: Agreement, minimum: int) -> list[FieldError]:
    count = len(agreement.milestones)
    if not 1 <= count <= MAX_MILESTONES:
        return [FieldError("/milestones", "count", f"A deal has 1 to {MAX_MILESTONES} milestones.")]
    errors = []
    earliest = clock.now() + timedelta(seconds=settings.CLOCK_BOUNDS["deliver"][0])
    for place, milestone in enumerate(agreement.milestones):
        pointer = f"/milestones/{place}"
        if not 1 <= len(milestone.title.strip()) <= 120:
            message = "Give every milestone a title of up to 120 characters."
            errors.append(FieldError(f"{pointer}/title", "length", message))
        if not minimum <= milestone.amount < 2**95:
            errors.append(FieldError(f"{pointer}/amount", "range", "The amount is too small or too large."))
        if not earliest <= milestone.deliver_at <= clock.now() + MAX_DELIVERY:
            message = "The delivery date must lie ahead, at most one year from now."
            errors.append(FieldError(f"{pointer}/deliver_at", "range", message))
    return errors


def _clock_errors(agreement: Agreement) -> list[FieldError]:
    errors = []
    for name, value in (("inspect", agreement.inspect_seconds), ("pay", agreement.pay_seconds)):
        low, high = settings.CLOCK_BOUNDS[name]
        if not low <= value <= high:
            message = f"The time to {name} must be between {_words(low)} and {_words(high)}."
            errors.append(FieldError(f"/{name}_seconds", "range", message))
    return errors


def _contract_errors(agreement: Agreement) -> list[FieldError]:
    """What the contract would refuse only when an escrow is opened."""
    bounds = (
        ("fee_bps", agreement.fee_bps, (0, MAX_FEE_BPS)),
        ("fallback_seller_bps", agreement.fallback_seller_bps, (0, BPS)),
        ("arbitration_seconds", agreement.arbitration_seconds, ARBITRATION_BOUNDS),
    )
    return [
        FieldError(f"/{name}", "range", f"This must lie between {low} and {high}.")
        for name, value, (low, high) in bounds
        if not low <= value <= high
    ]


def _words(seconds: int) -> str:
    for size, word in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {word}{'s' if seconds != size else ''}"
    return f"{seconds} second{'s' if seconds != 1 else ''}"
