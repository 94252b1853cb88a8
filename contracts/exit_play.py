"""`python -m contracts.exit_play`: a buyer and a seller take their money out with the platform switched off.

On a bare chain that has the contracts and nothing else. The parties have the terms file that they downloaded,
a key each, and `cast`; the operator and the seats are silent. Every command is one of `COMMANDS`, and the
README shows the same. Ends non-zero when a step fails or the money is not where it belongs.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_utils.crypto import keccak

from contracts import abi, calls, forge, views
from contracts.artifacts import ESCROW_ADDRESS, TEST_USDT_ADDRESS
from contracts.devchain import CHAIN_ID, DevChain, devchain
from contracts.terms import DAY, Terms, arbiters_hash

AMOUNT = 250_000_000
OTHER_CHAIN = CHAIN_ID + 1
OPERATOR, FEE_RECIPIENT = "0x" + "09" * 20, "0x" + "fe" * 20
SEATS = ["0x" + digit * 40 for digit in "345"]
SETTLEMENT = """cat > message.json <<END
{"primaryType": "Settlement",
 "domain": {"name": "Holdfast Escrow", "version": "1", "chainId": $HOME_CHAIN,
  "verifyingContract": "$ESCROW"},
 "types": {
  "EIP712Domain": [{"name": "name", "type": "string"}, {"name": "version", "type": "string"},
                   {"name": "chainId", "type": "uint256"}, {"name": "verifyingContract", "type": "address"}],
  "Settlement": [{"name": "id", "type": "bytes32"}, {"name": "toSeller", "type": "uint256"},
                 {"name": "toBuyer", "type": "uint256"}, {"name": "left", "type": "uint256"},
                 {"name": "seq", "type": "uint256"}, {"name": "deadline", "type": "uint256"}]},
 "message": {"id": "$ID", "toSeller": "$TO_SELLER", "toBuyer": "$TO_BUYER",
             "left": "$LEFT", "seq": "$SEQ", "deadline": "$DEADLINE"}}
END"""
RECOVERY = """cat > message.json <<END
{"primaryType": "Act",
 "domain": {"name": "Holdfast Escrow", "version": "1", "chainId": $HERE,
  "verifyingContract": "$ESCROW"},
 "types": {
  "EIP712Domain": [{"name": "name", "type": "string"}, {"name": "version", "type": "string"},
                   {"name": "chainId", "type": "uint256"}, {"name": "verifyingContract", "type": "address"}],
  "Act": [{"name": "id", "type": "bytes32"}, {"name": "action", "type": "string"},
          {"name": "first", "type": "uint256"}, {"name": "second", "type": "uint256"},
          {"name": "left", "type": "uint256"}, {"name": "seq", "type": "uint256"},
          {"name": "deadline", "type": "uint256"}]},
 "message": {"id": "$ID", "action": "rescue", "first": "$(cast to-dec $TOKEN)", "second": "0",
             "left": "0", "seq": "0", "deadline": "$DEADLINE"}}
END"""

COMMANDS = {
    "read the file": "python -m contracts.exit terms.json",
    "same id": 'cast call $ESCROW "idOf($TERMS)(bytes32)" "$T"',
    "same address": 'cast call $ESCROW "vaultOf(bytes32)(address)" $ID',
    "state": 'cast call $ESCROW "stateOf($TERMS)" "$T"',
    "left": "cast to-dec 0x${STATE:42:24}",
    "seq": "cast to-dec 0x${STATE:8:6}",
    "pay": 'cast send $ESCROW "pay($TERMS,uint256,uint256,uint256)" "$T" $TO_SELLER $TO_BUYER $LEFT '
    "--private-key $KEY",
    "markDelivered": 'cast send $ESCROW "markDelivered($TERMS)" "$T" --private-key $KEY',
    "dispute": 'cast send $ESCROW "dispute($TERMS,uint8,bytes32)" "$T" $SIDE $EVIDENCE --private-key $KEY',
    "claimUndelivered": 'cast send $ESCROW "claimUndelivered($TERMS)" "$T" --private-key $KEY',
    "claimUnfunded": 'cast send $ESCROW "claimUnfunded($TERMS)" "$T" --private-key $KEY',
    "claimDelivered": 'cast send $ESCROW "claimDelivered($TERMS)" "$T" --private-key $KEY',
    "claimFallback": 'cast send $ESCROW "claimFallback($TERMS)" "$T" --private-key $KEY',
    "owed": 'cast call $ESCROW "owed(bytes32,uint8)(uint256)" $ID $LEG',
    "payLeg": 'cast send $ESCROW "payLeg($TERMS,uint8)" "$T" $LEG --private-key $KEY',
    "rescue": 'cast send $ESCROW "rescue($TERMS,address)" "$T" $TOKEN --private-key $KEY',
    "settlement": SETTLEMENT,
    "sign": "cast wallet sign --data --from-file message.json --private-key $KEY",
    "settle": 'cast send $ESCROW "settle($TERMS,(uint256,uint256,uint256),bytes,bytes)" "$T" '
    '"($TO_SELLER,$TO_BUYER,$DEADLINE)" $BUYER_SIGNED $SELLER_SIGNED --private-key $KEY',
    "recovery": RECOVERY,
    "relay": 'cast send $ESCROW "relay($TERMS,(bytes32,uint256,uint256,uint256,uint256),bytes,bytes)" "$T" '
    '"($(cast keccak rescue),$(cast to-dec $TOKEN),0,$DEADLINE,1)" $BUYER_SIGNED 0x --private-key $KEY',
}
"""Everything that parties type. `KEY` is the private key of whoever acts."""


class Failed(RuntimeError):
    """A step failed, or the money is not where it belongs."""


class Stage:
    """What happened before the platform went silent, and what parties do not decide: time, the token."""

    def __init__(self, chain: DevChain, number: int = 0) -> None:
        self.chain = chain
        self.number = number
        self.keys = {who: keccak(text=f"{who} of the exit {number}") for who in ("buyer", "seller")}
        self.addresses = {who: Account.from_key(key).address for who, key in self.keys.items()}
        for address in self.addresses.values():
            chain.rpc("anvil_setBalance", address, hex(10**18))
        now = chain.now()
        self.terms = Terms(
            home_chain_id=CHAIN_ID,
            token=TEST_USDT_ADDRESS,
            amount=AMOUNT,
            buyer=self.addresses["buyer"],
            seller=self.addresses["seller"],
            operator=OPERATOR,
            fee_recipient=FEE_RECIPIENT,
            fee_bps=100,
            fund_by=now + DAY,
            deliver_by=now + 20 * DAY,
            inspection=14 * DAY,
            arbitration=120 * DAY,
            fallback_seller_bps=4_000,
            arbiters=arbiters_hash(SEATS, 2),
            deal_hash=keccak(text=f"the deal of the exit {number}"),
        )

    def file(self) -> dict[str, Any]:
        """The terms file, as both parties downloaded it."""
        return {
            "escrow_contract": ESCROW_ADDRESS,
            "chain_id": self.terms.home_chain_id,
            "chain_id_hash": self.terms.escrow_id,
            "vault_address": self.terms.vault_address(),
            "terms": self.terms.to_json(),
            "arbiters": SEATS,
            "arbiters_threshold": 2,
        }

    def deposit(self, amount: int = AMOUNT) -> None:
        """A plain transfer to the deposit address, by whoever paid."""
        payer = self.chain.accounts[0]
        self.chain.mint(payer, amount)
        self._done(payer, calls.erc20_transfer(self.terms.vault_address(), amount))

    def token_is(self, switch: str) -> None:
        """The token's owner pauses or unpauses it."""
        self._done(self.chain.accounts[0], abi.encode_call("TestUSDT", switch, []))

    def later(self, instant: int) -> None:
        """Time passes, up to a second after that instant."""
        self.chain.travel(instant + 1)

    def holds(self, who: str) -> int:
        """A party's balance, base units."""
        answer = self.chain.call(TEST_USDT_ADDRESS, views.balance_of(self.addresses[who]))
        return views.decode_int(answer)

    def _done(self, sender: str, data: bytes) -> None:
        if not self.chain.send(sender, TEST_USDT_ADDRESS, data).ok:
            raise Failed("the token refused what the stage asked of it")


class Desk:
    """Where a party sits: a shell with `cast`, the terms file and a key, and nothing else."""

    def __init__(self, stage: Stage, folder: Path, say: Callable[[str], None]) -> None:
        self.stage, self.folder, self.say = stage, folder, say
        (folder / "terms.json").write_text(json.dumps(stage.file()))
        tools = f"{forge.native('cast').parent}:{Path(sys.executable).parent}"
        self.variables = {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "PYTHONPATH": str(forge.ROOT),
            "ETH_RPC_URL": stage.chain.url,
        }
        lines = self._run("export $({})", "read the file").splitlines()
        self.variables |= dict(line.split("=", 1) for line in lines)
        self._expect(self._run("{}", "same id"), self.variables["ID"])
        self._expect(self._run("{}", "same address"), self.variables["VAULT"])

    def knows(self, **variables: Any) -> None:
        """What the party decided, as variables of its shell."""
        for name, value in variables.items():
            self.say(f"$ {name}={value}")
            self.variables[name] = str(value)

    def reads(self, name: str, command: str) -> str:
        """Keeps what a command answers in a variable."""
        self.variables[name] = self._run(f"{name}=$({{}})", command)
        return self.variables[name]

    def signs(self, who: str, message: str) -> None:
        """A party signs the message with its own key."""
        self._as(who)
        self._run("{}", message)
        self.reads(f"{who.upper()}_SIGNED", "sign")

    def sends(self, who: str, command: str) -> None:
        """A party sends a transaction; the hash and what moved is told."""
        self._as(who)
        before = {party: self.stage.holds(party) for party in ("buyer", "seller")}
        answer = self._run("{}", command)
        mined = re.search(r"^transactionHash\s+(0x[0-9a-f]{64})", answer, re.M)
        if mined is None or not re.search(r"^status\s+1 ", answer, re.M):
            raise Failed(f"{command} was not done:\n{answer}")
        moved = [(party, self.stage.holds(party) - held) for party, held in before.items()]
        told = ", ".join(f"{party} +{amount / 10**6:.6f} USDT" for party, amount in moved if amount)
        self.say(f"  {mined.group(1)}  {told or 'nothing moved'}")

    def _as(self, who: str) -> None:
        self.say(f"# the {who}")
        self.variables["KEY"] = "0x" + self.stage.keys[who].hex()

    def _run(self, form: str, name: str) -> str:
        command = COMMANDS[name]
        self.say("$ " + form.replace("{}", command))
        done = subprocess.run(
            ["bash", "-euc", command],
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Failed(f"{name}: {done.stderr or done.stdout}")
        return done.stdout.strip()

    @staticmethod
    def _expect(answer: str, expected: str) -> None:
        if answer.lower() != expected.lower():
            raise Failed(f"the chain says {answer}, the file {expected}")


def undelivered(stage: Stage, desk: Desk) -> None:
    """Nothing was delivered and deliver-by is over: everything to the buyer."""
    stage.deposit()
    stage.later(stage.terms.deliver_by)
    desk.sends("buyer", "claimUndelivered")
    _got(stage, buyer=AMOUNT)


def unfunded(stage: Stage, desk: Desk) -> None:
    """Too little came and fund-by is over: what came to the buyer."""
    stage.deposit(AMOUNT // 2)
    stage.later(stage.terms.fund_by)
    desk.sends("buyer", "claimUnfunded")
    _got(stage, buyer=AMOUNT // 2)


def delivered(stage: Stage, desk: Desk) -> None:
    """The seller marks it delivered, the buyer says nothing and the inspection is over: to the seller."""
    stage.deposit()
    desk.sends("seller", "markDelivered")
    stage.later(stage.chain.now() + stage.terms.inspection)
    desk.sends("seller", "claimDelivered")
    _got(stage, seller=_less_fee(AMOUNT))


def fallback(stage: Stage, desk: Desk) -> None:
    """Disputed, and no ruling came in the arbitration period: the split that the terms named."""
    stage.deposit()
    desk.knows(SIDE=0, EVIDENCE="0x" + keccak(text="photographs").hex())
    desk.sends("buyer", "dispute")
    stage.later(stage.chain.now() + stage.terms.arbitration)
    desk.sends("seller", "claimFallback")
    _got(stage, seller=_less_fee(AMOUNT * 4 // 10), buyer=AMOUNT * 6 // 10)


def settled(stage: Stage, desk: Desk) -> None:
    """Both sign how to divide it, and one of them submits."""
    stage.deposit()
    _looks(desk)
    left = int(desk.variables["LEFT"])
    desk.knows(TO_SELLER=left * 7 // 10, TO_BUYER=left - left * 7 // 10, DEADLINE=stage.chain.now() + DAY)
    desk.signs("buyer", "settlement")
    desk.signs("seller", "settlement")
    desk.sends("seller", "settle")
    _got(stage, seller=_less_fee(left * 7 // 10), buyer=left * 3 // 10)


def paid(stage: Stage, desk: Desk) -> None:
    """The buyer releases a part, the seller gives back the rest."""
    stage.deposit()
    _looks(desk)
    desk.knows(TO_SELLER=AMOUNT * 4 // 5, TO_BUYER=0)
    desk.sends("buyer", "pay")
    _looks(desk)
    desk.knows(TO_SELLER=0, TO_BUYER=AMOUNT // 5)
    desk.sends("seller", "pay")
    _got(stage, seller=_less_fee(AMOUNT * 4 // 5), buyer=AMOUNT // 5)


def blocked(stage: Stage, desk: Desk) -> None:
    """The token is paused when it is claimed: the leg is owed, and paid once the token runs again."""
    stage.deposit()
    stage.later(stage.terms.deliver_by)
    stage.token_is("pause")
    desk.sends("buyer", "claimUndelivered")
    _got(stage)
    desk.knows(LEG=1)
    if not desk.reads("OWED", "owed").startswith(str(AMOUNT)):
        raise Failed("the leg is not owed")
    stage.token_is("unpause")
    desk.sends("buyer", "payLeg")
    _got(stage, buyer=AMOUNT)


def late(stage: Stage, desk: Desk) -> None:
    """Money that comes when everything is over goes back to the buyer."""
    stage.deposit()
    stage.later(stage.terms.deliver_by)
    desk.sends("buyer", "claimUndelivered")
    stage.deposit(7_000_000)
    desk.sends("buyer", "rescue")
    _got(stage, buyer=AMOUNT + 7_000_000)


def elsewhere(stage: Stage, desk: Desk) -> None:
    """The money was sent on another network than the terms name: the buyer recovers it there."""
    stage.deposit()
    desk.sends("buyer", "rescue")
    _got(stage, buyer=AMOUNT)


def elsewhere_without_gas(stage: Stage, desk: Desk) -> None:
    """The same by a buyer who has no coin there: anyone submits what the buyer signed."""
    stage.deposit()
    desk.knows(HERE=OTHER_CHAIN, DEADLINE=stage.chain.now() + DAY)
    stage.chain.rpc("anvil_setBalance", stage.addresses["buyer"], "0x0")
    desk.signs("buyer", "recovery")
    desk.sends("seller", "relay")
    _got(stage, buyer=AMOUNT)


SCENES = (undelivered, unfunded, delivered, fallback, settled, paid, blocked, late)
ELSEWHERE = (elsewhere, elsewhere_without_gas)


def play(say: Callable[[str], None]) -> int:
    """Plays every scene and returns how many. Raises Failed."""
    for chain_id, scenes in ((CHAIN_ID, SCENES), (OTHER_CHAIN, ELSEWHERE)):
        with devchain(chain_id) as chain:
            for number, scene in enumerate(scenes):
                say(f"\n== {' '.join((scene.__doc__ or '').split())} (chain {chain_id})")
                with _at_a_desk(Stage(chain, number), say) as (stage, desk):
                    scene(stage, desk)
    return len(SCENES) + len(ELSEWHERE)


@contextmanager
def _at_a_desk(stage: Stage, say: Callable[[str], None]) -> Iterator[tuple[Stage, Desk]]:
    with tempfile.TemporaryDirectory() as folder:
        yield stage, Desk(stage, Path(folder), say)


def _looks(desk: Desk) -> None:
    """What is left, and how often the escrow changed."""
    desk.reads("STATE", "state")
    desk.reads("LEFT", "left")
    desk.reads("SEQ", "seq")


def _got(stage: Stage, *, buyer: int = 0, seller: int = 0) -> None:
    for who, amount in (("buyer", buyer), ("seller", seller)):
        if stage.holds(who) != amount:
            raise Failed(f"the {who} holds {stage.holds(who)} and not {amount}")


def _less_fee(amount: int) -> int:
    return amount - amount // 100


def main() -> None:
    """Prints every step."""
    try:
        scenes = play(print)
    except Failed as problem:
        sys.exit(f"\nFAILED: {problem}")
    sys.stdout.write(f"\n{scenes} ways out, all without the platform\n")


if __name__ == "__main__":
    main()
