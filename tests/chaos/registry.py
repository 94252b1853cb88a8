"""The failure tests of the engine, F1 to F46: what each is about, and which test belongs to which.

A test belongs to a number by its name: `test_f09_...`, or to several: `test_f01_f02_f03_...`.
"""

import re

TITLES: dict[int, str] = {
    1: "crash before the assignment commits",
    2: "crash after the commit, before the send",
    3: "crash after the send, before the mark",
    4: "a bump: either hash is recognised",
    5: "the signer fails: late, another key, high s, other fields",
    6: "the reply is lost after the acceptance",
    7: "one task twice, together and after success",
    8: "one idempotency key twice in parallel, and with another body",
    9: "two workers, one sender, a hundred calls, random kills",
    10: "release, refund and ruling at once",
    11: "already known on the first send",
    12: "nonce too low: ours mined, ours reorged and mined again, foreign",
    13: "replacement underpriced: own or unknown",
    14: "base fee x3 with a flat tip and the reverse; tips of 0 and 1 wei",
    15: "the lowest nonce is dropped",
    16: "all pending transactions are dropped",
    17: "a cancel races the original, both orders",
    18: "a fee spike beyond the cap for hours; no money for gas",
    19: "a payout reverts, then a reorg turns it",
    20: "status 1, the event missing or of another amount",
    21: "a payout reorged and mined again",
    22: "a deposit reorged away for good",
    23: "a deposit mined again with another log index",
    24: "a reorg deeper than finality after credit",
    25: "two transfers in one transaction",
    26: "a provider 20 blocks behind that answers with nothing",
    27: "logs truncated, once and always",
    28: "one provider of three forges",
    29: "the chain id changes; finality moves back",
    30: "range too large, rate limits, malformed answers",
    31: "Redis flushed; Redis gone",
    32: "PostgreSQL stopped at each crash point; connections killed in commit",
    33: "PostgreSQL restored to an earlier time",
    34: "the host's clock is an hour off",
    35: "SIGTERM at each step",
    36: "beat twice; beat dead",
    37: "illegal writes to states and books",
    38: "everything in any order: a machine of random steps",
    39: "one bad item in a batch",
    40: "a stranger claims first",
    41: "a fee spike while a mark is due",
    42: "dispute and claim in one block, both orders",
    43: "a batch at estimated gas",
    44: "deprecation, pause, blacklist of a vault, destroyed funds",
    45: "a stale message of an operator after a reopening",
    46: "payment to superseded terms, and on the wrong network",
}

_PREFIX = re.compile(r"test_((?:f\d\d_)+)")


def numbers(name: str) -> tuple[int, ...]:
    """The failure tests that a test function of this name (with or without its parameters) belongs to."""
    found = _PREFIX.match(name)
    return tuple(int(part[1:]) for part in found.group(1).split("_") if part) if found else ()
