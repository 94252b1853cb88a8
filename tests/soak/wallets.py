"""The buyers' wallets: they sign once, and send the same bytes again until the chain has them for good."""

import time
from dataclasses import dataclass, field

from eth_account import Account
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from contracts.artifacts import TEST_USDT_ADDRESS
from contracts.calls import erc20_transfer, test_token_mint
from tests.chain.fixtures import Anvil, NodeRefused
from tests.soak.plan import Life, Plan

CHAIN_ID = 31337
_DEEP = 3  # blocks on top, after which no reorg of the soak reaches a transaction
_PAUSE = 1.0


@dataclass
class Payment:
    """One signed transfer of a buyer to a vault."""

    vault: str
    units: int
    raw: str
    tx_hash: str
    sent_at: float = 0.0


@dataclass
class Wallets:
    """Every address of the soak comes from its seed."""

    plan: Plan
    chain: Anvil
    payments: list[Payment] = field(default_factory=list)
    again: int = 0
    _open: list[Payment] = field(default_factory=list)

    def address(self, life: Life, role: str) -> str:
        """Where the money of this side goes; nobody has its key, and no other life has it."""
        return to_checksum_address(self._secret(life, role)[-20:])

    @property
    def fee(self) -> str:
        """Where fees go."""
        return to_checksum_address(keccak(text=f"soak {self.plan.seed} fees")[-20:])

    def stock(self) -> None:
        """Give every payer test dollars and gas; needs blocks to be mined."""
        for life in self.plan.lives:
            if units := sum(life.payments):
                payer = self._payer(life).address
                self.chain.rpc("anvil_setBalance", payer, hex(10**18))
                self.chain.send(TEST_USDT_ADDRESS, test_token_mint(payer, units))

    def pay(self, life: Life, vault: str) -> None:
        """Sign and send what the plan says this buyer pays."""
        for nonce, units in enumerate(life.payments):
            signed = self._payer(life).sign_transaction(
                {
                    "to": TEST_USDT_ADDRESS,
                    "data": "0x" + erc20_transfer(vault, units).hex(),
                    "value": 0,
                    "gas": 120_000,
                    "nonce": nonce,
                    "maxFeePerGas": 50 * 10**9,
                    "maxPriorityFeePerGas": 10**9,
                    "chainId": CHAIN_ID,
                }
            )
            raw, tx_hash = "0x" + bytes(signed.raw_transaction).hex(), "0x" + bytes(signed.hash).hex()
            payment = Payment(vault, units, raw, tx_hash)
            self.payments.append(payment)
            self._open.append(payment)
            self._send(payment)

    def tend(self) -> None:
        """Send again what a reorg took back; forget what is deep enough."""
        now, head = time.monotonic(), 0
        for payment in list(self._open):
            if now - payment.sent_at < _PAUSE:
                continue
            receipt = self.chain.receipt(payment.tx_hash)
            if receipt is None:
                self.again += 1
                self._send(payment)
                continue
            head = head or self.chain.head
            payment.sent_at = now
            if int(receipt["blockNumber"], 16) + _DEEP <= head:
                self._open.remove(payment)

    def _send(self, payment: Payment) -> None:
        payment.sent_at = time.monotonic()
        try:
            self.chain.rpc("eth_sendRawTransaction", payment.raw)
        except NodeRefused as refused:
            if not any(word in str(refused) for word in ("already", "nonce too low")):
                raise

    def _payer(self, life: Life) -> "Account":
        return Account.from_key(self._secret(life, "payer"))

    def _secret(self, life: Life, what: str) -> bytes:
        return keccak(text=f"soak {self.plan.seed} life {life.number} {what}")
