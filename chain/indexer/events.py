"""Which logs concern us: transfers of our tokens, the escrow contract's logs, alarming events of tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

from eth_utils.crypto import keccak

from chain.models import Network, Token
from chain.rpc.answers import Log, checksummed
from chain.rpc.client import LogFilter
from contracts import abi
from contracts.artifacts import load


def topic(signature: str) -> str:
    """topic0 of an event."""
    return "0x" + keccak(text=signature).hex()


TRANSFER = topic("Transfer(address,address,uint256)")
PAUSE, UNPAUSE = topic("Pause()"), topic("Unpause()")
DEPRECATE = topic("Deprecate(address)")
PARAMS = topic("Params(uint256,uint256)")
BLACKLISTED, CLEARED = topic("AddedBlackList(address)"), topic("RemovedBlackList(address)")
DESTROYED = topic("DestroyedBlackFunds(address,uint256)")
# These name an account; they concern us only if it is watched.
OF_ACCOUNT = (BLACKLISTED, CLEARED, DESTROYED)
OF_TOKEN = (PAUSE, UNPAUSE, DEPRECATE, PARAMS)


def is_transfer(log: Log) -> bool:
    """Whether this is an ERC-20 Transfer."""
    return len(log.topics) == 3 and log.topics[0] == TRANSFER and len(log.data) == 66


def parties(log: Log) -> tuple[str, str] | None:
    """Source and recipient of a Transfer, in lower case; None if this is no ERC-20 Transfer."""
    return (unpadded(log.topics[1]), unpadded(log.topics[2])) if is_transfer(log) else None


def moves_nothing(log: Log) -> bool:
    """Whether a Transfer is of zero units: anybody can have a token emit it, in anybody's name."""
    return int(log.data, 16) == 0


def unpadded(word: str) -> str:
    """The address in a topic, in lower case."""
    return "0x" + word[-40:]


@dataclass(frozen=True, slots=True)
class Transfer:
    """The fields of a Transfer log."""

    source: str
    recipient: str
    amount: int

    @classmethod
    def of(cls, log: Log) -> "Transfer | None":
        """None if this is no ERC-20 Transfer."""
        sides = parties(log)
        if sides is None:
            return None
        return cls(checksummed(sides[0]), checksummed(sides[1]), int(log.data, 16))


def account_of(log: Log) -> str | None:
    """The account that a token's alarming event names, indexed or not."""
    if log.topic0 not in OF_ACCOUNT:
        return None
    word = log.topics[1] if len(log.topics) > 1 else log.data[:66]
    return _account(word) if len(word) == 66 else None


def destroyed(topic0: str, topics: Sequence[str], data: str) -> tuple[str, int] | None:
    """Whose funds a token's owner destroyed, and how many base units; such a log comes without a Transfer."""
    words = [*topics[1:], *(data[2 + place : 66 + place] for place in range(0, len(data) - 2, 64))]
    if topic0 != DESTROYED or len(words) != 2:
        return None
    return _account(words[0]), int(words[1], 16)


def _account(word: str) -> str:
    return checksummed("0x" + word[-40:])


def padded(account: str) -> str:
    """An address as a topic."""
    return "0x" + account.removeprefix("0x").lower().rjust(64, "0")


def token_filter(tokens: list[Token]) -> LogFilter:
    """All transfers and alarming events of the tokens; whom they concern is matched here, not by the node."""
    return LogFilter([token.address for token in tokens], [[TRANSFER, *OF_ACCOUNT, *OF_TOKEN]])


def filters(network: Network, tokens: list[Token]) -> list[LogFilter]:
    """What is asked for every range: its cost does not depend on how many addresses are watched."""
    wanted = [token_filter(tokens)] if tokens else []
    if network.escrow_contract:
        wanted.append(LogFilter([network.escrow_contract]))
    return wanted


def of_escrow() -> list[str]:
    """topic0 of every event that the escrow contract has."""
    names = [entry["name"] for entry in load("Escrow").abi if entry["type"] == "event"]
    return ["0x" + abi.topic("Escrow", name).hex() for name in names]
