"""The gate, the seats and the lens, through the Python that the platform uses."""

from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts import abi, artifacts, calls, gate, lens, rulings, seat, views
from contracts.artifacts import ESCROW_ADDRESS, LENS_ADDRESS, TEST_USDT_ADDRESS
from contracts.calls import Side
from contracts.devchain import CHAIN_ID, DevChain, RpcError
from contracts.events import Status
from contracts.gas import SECOND_KEY, Bench, sign
from contracts.gate import Grant
from contracts.terms import DAY, Terms, arbiters_hash
from tests.contracts.test_terms import any_terms

SECOND: str = Account.from_key(SECOND_KEY).address
PLAIN = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ADDRESSES = st.binary(min_size=20, max_size=20).map(to_checksum_address)


@pytest.fixture
def terms(bench: Bench) -> Terms:
    """Above what a hot key decides alone."""
    bench.begin()
    terms = bench.terms(operator=bench.gate, amount=20_000_000_000)
    bench.fund(terms)
    return terms


def release(terms: Terms) -> bytes:
    return calls.pay(terms, to_seller=terms.amount, to_buyer=0, left=terms.amount)


def refusal(chain: DevChain, to: str, data: bytes, sender: str) -> str | None:
    with pytest.raises(RpcError) as refused:
        chain.call(to, data, sender=sender)
    return views.explain_error(refused.value.data)


def limit(bench: Bench) -> gate.Limit:
    return gate.decode_limit(bench.chain.call(bench.gate, gate.limits(bench.operator, TEST_USDT_ADDRESS)))


def test_the_gate_takes_the_escrows_own_calldata_and_counts(bench: Bench) -> None:
    bench.begin()
    terms = bench.terms(operator=bench.gate)
    bench.fund(terms)
    assert refusal(bench.chain, bench.gate, release(terms), bench.stranger) == "NotHot"
    before = limit(bench).left_at(bench.chain.now())
    bench.through_gate(release(terms))
    assert bench.settled(terms)
    after = limit(bench)
    assert after.is_hot
    assert before - after.left_at(bench.chain.now()) == terms.amount
    assert after.left_at(bench.chain.now() + DAY) == after.per_day


def test_above_the_cap_a_second_key_signs(bench: Bench, terms: Terms) -> None:
    item = release(terms)
    assert refusal(bench.chain, bench.gate, item, bench.operator) == "AboveCap"
    parts: dict[str, Any] = {
        "gate": bench.gate,
        "chain_id": CHAIN_ID,
        "hot": bench.operator,
        "call_hash": gate.call_hash(item),
        "deadline": bench.chain.now() + DAY,
    }
    signature = sign(SECOND_KEY, gate.approval_digest(**parts))
    message = encode_typed_data(full_message=gate.approval_typed_data(**parts))
    assert Account.sign_message(message, SECOND_KEY).signature == signature
    data = gate.act_approved(item, second=SECOND, deadline=parts["deadline"], signature=signature)
    bench.through_gate(data)
    assert bench.settled(terms)


def test_a_second_key_signs_for_a_batch(bench: Bench, terms: Terms) -> None:
    items = [release(terms), calls.mark_delivered(terms)]
    deadline = bench.chain.now() + DAY
    digest = gate.approval_digest(
        gate=bench.gate,
        chain_id=CHAIN_ID,
        hot=bench.operator,
        call_hash=gate.batch_hash(items),
        deadline=deadline,
    )
    data = gate.batch_approved(items, second=SECOND, deadline=deadline, signature=sign(SECOND_KEY, digest))
    answer = bench.chain.call(bench.gate, data, sender=bench.operator)
    assert abi.decode_result("OperatorGate", "batchApproved", answer)[0] == (True, False)


def test_a_bad_release_does_not_stop_the_others(bench: Bench) -> None:
    bench.begin()
    many = [bench.terms(operator=bench.gate) for _ in range(3)]
    bench.fund(many[0])
    bench.fund(many[2])
    answer = bench.chain.call(bench.gate, gate.release_batch(many), sender=bench.operator)
    assert abi.decode_result("OperatorGate", "releaseBatch", answer)[0] == (True, False, True)


def test_keys_come_after_48_hours_and_go_at_once(bench: Bench) -> None:
    chain, cold, hot = bench.chain, bench.chain.accounts[3], bench.chain.accounts[4]
    bench.begin()
    grant = Grant(key=hot, token=TEST_USDT_ADDRESS, per_escrow=5, per_day=6)
    assert chain.send(cold, bench.gate, gate.propose(grant)).ok
    assert views.decode_int(chain.call(bench.gate, gate.ready_at(grant))) == chain.now() + gate.ADD_DELAY
    assert refusal(chain, bench.gate, gate.grant_proposed(grant), cold) == "TooEarly"
    chain.travel(chain.now() + gate.ADD_DELAY)
    assert chain.send(cold, bench.gate, gate.grant_proposed(grant)).ok
    assert gate.decode_tokens(chain.call(bench.gate, gate.tokens_of(hot))) == [TEST_USDT_ADDRESS]
    (log,) = chain.send(cold, bench.gate, gate.revoke(hot)).logs
    topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
    assert gate.decode_log(topics, b"") == ("Revoked", {"key": hot.lower()})
    assert seat.decode_log(topics, b"") is None
    answer = chain.call(bench.gate, gate.limits(hot, TEST_USDT_ADDRESS))
    assert gate.decode_limit(answer) == gate.Limit(per_escrow=0, per_day=0, spent=0, day=0)
    assert views.decode_bool(chain.call(bench.gate, gate.is_second(SECOND)))
    assert refusal(chain, bench.gate, gate.withdraw(grant), cold) == "NotProposed"


def test_code_with_arguments_is_the_code_expected(bench: Bench) -> None:
    chain = bench.chain
    cold = chain.accounts[3]
    for deployment in (
        gate.deploy(cold=cold, grants=[Grant(key=chain.accounts[5])]),
        seat.deploy(cold=cold, key=chain.accounts[6]),
    ):
        assert chain.deploy(deployment).ok
        assert keccak(chain.code(deployment.address)) == deployment.runtime_hash
    for deployment in artifacts.deploy_transactions():
        assert keccak(chain.code(deployment.address)) == deployment.runtime_hash


def test_seats_that_are_contracts_rule(bench: Bench) -> None:
    bench.begin()
    chain = bench.chain
    chairs = {}
    for number, holder in enumerate(bench.seats):
        deployment = seat.deploy(cold=chain.accounts[7 + number], key=holder.address)
        chain.deploy(deployment)
        chairs[deployment.address] = holder
    terms = bench.terms(arbiters=arbiters_hash(list(chairs), 2))
    bench.fund(terms)
    bench.act(calls.dispute(terms, side=Side.BUYER, evidence_hash=bytes(32)))
    parts: dict[str, Any] = {
        "to_seller": 1,
        "to_buyer": terms.amount - 1,
        "ruling_hash": keccak(text="reasons"),
        "round": 1,
        "not_before": bench.now,
        "deadline": bench.now + DAY,
    }
    digest = rulings.ruling_digest(terms, **parts)
    given_by = {chair: sign(holder.key, digest) for chair, holder in list(chairs.items())[:2]}
    signers, signatures = rulings.sort_signatures(list(chairs), 2, given_by)
    bench.act(calls.rule(terms, **parts, signers=signers, threshold=2, signatures=signatures), bench.stranger)
    assert bench.settled(terms)


def test_a_seat_gets_another_key_after_seven_days(bench: Bench) -> None:
    chain, cold = bench.chain, bench.chain.accounts[3]
    bench.begin()
    deployment = seat.deploy(cold=cold, key=bench.stranger)
    chain.deploy(deployment)
    chair = deployment.address
    assert chain.send(cold, chair, seat.propose(bench.operator)).ok
    assert views.decode_int(chain.call(chair, seat.ready_at())) == chain.now() + seat.REPLACE_DELAY
    assert views.decode_address(chain.call(chair, seat.next_key())) == bench.operator.lower()
    chain.travel(chain.now() + seat.REPLACE_DELAY)
    assert chain.send(bench.stranger, chair, seat.replace()).ok
    assert views.decode_address(chain.call(chair, seat.key())) == bench.operator.lower()
    assert not chain.send(cold, chair, seat.withdraw()).ok


@settings(PLAIN, max_examples=100)
@given(
    hot=ADDRESSES,
    call_hash=st.binary(min_size=32, max_size=32),
    deadline=st.integers(0, (1 << 256) - 1),
)
def test_both_languages_hash_an_approval_alike(
    bench: Bench, hot: str, call_hash: bytes, deadline: int
) -> None:
    parts = {"hot": hot, "call_hash": call_hash, "deadline": deadline}
    asked = abi.encode_call("OperatorGate", "approvalDigest", [hot, call_hash, deadline])
    assert bench.chain.call(bench.gate, asked) == gate.approval_digest(
        gate=bench.gate,
        chain_id=CHAIN_ID,
        **parts,  # type: ignore[arg-type]
    )


@settings(PLAIN, max_examples=60)
@given(many=st.lists(any_terms(), max_size=8))
def test_the_lens_and_python_see_the_same(bench: Bench, many: list[Terms]) -> None:
    seen = lens.decode_look(bench.chain.call(LENS_ADDRESS, lens.look(many)))
    for terms, view in zip(many, seen, strict=True):
        assert view.escrow_id == terms.escrow_id
        assert view.vault == terms.vault_address()
        assert view.fault == (terms.fault() or 0)
        assert view.state == views.decode_state(bench.chain.call(ESCROW_ADDRESS, views.state_of(terms)))[0]


def test_the_lens_reads_by_id_and_survives_what_does_not_answer(bench: Bench, terms: Terms) -> None:
    bench.through_gate(calls.mark_delivered(terms))
    asked = lens.brief([terms.struct_hash(), bytes(32)], [TEST_USDT_ADDRESS, bench.stranger])
    marked, nothing = lens.decode_brief(bench.chain.call(LENS_ADDRESS, asked))
    assert marked.state is not None
    assert (marked.state.status, marked.balance) == (Status.DELIVERED, terms.amount)
    assert (nothing.state, nothing.balance, nothing.has_code) == (None, None, False)
    with pytest.raises(ValueError, match="its token"):
        lens.brief([bytes(32)], [])
