"""`python -m contracts.gas` measures what every path costs, prints it beside targets and others, says what
changed since `gas.json` was written, and writes that file and the tables of the README. When a path costs
over 1 % more than before it fails and writes nothing, unless `--accept` is given.

gasUsed from receipts on a throw-away chain: test USDT (within 1 % of mainnet's), 250 USDT, no fee, the seller
holds none before, the buyer keeps some. Keys that begin with a deposit include the payer's transfer.
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from contracts import abi, calls, gas_report, gate, rulings, views
from contracts.artifacts import ESCROW_ADDRESS, TEST_USDT_ADDRESS
from contracts.devchain import CHAIN_ID, GAS_LIMIT, DevChain, devchain
from contracts.gas_report import ANCHORS, TARGETS
from contracts.terms import DAY, ZERO_ADDRESS, Terms, arbiters_hash

GAS_FILE = Path(__file__).resolve().parent / "gas.json"
README = GAS_FILE.with_name("README.md")
BEGIN, END = "<!-- written by `make gas` -->", "<!-- until here -->"
AMOUNT = 250_000_000
BATCH = 20
BATCH_GAS_LIMIT = 10_000_000
SECOND_KEY = keccak(text="the second key of the bench")

_FIRST_DAY = 2_000_000_000
_PATH_LENGTH = 100_000_000
"""Every path starts at a fixed instant of its own: the zero bytes of an instant make calldata cheaper."""


class Failed(RuntimeError):
    """A transaction of a measured path reverted."""


@dataclass(frozen=True, slots=True)
class Seat:
    """One arbiter's key, made for measuring."""

    key: bytes
    address: str


class Bench:
    """Builds escrows and adds up what their transactions cost."""

    def __init__(self, chain: DevChain) -> None:
        self.chain = chain
        self.stranger = chain.accounts[1]
        self.operator = chain.accounts[2]
        self.buyer_key = keccak(text="the buyer of the bench")
        self.buyer: str = Account.from_key(self.buyer_key).address
        self.seats = sorted((_seat(n) for n in range(3)), key=lambda seat: int(seat.address, 16))
        self._numbers = count(1)
        self.now = _FIRST_DAY
        grant = gate.Grant(key=self.operator, token=TEST_USDT_ADDRESS, per_escrow=10**10, per_day=10**13)
        second = gate.Grant(key=Account.from_key(SECOND_KEY).address)
        deployment = gate.deploy(cold=chain.accounts[3], grants=[grant, second])
        self.gate = deployment.address
        chain.deploy(deployment)
        chain.rpc("anvil_impersonateAccount", self.buyer)
        chain.rpc("anvil_setBalance", self.buyer, hex(10**20))
        chain.mint(self.buyer, 10**15)

    def begin(self) -> None:
        """Moves on to the next path's instant."""
        self.now += _PATH_LENGTH
        self.chain.travel(self.now)

    def terms(self, **changes: Any) -> Terms:
        """Fresh terms: a seller that was never seen, clocks from the start of the path."""
        number = next(self._numbers)
        now = self.now
        values: dict[str, Any] = {
            "home_chain_id": CHAIN_ID,
            "token": TEST_USDT_ADDRESS,
            "amount": AMOUNT,
            "buyer": self.buyer,
            "seller": Account.from_key(keccak(text=f"seller {number}")).address,
            "operator": self.operator,
            "fee_recipient": ZERO_ADDRESS,
            "fee_bps": 0,
            "fund_by": now + DAY,
            "deliver_by": now + 20 * DAY,
            "inspection": 14 * DAY,
            "arbitration": 120 * DAY,
            "fallback_seller_bps": 5_000,
            "arbiters": arbiters_hash([seat.address for seat in self.seats], 2),
            "deal_hash": keccak(text=f"deal {number}"),
        }
        return Terms(**(values | changes))

    def fund(self, terms: Terms) -> int:
        """The payer's plain transfer."""
        return self.token(calls.erc20_transfer(terms.vault_address(), terms.amount))

    def token(self, data: bytes) -> int:
        """A call of the token by the buyer."""
        return self.cost(self.buyer, TEST_USDT_ADDRESS, data)

    def act(self, data: bytes, sender: str | None = None) -> int:
        """A call of the escrow contract, by the operator unless another is named."""
        return self.cost(sender or self.operator, ESCROW_ADDRESS, data)

    def through_gate(self, data: bytes, *, gas: int = GAS_LIMIT) -> int:
        """A call of the gate by its hot key."""
        return self.cost(self.operator, self.gate, data, gas)

    def settled(self, terms: Terms) -> bool:
        """Whether the escrow is over."""
        return views.decode_state(self.chain.call(ESCROW_ADDRESS, views.state_of(terms)))[1]

    def ruling(self, terms: Terms, *, to_seller: int) -> bytes:
        """A ruling that two of the three seats signed."""
        parts: dict[str, Any] = {
            "to_seller": to_seller,
            "to_buyer": terms.amount - to_seller,
            "ruling_hash": keccak(text="reasons"),
            "round": 1,
            "not_before": self.now,
            "deadline": self.now + 30 * DAY,
        }
        digest = rulings.ruling_digest(terms, **parts)
        given = {seat.address: sign(seat.key, digest) for seat in self.seats[:2]}
        signers, signatures = rulings.sort_signatures([seat.address for seat in self.seats], 2, given)
        return calls.rule(terms, **parts, signers=signers, threshold=2, signatures=signatures)

    def cost(self, sender: str, to: str, data: bytes, gas: int = GAS_LIMIT) -> int:
        """Sends a call; the gas that its receipt tells. Raises Failed."""
        receipt = self.chain.send(sender, to, data, gas=gas)
        if not receipt.ok:
            raise Failed(f"call {data[:4].hex()} to {to} reverted")
        return receipt.gas


def sign(key: bytes, digest: bytes) -> bytes:
    """65 bytes r, s, v over a digest."""
    return bytes(Account.unsafe_sign_hash(digest, key).signature)


def happy(bench: Bench) -> int:
    """Deposit, then release by the operator."""
    terms = bench.terms()
    return bench.fund(terms) + bench.act(_release(terms))


def happy_gate(bench: Bench) -> int:
    """Deposit, then release by a hot key of the gate."""
    terms = bench.terms(operator=bench.gate)
    return bench.fund(terms) + bench.through_gate(_release(terms))


def batch20(bench: Bench) -> int:
    """Twenty deposits, released together through the gate; sellers who hold none. Each, rounded up."""
    return _together(bench, [bench.terms(operator=bench.gate) for _ in range(BATCH)])


def batch20_warm(bench: Bench) -> int:
    """Twenty escrows of one seller, who holds USDT already."""
    seller = _fresh("a busy seller")
    bench.chain.mint(seller, 1)
    return _together(bench, [bench.terms(operator=bench.gate, seller=seller) for _ in range(BATCH)])


def batch20_holders(bench: Bench) -> int:
    """Twenty different sellers who hold USDT already: 17,100 gas each below `batch20`, which is what the EVM
    charges less for a balance that is not zero."""
    many = [bench.terms(operator=bench.gate) for _ in range(BATCH)]
    for terms in many:
        bench.chain.mint(terms.seller, 1)
    return _together(bench, many)


def delivered(bench: Bench) -> int:
    """Deposit, mark, release."""
    terms = bench.terms()
    return bench.fund(terms) + bench.act(calls.mark_delivered(terms)) + bench.act(_release(terms))


def raise_alone(bench: Bench) -> int:
    """Opening a dispute, alone."""
    terms = bench.terms()
    bench.fund(terms)
    return bench.act(_dispute(terms))


def dispute(bench: Bench) -> int:
    """Deposit, dispute, 2 of 3 rule all to the buyer."""
    return _ruled(bench, to_seller=0)


def split(bench: Bench) -> int:
    """Deposit, dispute, 2 of 3 rule half and half."""
    return _ruled(bench, to_seller=AMOUNT // 2)


def timeout_buyer(bench: Bench) -> int:
    """Deposit, deliver-by passes, anyone claims for the buyer."""
    terms = bench.terms()
    spent = bench.fund(terms)
    bench.chain.travel(terms.deliver_by + 1)
    return spent + bench.act(calls.claim_undelivered(terms), bench.stranger)


def timeout_seller(bench: Bench) -> int:
    """Deposit, mark, the inspection passes, anyone claims for the seller."""
    terms = bench.terms()
    spent = bench.fund(terms) + bench.act(calls.mark_delivered(terms))
    bench.chain.travel(bench.now + terms.inspection + DAY)
    return spent + bench.act(calls.claim_delivered(terms), bench.stranger)


def settle(bench: Bench) -> int:
    """Deposit, then half and half by two signatures."""
    seller_key = keccak(text="the seller who signs")
    terms = bench.terms(seller=Account.from_key(seller_key).address)
    half = terms.amount // 2
    deadline = bench.now + DAY
    digest = rulings.settlement_digest(
        terms, to_seller=half, to_buyer=half, left=terms.amount, seq=0, deadline=deadline
    )
    data = calls.settle(
        terms,
        to_seller=half,
        to_buyer=half,
        deadline=deadline,
        buyer_signature=sign(bench.buyer_key, digest),
        seller_signature=sign(seller_key, digest),
    )
    return bench.fund(terms) + bench.act(data, bench.stranger)


def rescue(bench: Bench) -> int:
    """A deposit that came after settlement goes back to the buyer; the rescue alone."""
    terms = bench.terms()
    bench.fund(terms)
    bench.act(_release(terms))
    bench.fund(terms)
    return bench.act(calls.rescue(terms, token=TEST_USDT_ADDRESS), bench.stranger)


def token_transfer_empty(bench: Bench) -> int:
    """A plain transfer to somebody who holds none."""
    return bench.token(calls.erc20_transfer(_fresh("empty"), AMOUNT))


def token_transfer_holder(bench: Bench) -> int:
    """A plain transfer to a holder."""
    bench.token(calls.erc20_transfer(_fresh("holder"), AMOUNT))
    return bench.token(calls.erc20_transfer(_fresh("holder"), AMOUNT))


def token_approve(bench: Bench) -> int:
    """A first approval."""
    return bench.token(calls.erc20_approve(_fresh("spender"), AMOUNT))


def token_transfer_from(bench: Bench) -> int:
    """All that was approved, to somebody who holds none."""
    spender = bench.chain.accounts[4]
    bench.token(calls.erc20_approve(spender, AMOUNT))
    to = _fresh("from another")
    return bench.cost(
        spender, TEST_USDT_ADDRESS, abi.encode_call("TestUSDT", "transferFrom", [bench.buyer, to, AMOUNT])
    )


def floor(bench: Bench) -> int:
    """What moving money through a fresh address costs at least: two plain transfers."""
    through = _fresh("through")
    bench.chain.rpc("anvil_impersonateAccount", through)
    bench.chain.rpc("anvil_setBalance", through, hex(10**20))
    there = bench.token(calls.erc20_transfer(through, AMOUNT))
    return there + bench.cost(through, TEST_USDT_ADDRESS, calls.erc20_transfer(_fresh("the end"), AMOUNT))


PATHS: dict[str, Callable[[Bench], int]] = {
    "happy": happy,
    "happy_gate": happy_gate,
    "delivered": delivered,
    "batch20": batch20,
    "batch20_warm": batch20_warm,
    "batch20_holders": batch20_holders,
    "raise": raise_alone,
    "dispute": dispute,
    "split": split,
    "timeout_buyer": timeout_buyer,
    "timeout_seller": timeout_seller,
    "settle": settle,
    "rescue": rescue,
    "floor": floor,
    "token_transfer_empty": token_transfer_empty,
    "token_transfer_holder": token_transfer_holder,
    "token_approve": token_approve,
    "token_transfer_from": token_transfer_from,
}
"""How each key is measured."""


def measure() -> dict[str, dict[str, int | None]]:
    """Measures every path on a chain of its own. Raises Failed when one reverts."""
    with devchain() as chain:
        bench = Bench(chain)
        return {key: _row(key, _measured(bench, path)) for key, path in PATHS.items()}


def committed() -> dict[str, dict[str, int | None]]:
    """What was measured when `gas.json` was written."""
    rows: dict[str, dict[str, int | None]] = json.loads(GAS_FILE.read_text())
    return rows


def with_table(readme: str, rows: dict[str, dict[str, int | None]]) -> str:
    """The README with its tables renewed. Raises ValueError when it has no place for them."""
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{gas_report.report(rows)}\n\n{END}{after}"


def _measured(bench: Bench, path: Callable[[Bench], int]) -> int:
    bench.begin()
    return path(bench)


def _row(key: str, gas: int | None) -> dict[str, int | None]:
    if key in ANCHORS:
        return {"gas": gas, "anchor": ANCHORS[key]}
    return {"gas": gas, "target": TARGETS.get(key)}


def _together(bench: Bench, many: list[Terms]) -> int:
    spent = sum(bench.fund(terms) for terms in many)
    spent += bench.through_gate(gate.release_batch(many), gas=BATCH_GAS_LIMIT)
    if failed := sum(not bench.settled(terms) for terms in many):
        raise Failed(f"{failed} items of the batch failed")
    return -(-spent // BATCH)


def _ruled(bench: Bench, *, to_seller: int) -> int:
    terms = bench.terms()
    spent = bench.fund(terms) + bench.act(_dispute(terms))
    return spent + bench.act(bench.ruling(terms, to_seller=to_seller), bench.stranger)


def _release(terms: Terms) -> bytes:
    return calls.pay(terms, to_seller=terms.amount, to_buyer=0, left=terms.amount)


def _dispute(terms: Terms) -> bytes:
    return calls.dispute(terms, side=calls.Side.BUYER, evidence_hash=keccak(text="evidence"))


def _seat(number: int) -> Seat:
    key = keccak(text=f"seat {number}")
    return Seat(key, Account.from_key(key).address)


def _fresh(name: str) -> str:
    return to_checksum_address(keccak(text=name)[12:])


def main(arguments: Sequence[str]) -> None:
    """Prints the tables and what changed; writes both files unless something got worse."""
    rows, before = measure(), committed()
    print(gas_report.report(rows))
    for line in gas_report.changes(before, rows) or ["nothing changed"]:
        print(line)
    for key in gas_report.over(rows):
        print(f"OVER its target: {key}")
    worse = gas_report.regressions(before, rows)
    if worse and "--accept" not in arguments:
        sys.exit(f"more than 1 % above {GAS_FILE.name}: {', '.join(worse)}; --accept writes it all the same")
    GAS_FILE.write_text(json.dumps(rows, indent=1) + "\n")
    README.write_text(with_table(README.read_text(), rows))
    if far := gas_report.far(rows):
        sys.exit(f"the test token is more than 1 % off mainnet's: {', '.join(far)}")


if __name__ == "__main__":
    main(sys.argv[1:])
