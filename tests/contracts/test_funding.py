"""Payers who only sign, through the Python that the platform uses."""

from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

from contracts import abi, artifacts, calls, funding, views
from contracts.artifacts import FUNDER_ADDRESS, KEYLESS_DEPLOYER, TEST_USDT_ADDRESS
from contracts.devchain import DEPLOY_GAS_LIMIT, DevChain, Receipt, RpcError
from contracts.funding import PERMIT2_ADDRESS, Funded, TokenDomain
from contracts.gas import Bench, sign
from contracts.terms import DAY, Terms

PAYER_KEY = keccak(text="a payer who only signs")
PAYER: str = Account.from_key(PAYER_KEY).address
DOLLAR = artifacts.keyless_address("TestDollar")
DOLLAR_DOMAIN = TokenDomain(name="Test Dollar", version="2")


@pytest.fixture
def permit2(bench: Bench) -> DevChain:
    """A chain with Permit2's double at Permit2's address and a payer who approved it."""
    chain = bench.chain
    chain.rpc("anvil_setCode", PERMIT2_ADDRESS, "0x" + artifacts.load("TestPermit2").runtime.hex())
    chain.rpc("anvil_impersonateAccount", PAYER)
    chain.rpc("anvil_setBalance", PAYER, hex(10**20))
    chain.mint(PAYER, 10**12)
    chain.send(PAYER, TEST_USDT_ADDRESS, calls.erc20_approve(PERMIT2_ADDRESS, 0))
    chain.send(PAYER, TEST_USDT_ADDRESS, calls.erc20_approve(PERMIT2_ADDRESS, 10**12))
    bench.begin()
    return chain


@pytest.fixture
def dollar(bench: Bench) -> DevChain:
    """A chain with a token that moves by signature, and a payer who holds some."""
    chain = bench.chain
    if not chain.code(DOLLAR):
        data = bytes(32) + artifacts.load("TestDollar").bytecode
        assert chain.send(chain.accounts[0], KEYLESS_DEPLOYER, data, gas=DEPLOY_GAS_LIMIT).ok
    chain.send(chain.accounts[0], DOLLAR, abi.encode_call("TestDollar", "mint", [PAYER, 10**12]))
    bench.begin()
    return chain


def refusal(chain: DevChain, sender: str, to: str, data: bytes) -> bytes:
    with pytest.raises(RpcError) as refused:
        chain.call(to, data, sender=sender)
    return refused.value.data


def funded(receipt: Receipt) -> list[Funded]:
    found = (funding.decode_funded(log["address"], log["topics"], log["data"]) for log in receipt.logs)
    return [event for event in found if event is not None]


def balance(chain: DevChain, token: str, holder: str) -> int:
    return views.decode_int(chain.call(token, views.balance_of(holder)))


def permit(terms: Terms, deadline: int) -> bytes:
    signature = sign(PAYER_KEY, funding.permit_digest(terms, deadline=deadline))
    return funding.fund(terms, payer=PAYER, deadline=deadline, signature=signature)


def authorization(terms: Terms, before: int) -> bytes:
    digest = funding.authorization_digest(terms, payer=PAYER, domain=DOLLAR_DOMAIN, valid_before=before)
    return funding.transfer_with_authorization(
        terms, payer=PAYER, valid_before=before, signature=sign(PAYER_KEY, digest)
    )


def test_a_permit_that_anyone_submits_funds_the_vault_and_the_escrow_goes_on(
    permit2: DevChain, bench: Bench
) -> None:
    terms = bench.terms()
    receipt = permit2.send(bench.stranger, FUNDER_ADDRESS, permit(terms, terms.fund_by))
    assert funded(receipt) == [Funded(escrow_id=terms.escrow_id, payer=PAYER, amount=terms.amount)]
    assert balance(permit2, TEST_USDT_ADDRESS, terms.vault_address()) == terms.amount
    bench.act(calls.pay(terms, to_seller=terms.amount, to_buyer=0, left=terms.amount))
    assert balance(permit2, TEST_USDT_ADDRESS, terms.seller) == terms.amount


def test_a_permit_pays_one_escrow_once_until_its_deadline(permit2: DevChain, bench: Bench) -> None:
    terms, other = bench.terms(), bench.terms()
    signature = sign(PAYER_KEY, funding.permit_digest(terms, deadline=terms.fund_by))

    def refused(target: Terms, deadline: int) -> str | None:
        data = funding.fund(target, payer=PAYER, deadline=deadline, signature=signature)
        return funding.explain_error(refusal(permit2, bench.stranger, FUNDER_ADDRESS, data))

    assert refused(other, terms.fund_by) == "InvalidSigner"
    assert refused(terms, terms.fund_by + 1) == "InvalidSigner"
    assert permit2.send(bench.stranger, FUNDER_ADDRESS, permit(terms, terms.fund_by)).ok
    assert refused(terms, terms.fund_by) == "AlreadyFunded"
    permit2.travel(other.fund_by + 1)
    late = permit(other, other.fund_by)
    assert funding.explain_error(refusal(permit2, bench.stranger, FUNDER_ADDRESS, late)) == "SignatureExpired"


def test_an_authorization_that_anyone_submits_funds_the_vault_once(dollar: DevChain, bench: Bench) -> None:
    terms = bench.terms(token=DOLLAR)
    data = authorization(terms, terms.fund_by)
    used = funding.authorization_used(terms, payer=PAYER)
    assert not views.decode_bool(dollar.call(DOLLAR, used))
    assert dollar.send(bench.stranger, DOLLAR, data).ok
    assert balance(dollar, DOLLAR, terms.vault_address()) == terms.amount
    assert views.decode_bool(dollar.call(DOLLAR, used))
    again = refusal(dollar, bench.stranger, DOLLAR, authorization(terms, terms.fund_by + DAY))
    assert abi.error_selectors("TestDollar")[again[:4]] == "ERC3009UsedAuthorization"
    bench.act(calls.pay(terms, to_seller=terms.amount, to_buyer=0, left=terms.amount))
    assert balance(dollar, DOLLAR, terms.seller) == terms.amount


def test_an_authorization_for_one_escrow_moves_nothing_to_another(dollar: DevChain, bench: Bench) -> None:
    terms, other = bench.terms(token=DOLLAR), bench.terms(token=DOLLAR)
    digest = funding.authorization_digest(
        terms, payer=PAYER, domain=DOLLAR_DOMAIN, valid_before=terms.fund_by
    )
    signature = sign(PAYER_KEY, digest)
    data = funding.transfer_with_authorization(
        other, payer=PAYER, valid_before=terms.fund_by, signature=signature
    )
    answer = refusal(dollar, bench.stranger, DOLLAR, data)
    assert abi.error_selectors("TestDollar")[answer[:4]] == "ERC3009InvalidSignature"
    with pytest.raises(ValueError, match="65 bytes"):
        funding.transfer_with_authorization(
            terms, payer=PAYER, valid_before=terms.fund_by, signature=signature[:64]
        )


def test_wallets_show_what_is_hashed(bench: Bench) -> None:
    bench.begin()
    terms = bench.terms(token=DOLLAR)
    parts: dict[str, Any] = {"payer": PAYER, "domain": DOLLAR_DOMAIN, "valid_before": terms.fund_by}
    for typed, digest in (
        (funding.permit_typed_data(terms, deadline=9), funding.permit_digest(terms, deadline=9)),
        (funding.authorization_typed_data(terms, **parts), funding.authorization_digest(terms, **parts)),
    ):
        message = encode_typed_data(full_message=typed)
        assert Account.sign_message(message, PAYER_KEY).signature == sign(PAYER_KEY, digest)


def test_the_funder_is_told_apart_from_other_contracts(bench: Bench) -> None:
    topic = "0x" + abi.topic("PermitFunder", "Funded").hex()
    topics = [topic, "0x" + "11" * 32, "0x" + "00" * 12 + PAYER[2:]]
    word = (7).to_bytes(32, "big")
    assert funding.decode_funded(FUNDER_ADDRESS, topics, word) == Funded(
        escrow_id="0x" + "11" * 32, payer=PAYER, amount=7
    )
    assert funding.decode_funded(bench.stranger, topics, word) is None
    assert funding.decode_funded(FUNDER_ADDRESS, ["0x" + "00" * 32], b"") is None
