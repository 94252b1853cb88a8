"""Tables of the chain engine; see `chain.services` for their only writers."""

from chain.models.networks import Breaker, DeployedContract, Network, Provider, Token
from chain.models.operations import Alarm
from chain.models.reading import (
    Block,
    ContractLog,
    FinalEvent,
    FinalSequence,
    LogInclusion,
    Reorg,
    ScanCoverage,
    ScanCursor,
    SecondPass,
    TokenTransfer,
    TransferInclusion,
    WatchedAddress,
)
from chain.models.sending import Attempt, Call, Sender, Transaction

__all__ = [
    "Alarm",
    "Attempt",
    "Block",
    "Breaker",
    "Call",
    "ContractLog",
    "DeployedContract",
    "FinalEvent",
    "FinalSequence",
    "LogInclusion",
    "Network",
    "Provider",
    "Reorg",
    "ScanCoverage",
    "ScanCursor",
    "SecondPass",
    "Sender",
    "Token",
    "TokenTransfer",
    "Transaction",
    "TransferInclusion",
    "WatchedAddress",
]
