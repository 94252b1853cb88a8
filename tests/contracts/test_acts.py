"""Acts that a party signs and anyone submits; extending, cancelling, appealing."""

from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts import calls, events, rulings, views
from contracts.artifacts import ESCROW_ADDRESS, TEST_USDT_ADDRESS
from contracts.calls import Act, Side, Signers, relayed
from contracts.devchain import DevChain, Receipt, RpcError
from contracts.events import EscrowEvent, Status
from contracts.gas import Bench, sign
from contracts.terms import DAY, ZERO_ADDRESS, Terms

SELLER_KEY = keccak(text="the seller of these tests")
SELLER: str = Account.from_key(SELLER_KEY).address
WORDS = st.integers(0, (1 << 256) - 1)
PLAIN = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def terms(bench: Bench) -> Terms:
    bench.begin()
    terms = bench.terms(seller=SELLER)
    bench.fund(terms)
    return terms


def said(receipt: Receipt) -> list[EscrowEvent]:
    assert receipt.ok
    decoded = (events.decode(log["address"], log["topics"], log["data"]) for log in receipt.logs)
    return [event for event in decoded if event is not None]


def do(bench: Bench, data: bytes, sender: str | None = None) -> list[EscrowEvent]:
    return said(bench.chain.send(sender or bench.operator, ESCROW_ADDRESS, data))


def state(bench: Bench, terms: Terms) -> views.State:
    return views.decode_state(bench.chain.call(ESCROW_ADDRESS, views.state_of(terms)))[0]


def signed(bench: Bench, terms: Terms, act: Act, signers: Signers, deadline: int) -> bytes:
    """The call that anyone submits, with the signatures that it names."""
    now = state(bench, terms)
    digest = rulings.act_digest(terms, act, left=now.left, seq=now.seq, deadline=deadline)
    return calls.relay(
        terms,
        act=act,
        signers=signers,
        deadline=deadline,
        buyer_signature=sign(bench.buyer_key, digest) if signers & Signers.BUYER else b"",
        seller_signature=sign(SELLER_KEY, digest) if signers & Signers.SELLER else b"",
    )


def relay(bench: Bench, terms: Terms, act: Act, signers: Signers) -> list[EscrowEvent]:
    return do(bench, signed(bench, terms, act, signers, bench.now + 300 * DAY), bench.stranger)


def refusal(chain: DevChain, data: bytes, sender: str) -> str | None:
    with pytest.raises(RpcError) as refused:
        chain.call(ESCROW_ADDRESS, data, sender=sender)
    return views.explain_error(refused.value.data)


def test_a_buyer_without_gas_releases_by_signature(bench: Bench, terms: Terms) -> None:
    act = relayed.pay(to_seller=terms.amount, to_buyer=0)
    (decided,) = relay(bench, terms, act, Signers.BUYER)
    assert isinstance(decided, events.Decided)
    assert (decided.by, decided.to_seller, decided.left) == (bench.buyer, terms.amount, 0)


def test_a_whole_life_by_signatures_alone(bench: Bench, terms: Terms) -> None:
    evidence = keccak(text="evidence")
    names = [
        event.name
        for act, signers in (
            (relayed.mark_delivered(), Signers.SELLER),
            (relayed.reopen_delivery(), Signers.BUYER),
            (relayed.dispute(side=Side.BUYER, evidence_hash=evidence), Signers.BUYER),
            (relayed.appeal(side=Side.SELLER), Signers.SELLER),
            (relayed.pay(to_seller=0, to_buyer=5), Signers.SELLER),
            (relayed.withdraw_dispute(), Signers.BUYER),
            (relayed.extend(until=bench.now + 90 * DAY), Signers.BOTH),
        )
        for event in relay(bench, terms, act, signers)
    ]
    expected = "Announced Delivered DeliveryReopened Disputed Appealed Decided DisputeWithdrawn Extended"
    assert names == expected.split()
    now = state(bench, terms)
    assert (now.status, now.left, now.round, now.appealed) == (Status.OPEN, terms.amount - 5, 2, 2)
    assert now.deliver_by == bench.now + 90 * DAY


def test_events_of_the_new_actions_are_typed(bench: Bench, terms: Terms) -> None:
    until = terms.deliver_by + 3 * DAY
    *_, extended = do(bench, calls.extend(terms, until=until))
    assert extended == events.Extended(escrow_id=terms.escrow_id, by=bench.operator, until=until)
    assert state(bench, terms).extended == 3
    do(bench, calls.dispute(terms, side=Side.BUYER, evidence_hash=bytes(32)))
    (appealed,) = do(bench, calls.appeal(terms, side=Side.BUYER))
    assert appealed == events.Appealed(escrow_id=terms.escrow_id, by=bench.operator, side=Side.BUYER, round=2)
    cancelled, rescued = relay(bench, terms, relayed.cancel(), Signers.BOTH)
    assert cancelled == events.Cancelled(escrow_id=terms.escrow_id, by=ZERO_ADDRESS)
    assert rescued == events.Rescued(
        escrow_id=terms.escrow_id, token=TEST_USDT_ADDRESS, to=bench.buyer, amount=terms.amount
    )
    assert state(bench, terms).status is Status.CANCELLED


def test_the_operator_cancels_what_nobody_decided(bench: Bench, terms: Terms) -> None:
    names = [event.name for event in do(bench, calls.cancel(terms))]
    assert names == ["Announced", "Cancelled", "Rescued"]


def test_f45_a_message_is_void_after_any_change(bench: Bench, terms: Terms) -> None:
    """F45: see `rules_off` for the rule that is switched off."""
    data = signed(bench, terms, relayed.mark_delivered(), Signers.SELLER, bench.now + DAY)
    do(bench, calls.mark_delivered(terms))
    assert refusal(bench.chain, data, bench.stranger) == "BadSignature"


def test_f46_money_on_the_wrong_network_comes_back_by_the_buyers_signature(bench: Bench) -> None:
    """F46: see `rules_off` for the rule that is switched off."""
    bench.begin()
    terms = bench.terms(home_chain_id=1)
    bench.fund(terms)
    act = relayed.rescue(token=TEST_USDT_ADDRESS)
    parts: dict[str, Any] = {"left": 0, "seq": 0, "deadline": bench.now + DAY, "chain_id": 31_337}
    digest = rulings.act_digest(terms, act, **parts)
    message = encode_typed_data(full_message=rulings.act_typed_data(terms, act, **parts))
    signature = Account.sign_message(message, bench.buyer_key).signature
    assert signature == sign(bench.buyer_key, digest)
    (rescued,) = do(
        bench,
        calls.relay(
            terms,
            act=act,
            signers=Signers.BUYER,
            deadline=parts["deadline"],
            buyer_signature=bytes(signature),
        ),
        bench.stranger,
    )
    assert isinstance(rescued, events.Rescued)
    assert (rescued.to, rescued.amount) == (bench.buyer, terms.amount)


ACTS = st.one_of(
    st.builds(Act, action=st.sampled_from(["pay", "dispute", "extend", "appeal"]), first=WORDS, second=WORDS),
    st.builds(Act, action=st.sampled_from(["markDelivered", "reopenDelivery", "cancel", "withdrawDispute"])),
)


@settings(PLAIN, max_examples=150)
@given(
    act=ACTS,
    signers=st.sampled_from(Signers),
    later=st.integers(1, 1 << 200),
    deal=st.binary(min_size=32, max_size=32).filter(any),
)
def test_both_languages_hash_an_act_alike(
    bench: Bench, act: Act, signers: Signers, later: int, deal: bytes
) -> None:
    """Whatever the contract thinks of the act, it finds the signatures good."""
    terms = replace(bench.terms(seller=SELLER), deal_hash=deal)
    data = signed(bench, terms, act, signers, bench.chain.now() + later)
    try:
        bench.chain.call(ESCROW_ADDRESS, data, sender=bench.stranger)
    except RpcError as refused:
        assert views.explain_error(refused.data) not in {None, "BadSignature", "TooLate"}


@settings(PLAIN, max_examples=150)
@given(act=ACTS, left=WORDS, seq=WORDS, deadline=WORDS)
def test_wallets_hash_an_act_as_we_do(bench: Bench, act: Act, left: int, seq: int, deadline: int) -> None:
    terms = bench.terms()
    parts = {"left": left, "seq": seq, "deadline": deadline}
    message = encode_typed_data(full_message=rulings.act_typed_data(terms, act, **parts))
    digest = rulings.act_digest(terms, act, **parts)
    assert keccak(b"\x19" + message.version + message.header + message.body) == digest
