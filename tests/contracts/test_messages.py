"""Everything that is signed: Python, wallets and the contracts hash the same."""

from typing import Any

import pytest
from eth_account.messages import encode_typed_data
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts import abi, calls, gate, rulings, seat, views
from contracts.artifacts import ESCROW_ADDRESS
from contracts.calls import Side
from contracts.devchain import CHAIN_ID, RpcError
from contracts.gas import Bench, sign
from contracts.terms import DAY, Terms
from tests.contracts.test_acts import SELLER, SELLER_KEY

WORDS = st.integers(0, (1 << 256) - 1)
HASHES = st.binary(min_size=32, max_size=32)
ADDRESSES = st.binary(min_size=20, max_size=20).map(to_checksum_address)
CHAINS = st.integers(1, (1 << 64) - 1)
BITS = st.integers(0, 255)
PLAIN = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MAGIC = bytes.fromhex("1626ba7e")


def wallet_hash(typed: dict[str, Any]) -> bytes:
    """What `eth_signTypedData_v4` signs."""
    message = encode_typed_data(full_message=typed)
    return keccak(b"\x19" + message.version + message.header + message.body)


def flipped(digest: bytes, bit: int) -> bytes:
    """Another digest."""
    return (int.from_bytes(digest, "big") ^ 1 << bit).to_bytes(32, "big")


def answer(bench: Bench, data: bytes) -> str | None:
    """Why the contract refuses a call of a stranger, None when it does not."""
    try:
        bench.chain.call(ESCROW_ADDRESS, data, sender=bench.stranger)
    except RpcError as refused:
        return views.explain_error(refused.data) or "unknown"
    return None


@pytest.fixture(scope="module")
def disputed(bench: Bench) -> Terms:
    bench.begin()
    terms = bench.terms(seller=SELLER)
    bench.fund(terms)
    bench.act(calls.dispute(terms, side=Side.BUYER, evidence_hash=bytes(32)))
    return terms


@settings(PLAIN)
@given(to_seller=WORDS, to_buyer=WORDS, left=WORDS, seq=WORDS, deadline=WORDS, chain_id=CHAINS)
def test_wallets_hash_a_settlement_as_we_do(bench: Bench, chain_id: int, **parts: int) -> None:
    terms = bench.terms(home_chain_id=chain_id)
    typed = rulings.settlement_typed_data(terms, **parts)
    assert wallet_hash(typed) == rulings.settlement_digest(terms, **parts)


@settings(PLAIN)
@given(
    to_seller=WORDS,
    to_buyer=WORDS,
    ruling_hash=HASHES,
    round=WORDS,
    not_before=WORDS,
    deadline=WORDS,
    chain_id=CHAINS,
)
def test_wallets_hash_a_ruling_as_we_do(bench: Bench, chain_id: int, **parts: Any) -> None:
    terms = bench.terms(home_chain_id=chain_id)
    assert wallet_hash(rulings.ruling_typed_data(terms, **parts)) == rulings.ruling_digest(terms, **parts)


@settings(PLAIN)
@given(address=ADDRESSES, chain_id=CHAINS, hot=ADDRESSES, call_hash=HASHES, deadline=WORDS)
def test_wallets_hash_an_approval_as_we_do(address: str, chain_id: int, **parts: Any) -> None:
    where = {"gate": address, "chain_id": chain_id}
    typed = gate.approval_typed_data(**where, **parts)
    assert wallet_hash(typed) == gate.approval_digest(**where, **parts)


@settings(PLAIN)
@given(share=st.integers(0, 10_000), later=st.integers(0, 1 << 200), bit=BITS)
def test_the_contract_takes_the_settlement_that_was_signed_and_no_other(
    bench: Bench, disputed: Terms, share: int, later: int, bit: int
) -> None:
    to_seller = disputed.amount * share // 10_000
    parts = {"to_seller": to_seller, "to_buyer": disputed.amount - to_seller}
    parts["deadline"] = bench.chain.now() + 60 + later
    digest = rulings.settlement_digest(disputed, left=disputed.amount, seq=1, **parts)

    def settled(buyers: bytes, sellers: bytes) -> str | None:
        signed = {
            "buyer_signature": sign(bench.buyer_key, buyers),
            "seller_signature": sign(SELLER_KEY, sellers),
        }
        return answer(bench, calls.settle(disputed, **parts, **signed))

    assert settled(digest, digest) is None
    assert settled(flipped(digest, bit), digest) == "BadSignature"
    assert settled(digest, flipped(digest, bit)) == "BadSignature"


@settings(PLAIN)
@given(
    share=st.integers(0, 10_000),
    ruling_hash=HASHES,
    earlier=st.integers(0, 365 * DAY),
    later=st.integers(0, 1 << 200),
    bit=BITS,
)
def test_the_contract_takes_the_ruling_that_was_signed_and_no_other(
    bench: Bench, disputed: Terms, *, share: int, ruling_hash: bytes, earlier: int, later: int, bit: int
) -> None:
    now = bench.chain.now()
    to_seller = disputed.amount * share // 10_000
    parts: dict[str, Any] = {
        "to_seller": to_seller,
        "to_buyer": disputed.amount - to_seller,
        "ruling_hash": ruling_hash,
        "round": 1,
        "not_before": now - earlier,
        "deadline": now + 60 + later,
    }
    digest = rulings.ruling_digest(disputed, **parts)

    def ruled(first: bytes, second: bytes) -> str | None:
        keys = zip(bench.seats[1:], (first, second), strict=True)
        given_by = {holder.address: sign(holder.key, signed) for holder, signed in keys}
        seats = [holder.address for holder in bench.seats]
        signers, signatures = rulings.sort_signatures(seats, 2, given_by)
        return answer(
            bench, calls.rule(disputed, **parts, signers=signers, threshold=2, signatures=signatures)
        )

    assert ruled(digest, digest) is None
    assert ruled(flipped(digest, bit), digest) == "BadSignature"


@pytest.fixture(scope="module")
def chair(bench: Bench) -> str:
    """A seat that is a contract; its key is the first arbiter's."""
    deployment = seat.deploy(cold=bench.chain.accounts[3], key=bench.seats[0].address)
    assert bench.chain.deploy(deployment).ok
    return deployment.address


@settings(PLAIN)
@given(share=st.integers(0, 10_000), ruling_hash=HASHES, round=st.integers(0, 15), bit=BITS)
def test_a_seats_key_signs_the_very_ruling_and_nothing_of_its_own(
    bench: Bench, chair: str, *, share: int, ruling_hash: bytes, round: int, bit: int
) -> None:
    """What an arbitrator's wallet shows is what the escrow contract asks the seat about."""
    terms = bench.terms()
    parts: dict[str, Any] = {"to_seller": share, "to_buyer": terms.amount - share, "ruling_hash": ruling_hash}
    parts |= {"round": round, "not_before": bench.now, "deadline": bench.now + DAY}
    signature = sign(bench.seats[0].key, wallet_hash(rulings.ruling_typed_data(terms, **parts)))
    digest = rulings.ruling_digest(terms, **parts)

    def valid(asked: bytes) -> bool:
        data = abi.encode_call("ArbiterSeat", "isValidSignature", [asked, signature])
        return bench.chain.call(chair, data)[:4] == MAGIC

    assert valid(digest)
    assert not valid(flipped(digest, bit))


def test_the_domains_are_those_of_the_contracts(bench: Bench) -> None:
    asked = abi.encode_call("Escrow", "domainSeparator", [])
    assert bench.chain.call(ESCROW_ADDRESS, asked) == rulings.domain_separator(CHAIN_ID)
