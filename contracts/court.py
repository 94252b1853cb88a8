"""`CourtSeat`: an outside court (ERC-792) that terms name as an arbiter; `CentralCourt`, an example of one.

Costs are in wei and go along as the transaction's value; instants in unix seconds, amounts in base units.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypedDict

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from contracts import abi
from contracts.artifacts import ESCROW_ADDRESS, Deployment, deploy_with
from contracts.calls import Side
from contracts.terms import BPS, Terms, sorted_seats

NAME = "CourtSeat"
COURT = "CentralCourt"
META_EVIDENCE_ID = 0
APPEAL_MARGIN = 14 * 86_400
_RULING_NAME = keccak(text="Holdfast court ruling")


class Choice(IntEnum):
    """What a court can rule; refusing gives the fallback split of the terms."""

    REFUSED = 0
    BUYER = 1
    SELLER = 2


class Status(IntEnum):
    """Where a court says that a case stands."""

    WAITING = 0
    APPEALABLE = 1
    SOLVED = 2


class RulingMessage(TypedDict):
    """What `calls.rule` and `rulings.ruling_digest` take, by the same names."""

    to_seller: int
    to_buyer: int
    ruling_hash: bytes
    round: int
    not_before: int
    deadline: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One round of one escrow before the court. `ruled_at` is zero until it has ruled; `appealed` has a bit
    per side."""

    escrow_id: str
    amount: int
    deadline: int
    ruled_at: int
    fallback_seller_bps: int
    round: int
    ruling: Choice
    appealed: int


def deploy(
    *, arbitrator: str, appeal_window: int = 0, extra_data: bytes = b"", meta_evidence: str = ""
) -> Deployment:
    """The seat of one court. Its address follows from all of this. `meta_evidence` is the address of the
    document that `meta_evidence_document` makes; `appeal_window` seconds, at most 30 days."""
    arguments = encode(
        ["address", "address", "uint256", "bytes", "string"],
        [ESCROW_ADDRESS, arbitrator, appeal_window, extra_data, meta_evidence],
    )
    return deploy_with(NAME, arguments, ESCROW_ADDRESS, arbitrator, appeal_window)


def deploy_court(*, judge: str, fee: int, appeal_fee: int = 0, appeal_time: int = 0) -> Deployment:
    """The example court. `appeal_time` seconds; zero: its rulings are final at once."""
    values = (judge, fee, appeal_fee, appeal_time)
    return deploy_with(COURT, encode(["address", "uint256", "uint256", "uint256"], values), *values)


# ---- calls to the seat ------------------------------------------------------------------------------------


def open_case(terms: Terms, *, signers: Sequence[str], threshold: int) -> bytes:
    """Asks the court about the present round, for the cost that the court names. Anyone, once per round."""
    return abi.encode_call(NAME, "open", [terms.as_abi(), list(sorted_seats(signers, threshold)), threshold])


def submit_evidence(terms: Terms, document: str) -> bytes:
    """The address of an evidence document (ERC-1497). Buyer, seller or operator, while disputed."""
    return abi.encode_call(NAME, "submitEvidence", [terms.as_abi(), document])


def appeal(terms: Terms, *, side: Side | int) -> bytes:
    """Appeals to the court itself, for the cost that it names; `calls.appeal` begins a new round instead."""
    return abi.encode_call(NAME, "appeal", [terms.as_abi(), int(side)])


def seat_signature(number: int, not_before: int) -> bytes:
    """What stands for the court's signature in `calls.rule`, beside a message with the same `not_before`."""
    return encode(["uint256", "uint256"], [number, not_before])


def ruling_message(
    terms: Terms, *, choice: Choice | int, round: int, not_before: int, until: int
) -> RulingMessage:
    """The one message that the seat confirms once the court has ruled `choice`; other seats sign the same.

    `until` is the end of the arbitration, as `Disputed` says. The amounts are those of the whole escrow: when
    a part was decided before, the contract divides what is left in proportion.
    """
    to_seller = {
        Choice.REFUSED: terms.amount * terms.fallback_seller_bps // BPS,
        Choice.BUYER: 0,
        Choice.SELLER: terms.amount,
    }[Choice(choice)]
    return RulingMessage(
        to_seller=to_seller,
        to_buyer=terms.amount - to_seller,
        ruling_hash=keccak(encode(["bytes32", "uint256"], [_RULING_NAME, int(choice)])),
        round=round,
        not_before=not_before,
        deadline=until,
    )


# ---- reads of the seat ------------------------------------------------------------------------------------


def number_of(escrow_id: bytes, round: int) -> bytes:
    """The court's number of a round's case; for `decode_number`."""
    return abi.encode_call(NAME, "numberOf", [escrow_id, round])


def decode_number(answer: bytes) -> int | None:
    """The number, None when no case was opened."""
    opened, number = abi.decode_result(NAME, "numberOf", answer)
    return number if opened else None


def case_of(number: int) -> bytes:
    """A case by the court's number; for `decode_case`."""
    return abi.encode_call(NAME, "caseOf", [number])


def decode_case(answer: bytes) -> Case:
    """The answer to `case_of`."""
    escrow_id, amount, deadline, ruled_at, bps, round_, ruling, appealed = abi.decode_result(
        NAME, "caseOf", answer
    )[0]
    return Case(
        escrow_id="0x" + escrow_id.hex(),
        amount=amount,
        deadline=deadline,
        ruled_at=ruled_at,
        fallback_seller_bps=bps,
        round=round_,
        ruling=Choice(ruling),
        appealed=appealed,
    )


def ruling_of(number: int, not_before: int) -> bytes:
    """The message as the seat sees it; reverts until the court has ruled and outside the window. For
    `decode_ruling`."""
    return abi.encode_call(NAME, "rulingOf", [number, not_before])


def decode_ruling(answer: bytes) -> RulingMessage:
    """The answer to `ruling_of`."""
    to_seller, to_buyer, ruling_hash, round_, not_before, deadline = abi.decode_result(
        NAME, "rulingOf", answer
    )[0]
    return RulingMessage(
        to_seller=to_seller,
        to_buyer=to_buyer,
        ruling_hash=ruling_hash,
        round=round_,
        not_before=not_before,
        deadline=deadline,
    )


def decode_log(topics: Sequence[bytes], data: bytes) -> tuple[str, dict[str, Any]] | None:
    """What a log of a seat says: `CaseOpened`, `CourtAppealed`, `Ruling`, `MetaEvidence`, `Dispute`,
    `Evidence` and the fields as the contract names them; None for another log. Whose log it is, the caller
    looks at."""
    return abi.decode_log(NAME, topics, data)


def explain_error(data: bytes) -> str | None:
    """The name of a refusal of the seat or of the example court."""
    selector = bytes(data[:4])
    return abi.error_selectors(NAME).get(selector) or abi.error_selectors(COURT).get(selector)


# ---- the court --------------------------------------------------------------------------------------------


def arbitration_cost(extra_data: bytes = b"") -> bytes:
    """What a case costs; `views.decode_int` reads the answer. Of every court of ERC-792."""
    return abi.encode_call(COURT, "arbitrationCost", [extra_data])


def appeal_cost(number: int, extra_data: bytes = b"") -> bytes:
    """What an appeal costs; `views.decode_int` reads the answer."""
    return abi.encode_call(COURT, "appealCost", [number, extra_data])


def appeal_period(number: int) -> bytes:
    """When a case can be appealed; for `decode_period`."""
    return abi.encode_call(COURT, "appealPeriod", [number])


def decode_period(answer: bytes) -> tuple[int, int] | None:
    """The first and the last instant of an appeal, None when there is none now."""
    start, end = abi.decode_result(COURT, "appealPeriod", answer)
    return (start, end) if end else None


def status_of(number: int) -> bytes:
    """Where a case stands; for `decode_status`."""
    return abi.encode_call(COURT, "disputeStatus", [number])


def decode_status(answer: bytes) -> Status:
    """The answer to `status_of`."""
    return Status(abi.decode_result(COURT, "disputeStatus", answer)[0])


def give_ruling(number: int, choice: Choice | int) -> bytes:
    """The judge of the example court rules."""
    return abi.encode_call(COURT, "giveRuling", [number, int(choice)])


def execute_ruling(number: int) -> bytes:
    """Makes a ruling of the example court final after its appeal period. Anyone."""
    return abi.encode_call(COURT, "executeRuling", [number])


def collect() -> bytes:
    """Sends the example court's fees to its judge. Anyone."""
    return abi.encode_call(COURT, "collect", [])


# ---- documents --------------------------------------------------------------------------------------------


def meta_evidence_document(*, seat: str, chain_id: int) -> dict[str, Any]:
    """The document that a court's pages show for every case of a seat (ERC-1497), to be published as JSON."""
    return {
        "category": "Escrow",
        "title": "Who gets the money of a disputed escrow",
        "description": (
            "Buyer and seller agreed on a deal; its hash is in the escrow's terms, which the contract"
            " published with the dispute. The parties' statements and files are the evidence of the group"
            " that carries the escrow's id."
        ),
        "question": "To whom does the disputed money go?",
        "rulingOptions": {
            "type": "single-select",
            "titles": ["To the buyer", "To the seller"],
            "descriptions": [
                "All that is disputed goes back to the buyer.",
                "All that is disputed goes to the seller.",
            ],
        },
        "arbitrableChainID": str(chain_id),
        "arbitrableAddress": to_checksum_address(seat),
    }


def evidence_document(
    *, name: str, description: str, file_uri: str = "", file: bytes = b""
) -> dict[str, str]:
    """An evidence document (ERC-1497), to be published as JSON; `file` is hashed, not embedded."""
    document = {"name": name, "description": description}
    if file_uri:
        document |= {"fileURI": file_uri, "fileHash": "0x" + keccak(file).hex()}
    return document
