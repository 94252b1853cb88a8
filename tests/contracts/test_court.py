"""An outside court decides, through the Python that the platform uses."""

import json
from dataclasses import dataclass

import pytest
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from contracts import calls, court, events, rulings, views
from contracts.artifacts import ESCROW_ADDRESS, TEST_USDT_ADDRESS, Deployment
from contracts.calls import Side
from contracts.court import Choice, RulingMessage
from contracts.devchain import DevChain, Receipt, RpcError
from contracts.gas import Bench, sign
from contracts.terms import DAY, Terms, arbiters_hash

FEE = 10**17
APPEAL_FEE = 3 * 10**17
META = "ipfs://the-meta-evidence"


@dataclass(frozen=True)
class Bar:
    """A court, its seat, and how to speak to both."""

    chain: DevChain
    judge: str
    court: str
    seat: str

    def send(self, sender: str, to: str, data: bytes, value: int = 0) -> Receipt:
        """Sends and expects success."""
        receipt = self.chain.send(sender, to, data, value=value)
        assert receipt.ok
        return receipt

    def number(self, terms: Terms, round: int = 1) -> int | None:
        """The court's number of the case of a round."""
        return court.decode_number(self.chain.call(self.seat, court.number_of(terms.struct_hash(), round)))

    def open(self, bench: Bench, terms: Terms, signers: list[str], threshold: int) -> Receipt:
        """A stranger pays, a little too much."""
        data = court.open_case(terms, signers=signers, threshold=threshold)
        return self.send(bench.stranger, self.seat, data, value=2 * FEE)

    def refusal(self, sender: str, to: str, data: bytes) -> str | None:
        """Why a call would be refused."""
        with pytest.raises(RpcError) as refused:
            self.chain.call(to, data, sender=sender)
        return court.explain_error(refused.value.data)


def said(receipt: Receipt) -> list[tuple[str, dict[str, object]]]:
    def raw(text: str) -> bytes:
        return bytes.fromhex(text[2:])

    found = (
        court.decode_log([raw(topic) for topic in log["topics"]], raw(log["data"])) for log in receipt.logs
    )
    return [event for event in found if event is not None]


def coins(chain: DevChain, holder: str) -> int:
    return int(chain.rpc("eth_getBalance", holder, "latest"), 16)


def build(bench: Bench, *, appeal_time: int = 0, appeal_window: int = 0) -> Bar:
    chain, judge = bench.chain, bench.chain.accounts[5]
    ours = court.deploy_court(judge=judge, fee=FEE, appeal_fee=APPEAL_FEE, appeal_time=appeal_time)
    put(chain, ours)
    seat = court.deploy(
        arbitrator=ours.address, appeal_window=appeal_window, extra_data=b"\x01", meta_evidence=META
    )
    put(chain, seat)
    return Bar(chain, judge, ours.address, seat.address)


def put(chain: DevChain, deployment: Deployment) -> None:
    """Deploys unless an earlier test did; the code must be the one expected, immutables included."""
    if not chain.code(deployment.address):
        assert chain.deploy(deployment).ok
    assert keccak(chain.code(deployment.address)) == deployment.runtime_hash


def disputed(bench: Bench, signers: list[str], threshold: int) -> tuple[Terms, int]:
    """A funded and disputed escrow, and the end of its arbitration."""
    bench.begin()
    terms = bench.terms(arbiters=arbiters_hash(signers, threshold), fallback_seller_bps=3_333)
    bench.fund(terms)
    bench.act(calls.dispute(terms, side=Side.BUYER, evidence_hash=bytes(32)), bench.buyer)
    return terms, bench.chain.now() + terms.arbitration


def execute(
    bench: Bench, bar: Bar, terms: Terms, message: RulingMessage, signatures: dict[str, bytes]
) -> list[events.EscrowEvent]:
    signers, sorted_ = rulings.sort_signatures(list(signatures), len(signatures), signatures)
    data = calls.rule(terms, **message, signers=signers, threshold=len(signers), signatures=sorted_)
    receipt = bar.send(bench.stranger, ESCROW_ADDRESS, data)
    decoded = (events.decode(log["address"], log["topics"], log["data"]) for log in receipt.logs)
    return [event for event in decoded if event is not None]


def balance(chain: DevChain, holder: str) -> int:
    return views.decode_int(chain.call(TEST_USDT_ADDRESS, views.balance_of(holder)))


def test_from_a_dispute_through_the_court_to_the_payout(bench: Bench) -> None:
    bar = build(bench)
    terms, until = disputed(bench, [bar.seat], 1)
    assert views.decode_int(bar.chain.call(bar.court, court.arbitration_cost())) == FEE
    assert bar.number(terms) is None
    before = coins(bar.chain, bar.court)
    opened = said(bar.open(bench, terms, [bar.seat], 1))
    number = bar.number(terms)
    assert number is not None
    group = int(terms.escrow_id, 16)
    assert opened == [
        (
            "Dispute",
            {
                "arbitrator": bar.court.lower(),
                "disputeID": number,
                "metaEvidenceID": court.META_EVIDENCE_ID,
                "evidenceGroupID": group,
            },
        ),
        (
            "CaseOpened",
            {
                "id": terms.struct_hash(),
                "disputeID": number,
                "by": bench.stranger.lower(),
                "round": 1,
                "deadline": until,
            },
        ),
    ]
    assert coins(bar.chain, bar.court) - before == FEE
    evidence = said(bar.send(bench.buyer, bar.seat, court.submit_evidence(terms, "ipfs://photographs")))
    assert evidence == [
        (
            "Evidence",
            {
                "arbitrator": bar.court.lower(),
                "evidenceGroupID": group,
                "party": bench.buyer.lower(),
                "evidence": "ipfs://photographs",
            },
        )
    ]
    ruled = said(bar.send(bar.judge, bar.court, court.give_ruling(number, Choice.SELLER)))
    assert [name for name, _ in ruled] == ["Ruling"]
    now = bar.chain.now()
    case = court.decode_case(bar.chain.call(bar.seat, court.case_of(number)))
    assert case == court.Case(
        escrow_id=terms.escrow_id,
        amount=terms.amount,
        deadline=until,
        ruled_at=now,
        fallback_seller_bps=3_333,
        round=1,
        ruling=Choice.SELLER,
        appealed=0,
    )
    message = court.decode_ruling(bar.chain.call(bar.seat, court.ruling_of(number, now)))
    done = execute(bench, bar, terms, message, {bar.seat: court.seat_signature(number, now)})
    assert done[0] == events.Ruled(escrow_id=terms.escrow_id, round=1, ruling_hash=message["ruling_hash"])
    assert balance(bar.chain, terms.seller) == terms.amount
    assert bench.settled(terms)


@pytest.mark.parametrize("choice", list(Choice))
def test_python_knows_the_message_that_each_ruling_implies(bench: Bench, choice: Choice) -> None:
    bar = build(bench)
    terms, until = disputed(bench, [bar.seat], 1)
    bar.open(bench, terms, [bar.seat], 1)
    number = bar.number(terms)
    assert number is not None
    bar.send(bar.judge, bar.court, court.give_ruling(number, choice))
    now = bar.chain.now()
    message = court.ruling_message(terms, choice=choice, round=1, not_before=now, until=until)
    assert message == court.decode_ruling(bar.chain.call(bar.seat, court.ruling_of(number, now)))
    execute(bench, bar, terms, message, {bar.seat: court.seat_signature(number, now)})
    assert balance(bar.chain, terms.seller) == message["to_seller"]
    assert bench.settled(terms)


def test_the_court_and_a_persons_seat_rule_together(bench: Bench) -> None:
    bar = build(bench)
    person = bench.seats[0]
    terms, until = disputed(bench, [bar.seat, person.address], 2)
    bar.open(bench, terms, [person.address, bar.seat], 2)
    number = bar.number(terms)
    assert number is not None
    bar.send(bar.judge, bar.court, court.give_ruling(number, Choice.BUYER))
    now = bar.chain.now()
    message = court.ruling_message(terms, choice=Choice.BUYER, round=1, not_before=now, until=until)
    own = sign(person.key, rulings.ruling_digest(terms, **message))
    execute(bench, bar, terms, message, {bar.seat: court.seat_signature(number, now), person.address: own})
    assert bench.settled(terms)


def test_an_appeal_to_the_court_is_heard_before_anything_is_executed(bench: Bench) -> None:
    bar = build(bench, appeal_time=3 * DAY)
    terms, until = disputed(bench, [bar.seat], 1)
    bar.open(bench, terms, [bar.seat], 1)
    number = bar.number(terms)
    assert number is not None
    assert court.decode_period(bar.chain.call(bar.court, court.appeal_period(number))) is None
    bar.send(bar.judge, bar.court, court.give_ruling(number, Choice.SELLER))
    start = bar.chain.now()
    period = court.decode_period(bar.chain.call(bar.court, court.appeal_period(number)))
    assert period == (start, start + 3 * DAY)
    assert court.decode_status(bar.chain.call(bar.court, court.status_of(number))) is court.Status.APPEALABLE
    assert bar.refusal(bench.stranger, bar.seat, court.ruling_of(number, start)) == "NotRuled"
    assert views.decode_int(bar.chain.call(bar.court, court.appeal_cost(number))) == APPEAL_FEE
    assert bar.refusal(bench.stranger, bar.seat, court.appeal(terms, side=Side.BUYER)) == "NotAllowed"
    appealed = said(bar.send(bench.buyer, bar.seat, court.appeal(terms, side=Side.BUYER), value=APPEAL_FEE))
    assert [name for name, _ in appealed] == ["CourtAppealed"]
    bar.send(bar.judge, bar.court, court.give_ruling(number, Choice.BUYER))
    assert bar.refusal(bench.stranger, bar.court, court.execute_ruling(number)) == "TooEarly"
    bar.chain.travel(bar.chain.now() + 3 * DAY + 1)
    bar.send(bench.stranger, bar.court, court.execute_ruling(number))
    now = bar.chain.now()
    message = court.ruling_message(terms, choice=Choice.BUYER, round=1, not_before=now, until=until)
    execute(bench, bar, terms, message, {bar.seat: court.seat_signature(number, now)})
    assert balance(bar.chain, terms.seller) == 0
    earned, before = coins(bar.chain, bar.court), coins(bar.chain, bar.judge)
    assert earned == FEE + APPEAL_FEE
    bar.send(bench.stranger, bar.court, court.collect())
    assert coins(bar.chain, bar.judge) - before == earned


def test_an_appeal_on_the_escrow_needs_another_case(bench: Bench) -> None:
    bar = build(bench, appeal_window=3 * DAY)
    terms, until = disputed(bench, [bar.seat], 1)
    bar.open(bench, terms, [bar.seat], 1)
    first = bar.number(terms)
    assert first is not None
    bar.send(bar.judge, bar.court, court.give_ruling(first, Choice.SELLER))
    ends = bar.chain.now() + 3 * DAY
    assert bar.refusal(bench.stranger, bar.seat, court.ruling_of(first, ends - 1)) == "TooEarly"
    bench.act(calls.appeal(terms, side=Side.BUYER), bench.buyer)
    bar.chain.travel(ends)
    message = court.decode_ruling(bar.chain.call(bar.seat, court.ruling_of(first, ends)))
    data = calls.rule(
        terms,
        **message,
        signers=[bar.seat],
        threshold=1,
        signatures=[court.seat_signature(first, ends)],
    )
    with pytest.raises(RpcError) as refused:
        bar.chain.call(ESCROW_ADDRESS, data)
    assert views.explain_error(refused.value.data) == "WrongRound"
    bar.open(bench, terms, [bar.seat], 1)
    second = bar.number(terms, round=2)
    assert second not in (None, first)
    case = court.decode_case(bar.chain.call(bar.seat, court.case_of(second or 0)))
    assert (case.round, case.deadline, case.ruled_at) == (2, until, 0)


def test_the_seat_says_once_what_its_cases_are_about(bench: Bench) -> None:
    """The meta-evidence is an event of the deployment: whoever opens a case has no say in it."""
    ours = build(bench)
    seat = court.deploy(arbitrator=ours.court, meta_evidence="ipfs://another")
    receipt = bench.chain.deploy(seat)
    assert receipt.ok
    assert said(receipt) == [("MetaEvidence", {"metaEvidenceID": 0, "evidence": "ipfs://another"})]
    document = court.meta_evidence_document(seat=seat.address, chain_id=1)
    assert len(document["rulingOptions"]["titles"]) == len(Choice) - 1
    assert document["arbitrableAddress"] == to_checksum_address(seat.address)
    assert json.loads(json.dumps(document)) == document


def test_evidence_documents_carry_the_hash_of_their_file() -> None:
    bare = court.evidence_document(name="Photograph", description="The box as it came")
    assert set(bare) == {"name", "description"}
    full = court.evidence_document(name="P", description="D", file_uri="ipfs://x", file=b"bytes")
    assert (full["fileURI"], full["fileHash"]) == ("ipfs://x", "0x" + keccak(b"bytes").hex())
