"""What a node meant when it refused signed bytes. Nothing here decides an outcome: only receipts do."""

import re
from enum import StrEnum


class SendAnswer(StrEnum):
    """How a broadcast was answered."""

    ACCEPTED = "accepted"
    KNOWN = "known"
    REPLACEMENT = "replacement"  # same nonce, other transaction, not enough fee to replace it
    NONCE_LOW = "nonce_low"
    NONCE_HIGH = "nonce_high"
    UNDERPRICED = "underpriced"
    FUNDS = "funds"
    FEE_CAP = "fee_cap"
    INVALID = "invalid"
    AMBIGUOUS = "ambiguous"  # may have been accepted


# First match wins; the texts are those of geth, nethermind, erigon, besu, reth, anvil, hardhat and ganache,
# in lower case.
_TEXTS: tuple[tuple[SendAnswer, tuple[str, ...]], ...] = (
    (
        SendAnswer.KNOWN,
        ("already known", "known transaction", "alreadyknown", "already imported", "already in mempool",
         "already exists in the pool"),
    ),
    (
        SendAnswer.REPLACEMENT,
        ("replacement transaction underpriced", "replacementnotallowed", "replacement underpriced",
         "could not replace existing", "fee too low to replace", "replacement fee too low",
         "transaction with the same nonce"),
    ),
    (
        SendAnswer.NONCE_LOW,
        ("nonce too low", "oldnonce", "nonce is too low", "nonce has already been used",
         "invalid nonce; got"),
    ),
    (
        SendAnswer.NONCE_HIGH,
        ("nonce too high", "noncegap", "nonce gap", "nonce is too high", "too far in future"),
    ),
    (
        SendAnswer.FUNDS,
        ("insufficient funds", "insufficientfunds", "upfront cost exceeds", "insufficient balance",
         "enough funds"),
    ),
    (SendAnswer.FEE_CAP, ("exceeds the configured cap", "tx fee exceeds")),
    (
        SendAnswer.UNDERPRICED,
        ("transaction underpriced", "feetoolow", "max fee per gas less than block base fee",
         "maxfeepergas too low", "fee cap less than block", "gas price too low", "underpriced",
         "below current base fee", "too low for the next block", "less than the block's basefee"),
    ),
    (
        SendAnswer.INVALID,
        ("invalid sender", "invalid signature", "intrinsic gas too low", "exceeds block gas limit",
         "gas limit exceeded", "invalid chain id", "rlp", "transaction type not supported",
         "max priority fee per gas higher than max fee per gas", "chain id", "malformed", "chainid",
         "bigger than maxfeepergas", "intrinsic gas too high", "transaction gas cap", "gas limit too high",
         "requires at least", "failed to decode", "could not decode", "input too short",
         "empty transaction data", "invalid transaction type"),
    ),
)  # fmt: skip


# ganache has one sentence for a nonce that is too low and one that is too high.
_BOTH_NONCES = re.compile(r"account has nonce of: (\d{1,19}) tx has nonce of: (\d{1,19})")


def classify(message: str) -> SendAnswer:
    """The meaning of a send error's text; anything unknown is ambiguous."""
    text = message.lower()
    if nonces := _BOTH_NONCES.search(text):
        return SendAnswer.NONCE_LOW if int(nonces[2]) < int(nonces[1]) else SendAnswer.NONCE_HIGH
    for answer, needles in _TEXTS:
        if any(needle in text for needle in needles):
            return answer
    return SendAnswer.AMBIGUOUS
