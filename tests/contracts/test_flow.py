"""An escrow from deposit to payout, through the Python that the platform uses."""

from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

from contracts import abi, calls, events, rulings, views
from contracts.artifacts import ESCROW_ADDRESS, TEST_USDT_ADDRESS
from contracts.calls import LegKind, Side
from contracts.devchain import DevChain, Receipt, RpcError
from contracts.events import EscrowEvent, How, Status
from contracts.gas import Bench, sign
from contracts.terms import DAY, Terms


def fund(bench: Bench, terms: Terms) -> None:
    bench.chain.send(
        bench.buyer, TEST_USDT_ADDRESS, calls.erc20_transfer(terms.vault_address(), terms.amount)
    )


def act(bench: Bench, data: bytes, sender: str | None = None) -> list[EscrowEvent]:
    """Sends a call to the escrow contract and answers what it said."""
    receipt = bench.chain.send(sender or bench.operator, ESCROW_ADDRESS, data)
    assert receipt.ok
    return said(receipt)


def said(receipt: Receipt) -> list[EscrowEvent]:
    decoded = (events.decode(log["address"], log["topics"], log["data"]) for log in receipt.logs)
    return [event for event in decoded if event is not None]


def balance(chain: DevChain, holder: str) -> int:
    return views.decode_int(chain.call(TEST_USDT_ADDRESS, views.balance_of(holder)))


def state(chain: DevChain, terms: Terms) -> tuple[views.State, bool]:
    return views.decode_state(chain.call(ESCROW_ADDRESS, views.state_of(terms)))


@pytest.fixture
def terms(bench: Bench) -> Terms:
    bench.begin()
    return bench.terms(fee_bps=100, fee_recipient="0x" + "fe" * 20)


def test_a_release_pays_the_seller_and_the_fee_and_says_so_once(
    chain: DevChain, bench: Bench, terms: Terms
) -> None:
    fund(bench, terms)
    before = balance(chain, terms.fee_recipient)
    release = calls.pay(terms, to_seller=terms.amount, to_buyer=0, left=terms.amount)
    receipt = chain.send(bench.operator, ESCROW_ADDRESS, release)
    (decided,) = said(receipt)
    fee = terms.amount // 100
    assert decided == events.Decided(
        escrow_id=terms.escrow_id,
        by=bench.operator,
        how=How.PAY,
        release=terms.amount - fee,
        refund=0,
        fee=fee,
        left=0,
        paid=0b101,
    )
    assert [(leg.kind, leg.amount, leg.paid) for leg in decided.legs] == [
        (LegKind.RELEASE, terms.amount - fee, True),
        (LegKind.FEE, fee, True),
    ]
    assert balance(chain, terms.seller) == terms.amount - fee
    assert balance(chain, terms.fee_recipient) - before == fee
    assert state(chain, terms)[1]
    transfers = [events.decode_transfer(log["address"], log["topics"], log["data"]) for log in receipt.logs]
    assert [(one.to, one.value) for one in transfers if one] == [
        (terms.seller, terms.amount - fee),
        (terms.fee_recipient, fee),
    ]


def test_a_repeated_release_is_refused_by_name(chain: DevChain, bench: Bench, terms: Terms) -> None:
    fund(bench, terms)
    release = calls.pay(terms, to_seller=terms.amount, to_buyer=0, left=terms.amount)
    act(bench, release)
    with pytest.raises(RpcError) as refused:
        chain.call(ESCROW_ADDRESS, release, sender=bench.operator)
    assert views.explain_error(refused.value.data) == "AlreadySettled"


def test_delivery_and_reopening_are_told_with_their_deadlines(
    chain: DevChain, bench: Bench, terms: Terms
) -> None:
    fund(bench, terms)
    announced, delivered = act(bench, calls.mark_delivered(terms))
    assert announced == events.Announced(escrow_id=terms.escrow_id, terms=terms)
    now = chain.now()
    assert delivered == events.Delivered(
        escrow_id=terms.escrow_id, by=bench.operator, until=now + terms.inspection
    )
    slot = views.decode_slot(chain.call(ESCROW_ADDRESS, views.slot_of(terms.struct_hash())))
    assert slot is not None
    assert (slot.status, slot.stamp, slot.left) == (Status.DELIVERED, now, terms.amount)
    assert slot == state(chain, terms)[0]
    (reopened,) = act(bench, calls.reopen_delivery(terms), bench.buyer)
    assert reopened == events.DeliveryReopened(
        escrow_id=terms.escrow_id,
        by=bench.buyer,
        deliver_by=max(terms.deliver_by, chain.now() + terms.inspection),
    )


def test_two_of_three_rule_and_both_sides_are_paid(chain: DevChain, bench: Bench, terms: Terms) -> None:
    fund(bench, terms)
    evidence = keccak(text="photographs")
    _, disputed = act(bench, calls.dispute(terms, side=Side.BUYER, evidence_hash=evidence), bench.buyer)
    assert disputed == events.Disputed(
        escrow_id=terms.escrow_id,
        by=bench.buyer,
        side=Side.BUYER,
        round=1,
        until=chain.now() + terms.arbitration,
        evidence_hash=evidence,
    )
    to_seller = terms.amount // 4
    ruled, decided = act(bench, bench.ruling(terms, to_seller=to_seller), bench.stranger)
    assert ruled == events.Ruled(escrow_id=terms.escrow_id, round=1, ruling_hash=keccak(text="reasons"))
    assert isinstance(decided, events.Decided)
    assert (decided.how, decided.to_seller, decided.refund) == (
        How.RULING,
        to_seller,
        terms.amount - to_seller,
    )
    assert balance(chain, terms.seller) == to_seller - to_seller // 100


def test_a_withdrawn_dispute_gives_the_clock_back(chain: DevChain, bench: Bench, terms: Terms) -> None:
    fund(bench, terms)
    act(bench, calls.dispute(terms, side=Side.SELLER, evidence_hash=bytes(32)))
    frozen = state(chain, terms)[0].frozen
    chain.travel(chain.now() + 30 * DAY)
    (withdrawn,) = act(bench, calls.withdraw_dispute(terms))
    assert withdrawn == events.DisputeWithdrawn(
        escrow_id=terms.escrow_id, by=bench.operator, status=Status.OPEN, until=chain.now() + frozen
    )


def test_a_paused_token_leaves_a_leg_that_anyone_pays_later(
    chain: DevChain, bench: Bench, terms: Terms
) -> None:
    fund(bench, terms)
    owner = chain.accounts[0]
    chain.send(owner, TEST_USDT_ADDRESS, abi.encode_call("TestUSDT", "pause", []))
    assert views.decode_bool(chain.call(TEST_USDT_ADDRESS, views.paused()))
    _, decided = act(bench, calls.pay(terms, to_seller=0, to_buyer=100, left=terms.amount))
    assert isinstance(decided, events.Decided)
    assert [(leg.kind, leg.paid) for leg in decided.legs] == [(LegKind.REFUND, False)]
    chain.send(owner, TEST_USDT_ADDRESS, abi.encode_call("TestUSDT", "unpause", []))
    owed = views.decode_int(chain.call(ESCROW_ADDRESS, views.owed(terms.struct_hash(), LegKind.REFUND)))
    assert owed == 100
    (paid,) = act(bench, calls.pay_leg(terms, kind=LegKind.REFUND), bench.stranger)
    assert paid == events.LegPaid(
        escrow_id=terms.escrow_id, kind=LegKind.REFUND, to=bench.buyer, amount=100, owed=0
    )


def test_surplus_is_rescued_to_the_buyer(chain: DevChain, bench: Bench, terms: Terms) -> None:
    fund(bench, terms)
    chain.mint(terms.vault_address(), 5)
    _, rescued = act(bench, calls.rescue(terms, token=TEST_USDT_ADDRESS), bench.stranger)
    assert rescued == events.Rescued(
        escrow_id=terms.escrow_id, token=TEST_USDT_ADDRESS, to=bench.buyer, amount=5
    )


def test_after_each_deadline_anyone_can_act(chain: DevChain, bench: Bench, terms: Terms) -> None:
    fund(bench, terms)
    act(bench, calls.dispute(terms, side=Side.BUYER, evidence_hash=bytes(32)))
    chain.travel(chain.now() + terms.arbitration + DAY)
    (decided,) = act(bench, calls.claim_fallback(terms), bench.stranger)
    assert isinstance(decided, events.Decided)
    assert (decided.how, decided.to_seller) == (How.FALLBACK, terms.amount // 2)
    bench.now = chain.now()
    unfunded = bench.terms()
    chain.mint(unfunded.vault_address(), 3)
    chain.travel(unfunded.fund_by + DAY)
    (decided,) = act(bench, calls.claim_unfunded(unfunded), bench.stranger)
    assert isinstance(decided, events.Decided)
    assert (decided.how, decided.refund, decided.left) == (How.CLAIM_UNFUNDED, 3, 0)


def test_a_batch_answers_for_each_item(chain: DevChain, bench: Bench, terms: Terms) -> None:
    fund(bench, terms)
    release = calls.pay(terms, to_seller=terms.amount, to_buyer=0, left=terms.amount)
    both = calls.batch([release, release])
    answer = chain.call(ESCROW_ADDRESS, both, sender=bench.operator)
    assert abi.decode_result("Escrow", "batch", answer)[0] == (True, False)


def test_wallets_sign_what_the_contract_checks(chain: DevChain, bench: Bench, terms: Terms) -> None:
    amounts = {"to_seller": 3, "to_buyer": terms.amount - 3}
    settlement: dict[str, Any] = {**amounts, "left": terms.amount, "seq": 0, "deadline": bench.now + DAY}
    clocks = {"round": 2, "not_before": 5, "deadline": 6}
    ruling: dict[str, Any] = {**amounts, "ruling_hash": keccak(text="x"), **clocks}
    for typed, digest in (
        (rulings.settlement_typed_data(terms, **settlement), rulings.settlement_digest(terms, **settlement)),
        (rulings.ruling_typed_data(terms, **ruling), rulings.ruling_digest(terms, **ruling)),
    ):
        message = encode_typed_data(full_message=typed)
        assert Account.sign_message(message, bench.buyer_key).signature == sign(bench.buyer_key, digest)
    separator = chain.call(ESCROW_ADDRESS, abi.encode_call("Escrow", "domainSeparator", []))
    assert separator == rulings.domain_separator(terms.home_chain_id)


def test_signatures_stand_beside_their_signers(bench: Bench) -> None:
    seats = [seat.address for seat in bench.seats]
    signers, signatures = rulings.sort_signatures(
        seats[::-1], 2, {seats[2]: b"two", seats[0].lower(): b"zero"}
    )
    assert signers == seats
    assert signatures == [b"zero", b"", b"two"]
    with pytest.raises(ValueError, match="not a seat"):
        rulings.sort_signatures(seats, 2, {bench.buyer: b""})


def test_logs_of_others_are_nobodys_events(bench: Bench, terms: Terms) -> None:
    topic = events.TOPICS["Ruled"]
    assert events.decode(bench.stranger, [topic, terms.escrow_id], bytes(64)) is None
    assert events.decode(ESCROW_ADDRESS, [], b"") is None
    assert events.decode(ESCROW_ADDRESS, ["0x" + "00" * 32], b"") is None
    nft = [events.TRANSFER_TOPIC, "0x" + "00" * 32, "0x" + "00" * 32, "0x" + "00" * 32]
    assert events.decode_transfer(TEST_USDT_ADDRESS, nft, b"") is None
