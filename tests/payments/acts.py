"""What the parties and strangers do, in one word each."""

from datetime import timedelta

from eth_utils.crypto import keccak

from contracts import abi, rulings
from contracts.artifacts import KEYLESS_DEPLOYER, create2_address
from contracts.calls import Act, Signers, erc20_transfer, relay, test_token_mint
from payments.models import Escrow, Order, RefundRequest
from payments.services import delivery, disputing, payouts
from tests.chain.fixtures import Anvil
from tests.payments.fixtures import BUYER_ADDRESS, SELLER_ADDRESS, Desk, actor
from wallets.models import Seat
from wallets.services.seats import sign_ruling

DAY = timedelta(days=1)
EVIDENCE = "0x" + "e1" * 32
RULING = "0x" + "42" * 32


def deliver(desk: Desk, escrow: Escrow) -> None:
    delivery.deliver(escrow_id=escrow.pk, role="seller", acting=actor(desk.cast.seller), note="Here it is.")


def release(desk: Desk, escrow: Escrow, units: int | None = None) -> None:
    payouts.release(escrow_id=escrow.pk, role="buyer", acting=actor(desk.cast.buyer), units=units)


def refund(desk: Desk, escrow: Escrow, units: int | None = None) -> None:
    payouts.refund(escrow_id=escrow.pk, role="seller", acting=actor(desk.cast.seller), units=units)


def request_changes(desk: Desk, escrow: Escrow) -> None:
    delivery.request_changes(
        escrow_id=escrow.pk, role="buyer", acting=actor(desk.cast.buyer), note="The logo is missing."
    )


def ask_refund(desk: Desk, escrow: Escrow) -> RefundRequest:
    return payouts.ask_refund(
        escrow_id=escrow.pk,
        role="buyer",
        party_id=desk.party(escrow.deal, "buyer").pk,
        reason="It is not what we agreed.",
        acting=actor(desk.cast.buyer),
    )


def answer_refund(desk: Desk, escrow: Escrow, *, accept: bool) -> RefundRequest:
    return payouts.answer_refund(
        escrow_id=escrow.pk, role="seller", accept=accept, answer="", acting=actor(desk.cast.seller)
    )


def dispute(desk: Desk, escrow: Escrow, side: str = "buyer") -> Order:
    """Ordered, not yet on chain."""
    user = desk.cast.buyer if side == "buyer" else desk.cast.seller
    return disputing.order_dispute(escrow_id=escrow.pk, role=side, evidence_hash=EVIDENCE, acting=actor(user))


def withdraw(desk: Desk, escrow: Escrow, side: str = "buyer") -> Order:
    user = desk.cast.buyer if side == "buyer" else desk.cast.seller
    return disputing.order_withdrawal(escrow_id=escrow.pk, role=side, acting=actor(user))


def rule(desk: Desk, escrow: Escrow, to_seller: int, to_buyer: int, *, seats: int | None = None) -> Order:
    """A ruling signed with the keys of as many seats as the terms ask for, unless told otherwise."""
    context = disputing.ruling_context(desk.fresh(escrow))
    now = desk.engine.chain.now
    facts = {
        "to_seller": to_seller,
        "to_buyer": to_buyer,
        "round": context.round,
        "not_before": now - 60,
        "deadline": now + 86_400,
    }
    digest = rulings.ruling_digest(context.terms, ruling_hash=bytes.fromhex(RULING[2:]), **facts)
    chosen = context.seats[: context.threshold if seats is None else seats]
    signatures = {seat: sign_ruling(Seat.objects.get(address=seat), digest) for seat in chosen}
    signers, given = rulings.sort_signatures(context.seats, context.threshold, signatures)
    return disputing.order_ruling(
        escrow_id=escrow.pk,
        ruling_hash=RULING,
        signers=signers,
        signatures=given,
        reason="ruled",
        acting=actor(desk.cast.stranger),
        **facts,
    )


# The code of a wallet that is a contract and has signed whatever it is asked about (ERC-1271).
_SIGNED = "0x631626ba7e60e01b5f5260205ff3"


def both_sign(desk: Desk, escrow: Escrow, act: Act) -> str:
    """Both sides sign an act with their wallets and anyone submits it; stays in the pool until mined."""
    chain = desk.engine.chain
    for wallet in (BUYER_ADDRESS, SELLER_ADDRESS):
        chain.rpc("anvil_setCode", wallet, _SIGNED)
    data = relay(
        desk.terms(escrow),
        act=act,
        signers=Signers.BOTH,
        deadline=chain.now + 3_600,
        buyer_signature=b"\x01" * 65,
        seller_signature=b"\x01" * 65,
    )
    return chain.send(desk.engine.network.escrow_contract, data)


def pay_many(desk: Desk, *transfers: tuple[str, int]) -> str:
    """One transaction that makes several token transfers, as an exchange's batch withdrawal does.

    The bytes are the init code of a contract that makes the transfers while it is created.
    """
    token = desk.token.address
    code = b"".join(_call(token, erc20_transfer(to, units)) for to, units in transfers) + b"\x00"
    salt = keccak(code)
    payer = create2_address(KEYLESS_DEPLOYER, salt, keccak(code))
    total = sum(units for _, units in transfers)
    desk.engine.chain.send(token, test_token_mint(payer, total))
    desk.engine.chain.mine()
    return desk.engine.chain.send(KEYLESS_DEPLOYER, salt + code)


def _call(target: str, data: bytes) -> bytes:
    """EVM code: put `data` into memory, call `target` with it, drop the answer."""
    words = [data[at : at + 32].ljust(32, b"\0") for at in range(0, len(data), 32)]
    stores = b"".join(
        b"\x7f" + word + b"\x61" + (32 * n).to_bytes(2, "big") + b"\x52" for n, word in enumerate(words)
    )
    call = b"\x60\x00\x60\x00\x61" + len(data).to_bytes(2, "big") + b"\x60\x00\x60\x00\x73"
    return stores + call + bytes.fromhex(target[2:]) + b"\x5a\xf1\x50"


def token_owner(desk: Desk, name: str, *arguments: object, token: str = "") -> None:
    """The token's owner does something (`addBlackList`, `pause`), mined at once."""
    desk.engine.chain.send(token or desk.token.address, abi.encode_call("TestUSDT", name, list(arguments)))
    desk.engine.chain.mine()


_PLAIN_CODE = "0x00000000000000000000000000000000000C0DE5"


def refuse_recipient(desk: Desk, address: str | None) -> None:
    """The token of this desk refuses an address; see `refuse_on`."""
    refuse_on(desk.engine.chain, desk.token.address, address)
    desk.engine.chain.mine()


def refuse_on(chain: Anvil, token: str, address: str | None) -> None:
    """The token reverts every transfer to `address` from now on; None: it pays everybody again.

    Its own code moves to another address, and what stands in its place asks it, but for that transfer.
    """
    kept = chain.rpc("eth_getCode", _PLAIN_CODE, "latest")
    if kept == "0x":
        kept = chain.rpc("eth_getCode", token, "latest")
        chain.rpc("anvil_setCode", _PLAIN_CODE, kept)
    chain.rpc("anvil_setCode", token, "0x" + _refusing(address).hex() if address else kept)


def _refusing(address: str) -> bytes:
    recipient, code = address[2:].lower(), _PLAIN_CODE[2:].lower()
    before = f"60003560e01c63a9059cbb1460043573{recipient}1416"  # transfer, and to that recipient
    forward = f"3660006000376000600036600073{code}5af43d600060003e"  # delegatecall with the same data
    at = len(before) // 2 + 3 + len(forward) // 2
    fine, refused = at + 7, at + 7 + 5
    tail = f"60{fine:02x}573d6000fd5b3d6000f35b60006000fd"
    return bytes.fromhex(f"{before}60{refused:02x}57{forward}{tail}")
