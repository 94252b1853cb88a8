"""One real escrow on a throw-away chain, driven by the same words as the model of `model.py`."""

import json
import subprocess
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from eth_abi.abi import encode
from eth_account import Account
from eth_utils.crypto import keccak

from contracts import calls, forge, lens, rulings, views
from contracts.artifacts import ESCROW_ADDRESS, LENS_ADDRESS, TEST_USDT_ADDRESS
from contracts.calls import Act, LegKind, Side, Signers, relayed
from contracts.devchain import CHAIN_ID, DevChain, RpcError
from contracts.gas import sign
from contracts.terms import ZERO_ADDRESS, Terms, arbiters_hash
from tests.contracts.model import Deal

SOURCE = Path(__file__).with_name("DenyList.sol")
KEYS = {name: keccak(text=f"the twin's {name}") for name in ("buyer", "seller", "a", "b", "c")}
ADDRESSES: dict[str, str] = {name: Account.from_key(key).address for name, key in KEYS.items()}
SEATS = sorted(("a", "b", "c"), key=lambda name: int(ADDRESSES[name], 16))
FEE_RECIPIENT = "0x" + "fe" * 20
FUNCTIONS = {"mark": "mark_delivered", "reopen": "reopen_delivery", "withdraw": "withdraw_dispute"}
SIGNERS = {"buyer": Signers.BUYER, "seller": Signers.SELLER, "both": Signers.BOTH}
LEGS = {"seller": LegKind.RELEASE, "buyer": LegKind.REFUND, "fee": LegKind.FEE}
HOLDERS = ("vault", "buyer", "seller", "fee")
EVIDENCE = keccak(text="evidence")


@cache
def deny_list_code() -> bytes:
    """A token that refuses receivers, compiled here and now."""
    asked = {
        "language": "Solidity",
        "sources": {SOURCE.name: {"content": SOURCE.read_text()}},
        "settings": {"outputSelection": {SOURCE.name: {"DenyList": ["evm.bytecode.object"]}}},
    }
    done = subprocess.run(
        [str(forge.ROOT / "contracts" / "solc.js"), "--standard-json"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
    )
    compiled = json.loads(done.stdout)["contracts"][SOURCE.name]["DenyList"]
    return bytes.fromhex(compiled["evm"]["bytecode"]["object"])


def token_call(signature: str, *arguments: Any) -> bytes:
    """Calldata of a token's function that the committed ABI does not know."""
    kinds = signature[signature.index("(") + 1 : -1]
    return keccak(text=signature)[:4] + encode(kinds.split(",") if kinds else [], arguments)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the chain says of the escrow now."""

    view: lens.View
    held: dict[str, int]
    other: int


class World:
    """A chain with two tokens and the cast; one per test process."""

    def __init__(self, chain: DevChain) -> None:
        self.chain = chain
        self.owner, self.stranger, self.operator = chain.accounts[:3]
        for name in ("buyer", "seller"):
            chain.rpc("anvil_impersonateAccount", ADDRESSES[name])
            chain.rpc("anvil_setBalance", ADDRESSES[name], hex(10**24))
        host = urlsplit(chain.url)
        self._line = HTTPConnection(host.hostname or "", host.port)
        transaction = {"from": self.owner, "data": "0x" + deny_list_code().hex(), "gas": hex(5_000_000)}
        self.deny_list: str = self._ask([("eth_sendTransactionSync", [transaction])])[0]["contractAddress"]

    def close(self) -> None:
        """Hangs up."""
        self._line.close()

    def address(self, who: str) -> str:
        """Where a role's own calls come from."""
        return {"operator": self.operator, "stranger": self.stranger}.get(who) or ADDRESSES[who]

    def send(self, sender: str, to: str, data: bytes, instant: int) -> bool:
        """One transaction in a block of its own at that very instant; whether it was done."""
        self._ask([("evm_setNextBlockTimestamp", [instant])])
        transaction = {"from": sender, "to": to, "data": "0x" + data.hex(), "gas": hex(3_000_000)}
        (receipt,) = self._ask([("eth_sendTransactionSync", [transaction])])
        return bool(receipt["status"] == "0x1")

    def read(self, *questions: tuple[str, bytes]) -> list[bytes]:
        """Answers to many calls that write nothing."""
        transactions = [{"to": to, "data": "0x" + data.hex()} for to, data in questions]
        answers = self._ask([("eth_call", [transaction, "latest"]) for transaction in transactions])
        return [bytes.fromhex(answer[2:]) for answer in answers]

    def _ask(self, questions: list[tuple[str, list[Any]]]) -> list[Any]:
        """One line that stays open: thousands of steps would otherwise wait for connections."""
        body = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": parameters}
            for number, (method, parameters) in enumerate(questions)
        ]
        self._line.request("POST", "/", json.dumps(body), {"Content-Type": "application/json"})
        answers = sorted(json.load(self._line.getresponse()), key=lambda answer: int(answer["id"]))
        if wrong := [answer["error"] for answer in answers if "error" in answer]:
            raise RpcError(wrong[0])
        return [answer["result"] for answer in answers]


class Twin:
    """The escrow on the chain."""

    def __init__(self, world: World, deal: Deal, *, denies: bool, number: int, now: int) -> None:
        self.world = world
        self.token, self.other = (
            (world.deny_list, TEST_USDT_ADDRESS) if denies else (TEST_USDT_ADDRESS, world.deny_list)
        )
        self.terms = Terms(
            home_chain_id=CHAIN_ID,
            token=self.token,
            amount=deal.amount,
            buyer=ADDRESSES["buyer"],
            seller=ADDRESSES["seller"],
            operator=world.operator if deal.operator else ZERO_ADDRESS,
            fee_recipient=FEE_RECIPIENT,
            fee_bps=deal.fee_bps,
            fund_by=deal.fund_by,
            deliver_by=deal.deliver_by,
            inspection=deal.inspection,
            arbitration=deal.arbitration,
            fallback_seller_bps=deal.fallback_bps,
            arbiters=arbiters_hash([ADDRESSES[name] for name in SEATS], 2),
            deal_hash=keccak(text=f"deal {number}"),
        )
        self.terms.check()
        self.vault = self.terms.vault_address()
        self.now = now
        self.started: dict[str, int] = {}
        self.started = self._held()

    # ---- the world around it ----------------------------------------------------------------------------

    def mint(self, to: str, amount: int, *, other: bool = False) -> None:
        """Money out of nowhere: what counts is that it is there."""
        token = self.other if other else self.token
        assert self.world.send(self.world.owner, token, calls.test_token_mint(to, amount), self.now)

    def token_does(self, signature: str, *arguments: Any) -> None:
        """The token's owner does what such owners can."""
        assert self.world.send(self.world.owner, self.token, token_call(signature, *arguments), self.now)

    # ---- actions ----------------------------------------------------------------------------------------

    def do(self, sender: str, data: bytes) -> bool:
        return self.world.send(self.world.address(sender), ESCROW_ADDRESS, data, self.now)

    def act(self, action: str, by: str, **how: Any) -> bool:
        """What a role does by a call of its own."""
        return self.do(by, self._calldata(action, **how))

    def relay(
        self, action: str, by: str, *, left: int, seq: int, deadline: int, forged: bool, **how: Any
    ) -> bool:
        """What a party signed, or both, submitted by a stranger; `forged`: the other one's key signed."""
        act = self._signed_act(action, **how)
        digest = rulings.act_digest(self.terms, act, left=left, seq=seq, deadline=deadline)
        data = calls.relay(
            self.terms,
            act=act,
            signers=SIGNERS[by],
            deadline=deadline,
            buyer_signature=sign(KEYS["seller" if forged else "buyer"], digest),
            seller_signature=sign(KEYS["buyer" if forged else "seller"], digest),
        )
        return self.do("stranger", data)

    def rule(self, *, seats: int, **how: Any) -> bool:
        """What so many of three seats signed, submitted by a stranger."""
        parts = {"ruling_hash": keccak(text="reasons"), **how}
        digest = rulings.ruling_digest(self.terms, **parts)
        given = {ADDRESSES[name]: sign(KEYS[name], digest) for name in SEATS[:seats]}
        addresses = [ADDRESSES[name] for name in SEATS]
        signers, signatures = rulings.sort_signatures(addresses, 2, given)
        return self.do(
            "stranger",
            calls.rule(self.terms, **parts, signers=signers, threshold=2, signatures=signatures),
        )

    def settle(self, *, left: int, seq: int, forged: bool, **how: int) -> bool:
        """What both parties signed, submitted by a stranger."""
        digest = rulings.settlement_digest(self.terms, left=left, seq=seq, **how)
        buyer, seller = (sign(KEYS[name], digest) for name in ("buyer", "buyer" if forged else "seller"))
        return self.do(
            "stranger", calls.settle(self.terms, **how, buyer_signature=buyer, seller_signature=seller)
        )

    def anyone(self, action: str, **how: Any) -> bool:
        """What anyone can do, done by a stranger."""
        return self.do("stranger", self._calldata(action, **how))

    def _calldata(self, action: str, **how: Any) -> bytes:
        """Of a call; arguments are named as the model names them."""
        arguments = self._arguments(how)
        if action == "dispute":
            arguments["evidence_hash"] = EVIDENCE
        made: bytes = getattr(calls, FUNCTIONS.get(action, action))(self.terms, **arguments)
        return made

    def _signed_act(self, action: str, **how: Any) -> Act:
        arguments = self._arguments(how)
        if action == "dispute":
            arguments["evidence_hash"] = EVIDENCE
        made: Act = getattr(relayed, FUNCTIONS.get(action, action))(**arguments)
        return made

    def _arguments(self, how: dict[str, Any]) -> dict[str, Any]:
        given = dict(how)
        if "side" in given:
            given["side"] = Side[given["side"].upper()]
        if "leg" in given:
            given["kind"] = LEGS[given.pop("leg")]
        if "what" in given:
            given["token"] = self._rescued(given.pop("what"))
        return given

    def _rescued(self, what: str) -> str:
        return {"own": self.token, "other": self.other, "coins": calls.NATIVE}[what]

    # ---- what is there ----------------------------------------------------------------------------------

    def look(self) -> Seen:
        """Everything in one question to the node; balances are what came since this escrow began."""
        seen, *amounts = self.world.read(
            (LENS_ADDRESS, lens.look([self.terms])),
            (self.other, views.balance_of(self.vault)),
            *self._balances(),
        )
        other, *held = map(views.decode_int, amounts)
        since = {name: held[i] - self.started.get(name, 0) for i, name in enumerate(HOLDERS)}
        (view,) = lens.decode_look(seen)
        return Seen(view=view, held=since, other=other)

    def _held(self) -> dict[str, int]:
        answers = self.world.read(*self._balances())
        return dict(zip(HOLDERS, map(views.decode_int, answers), strict=True))

    def _balances(self) -> list[tuple[str, bytes]]:
        holders = (self.vault, ADDRESSES["buyer"], ADDRESSES["seller"], FEE_RECIPIENT)
        return [(self.token, views.balance_of(holder)) for holder in holders]
