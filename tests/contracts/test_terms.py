"""Python and Solidity must agree on every set of terms: an address shown to a payer depends on it."""

import json
from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from eth_utils.address import to_checksum_address
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts import abi, lens, views
from contracts.artifacts import ESCROW_ADDRESS, LENS_ADDRESS, TEST_USDT_ADDRESS
from contracts.devchain import DevChain
from contracts.gas import Bench
from contracts.terms import (
    DAY,
    ZERO_ADDRESS,
    Fault,
    SeatsError,
    Terms,
    TermsError,
    arbiters_hash,
    check_seats,
)

NAMES = [to_checksum_address(f"0x{digit * 40}") for digit in "123456"]
ADDRESSES = st.sampled_from([*NAMES, *NAMES, ZERO_ADDRESS, ESCROW_ADDRESS, TEST_USDT_ADDRESS])
HASHES = st.one_of(st.just(bytes(32)), st.binary(min_size=32, max_size=32))
PLAIN = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def around(*edges: int, top: int) -> st.SearchStrategy[int]:
    """Numbers near the edges of a rule, and anything that fits."""
    near = [edge + step for edge in edges for step in (-1, 0, 1) if 0 <= edge + step <= top]
    return st.one_of(st.sampled_from(near), st.integers(0, top))


@st.composite
def any_terms(draw: st.DrawFn) -> Terms:
    """Terms that fit their bits; good ones and every kind of bad one."""
    fund_by = draw(around(0, 1_700_000_000, top=(1 << 40) - 1))
    later = fund_by + 400 * DAY
    good: dict[str, Any] = {
        "home_chain_id": 31_337,
        "token": TEST_USDT_ADDRESS,
        "amount": draw(st.integers(1, (1 << 96) - 1)),
        "buyer": NAMES[0],
        "seller": NAMES[1],
        "operator": NAMES[2],
        "fee_recipient": NAMES[3],
        "fee_bps": draw(st.integers(0, 1_000)),
        "fund_by": 1_700_000_000,
        "deliver_by": 1_700_000_000 + draw(st.integers(0, 400 * DAY)),
        "inspection": draw(st.integers(DAY, 30 * DAY)),
        "arbitration": draw(st.integers(60 * DAY, 365 * DAY)),
        "fallback_seller_bps": draw(st.integers(0, 10_000)),
        "arbiters": b"\x01" * 32,
        "deal_hash": draw(st.binary(min_size=32, max_size=32).filter(any)),
    }
    strange = {
        "version": around(1, top=255),
        "home_chain_id": around(0, 31_337, top=(1 << 64) - 1),
        "token": ADDRESSES,
        "amount": around(0, top=(1 << 96) - 1),
        "buyer": ADDRESSES,
        "seller": ADDRESSES,
        "operator": ADDRESSES,
        "fee_recipient": ADDRESSES,
        "fee_bps": around(0, 1_000, top=(1 << 16) - 1),
        "fund_by": st.just(fund_by),
        "deliver_by": around(fund_by, later, top=(1 << 40) - 1),
        "inspection": around(DAY, 30 * DAY, top=(1 << 32) - 1),
        "arbitration": around(60 * DAY, 365 * DAY, top=(1 << 32) - 1),
        "fallback_seller_bps": around(0, 10_000, top=(1 << 16) - 1),
        "arbiters": HASHES,
        "deal_hash": HASHES,
    }
    changed = draw(st.sets(st.sampled_from(sorted(strange)), max_size=3))
    return Terms(**(good | {name: draw(strange[name]) for name in sorted(changed)}))


@settings(PLAIN, max_examples=100)
@given(terms=any_terms())
def test_both_languages_give_the_same_id_address_and_verdict(chain: DevChain, terms: Terms) -> None:
    escrow_id = chain.call(ESCROW_ADDRESS, abi.encode_call("Escrow", "idOf", [terms.as_abi()]))
    assert escrow_id == terms.struct_hash()
    vault = views.decode_address(chain.call(ESCROW_ADDRESS, views.vault_of(escrow_id)))
    assert to_checksum_address(vault) == terms.vault_address()
    assert views.decode_int(chain.call(ESCROW_ADDRESS, views.check(terms))) == (terms.fault() or 0)


def random_terms(luck: Random) -> Terms:
    """Good terms with up to three fields changed, each to the edge of its rule or to anything that fits."""

    def near(*edges: int, bits: int) -> int:
        top = (1 << bits) - 1
        edge = luck.choice(edges) + luck.choice((-1, 0, 1))
        return min(max(edge, 0), top) if luck.random() < 0.7 else luck.randint(0, top)

    fund_by = near(1, 1_700_000_000, bits=40)
    address = [*NAMES, ZERO_ADDRESS, ESCROW_ADDRESS, TEST_USDT_ADDRESS, "0x" + luck.randbytes(20).hex()]
    good: dict[str, Any] = {
        "home_chain_id": luck.randint(1, (1 << 64) - 1),
        "token": TEST_USDT_ADDRESS,
        "amount": luck.randint(1, (1 << 96) - 1),
        "buyer": NAMES[0],
        "seller": NAMES[1],
        "operator": luck.choice([NAMES[2], ZERO_ADDRESS]),
        "fee_recipient": NAMES[3],
        "fee_bps": luck.randint(0, 1_000),
        "fund_by": 1_700_000_000,
        "deliver_by": 1_700_000_000 + luck.randint(0, 400 * DAY),
        "inspection": luck.randint(DAY, 30 * DAY),
        "arbitration": luck.randint(60 * DAY, 365 * DAY),
        "fallback_seller_bps": luck.randint(0, 10_000),
        "arbiters": luck.randbytes(32),
        "deal_hash": luck.randbytes(32),
    }
    strange: dict[str, Any] = {
        "version": near(1, bits=8),
        "home_chain_id": near(0, bits=64),
        "amount": near(0, bits=96),
        "fee_bps": near(0, 1_000, bits=16),
        "fund_by": fund_by,
        "deliver_by": near(fund_by, fund_by + 400 * DAY, bits=40),
        "inspection": near(DAY, 30 * DAY, bits=32),
        "arbitration": near(60 * DAY, 365 * DAY, bits=32),
        "fallback_seller_bps": near(0, 10_000, bits=16),
        "arbiters": bytes(32),
        "deal_hash": bytes(32),
    }
    strange |= {
        role: luck.choice(address) for role in ("token", "buyer", "seller", "operator", "fee_recipient")
    }
    changed = luck.sample(sorted(strange), luck.randint(0, 3))
    return Terms(**(good | {name: strange[name] for name in changed}))


def test_both_languages_agree_on_thousands_of_terms(chain: DevChain) -> None:
    """Id, deposit address and verdict; every fault, and none, is among them often enough."""
    luck, met = Random("terms"), Counter[int]()
    for _ in range(40):
        many = [random_terms(luck) for _ in range(125)]
        for terms, view in zip(
            many, lens.decode_look(chain.call(LENS_ADDRESS, lens.look(many))), strict=True
        ):
            assert view.escrow_id == terms.escrow_id
            assert view.vault == terms.vault_address()
            assert view.fault == (terms.fault() or 0), terms
            met[view.fault] += 1
    assert met.total() == 5_000
    assert min(met[fault] for fault in (0, *Fault)) >= 10, met


@settings(PLAIN, max_examples=200)
@given(terms=any_terms())
def test_terms_survive_json_and_the_packed_form(terms: Terms) -> None:
    assert Terms.from_json(json.loads(json.dumps(terms.to_json()))) == terms
    assert Terms.from_abi(terms.as_abi()) == terms


def test_good_terms_pass_and_bad_ones_say_why(bench: Bench) -> None:
    terms = bench.terms()
    terms.check()
    with pytest.raises(TermsError, match="basis points") as refused:
        replace(terms, fee_bps=1_001).check()
    assert refused.value.fault is Fault.FEE


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("amount", 1 << 96, Fault.AMOUNT),
        ("amount", -1, Fault.AMOUNT),
        ("version", 256, Fault.VERSION),
        ("home_chain_id", 1 << 64, Fault.CHAIN),
        ("fee_bps", 1 << 16, Fault.FEE),
        ("fund_by", 1 << 40, Fault.CLOCKS),
        ("deliver_by", 1 << 40, Fault.CLOCKS),
        ("inspection", 1 << 32, Fault.INSPECTION),
        ("arbitration", 1 << 32, Fault.ARBITRATION),
        ("fallback_seller_bps", 1 << 16, Fault.FALLBACK),
        ("arbiters", b"\x01" * 31, Fault.ARBITERS),
        ("deal_hash", b"\x01" * 33, Fault.DEAL),
        ("buyer", "0x123", Fault.PARTIES),
        ("token", "somebody", Fault.ADDRESSES),
    ],
)
def test_what_does_not_fit_never_spills_into_its_neighbour(
    bench: Bench, field: str, value: Any, fault: Fault
) -> None:
    wrong = replace(bench.terms(), **{field: value})
    assert wrong.fault() is fault
    with pytest.raises(TermsError) as refused:
        wrong.as_abi()
    assert refused.value.fault is fault


def test_the_hash_of_the_arbiters_ignores_the_order_given() -> None:
    assert arbiters_hash(NAMES[:3], 2) == arbiters_hash(NAMES[:3][::-1], 2)
    assert arbiters_hash(NAMES[:3], 2) != arbiters_hash(NAMES[:3], 3)


@pytest.mark.parametrize(
    ("signers", "threshold"),
    [([], 1), (NAMES[:2], 0), (NAMES[:2], 3), ([NAMES[0], NAMES[0]], 1), ([NAMES[0], ZERO_ADDRESS], 1)],
)
def test_a_list_that_could_not_rule_has_no_hash(signers: list[str], threshold: int) -> None:
    with pytest.raises(SeatsError):
        arbiters_hash(signers, threshold)


def test_more_than_nine_seats_have_no_hash() -> None:
    ten = [f"0x{number:040x}" for number in range(1, 11)]
    arbiters_hash(ten[:9], 9)
    with pytest.raises(SeatsError):
        arbiters_hash(ten, 2)


def test_seats_are_those_of_the_terms_and_nobody_else_in_them(bench: Bench) -> None:
    terms = bench.terms()
    seats = [seat.address for seat in bench.seats]
    check_seats(terms, seats, 2)
    with pytest.raises(SeatsError, match="not the seats"):
        check_seats(terms, seats, 3)
    partial = replace(terms, arbiters=arbiters_hash([seats[0], terms.buyer], 1))
    with pytest.raises(SeatsError, match="can not be a party"):
        check_seats(partial, [seats[0], terms.buyer], 1)
