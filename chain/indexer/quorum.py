"""Money is credited on the word of several providers: the same final blocks, and the same logs to the byte.

With n providers f = (n - 1) // 3 may lie or fail, and 2f + 1 must agree; with two or three providers, two.
Who does not answer counts as not agreeing: the network waits, a human is told, and may switch off who is
gone for good. Who is outvoted is asked last from then on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from eth_utils.crypto import keccak

from chain.indexer.reading import RangeRead
from chain.models import Network, Provider
from chain.rpc import health, pool
from chain.rpc.client import Rpc
from chain.rpc.errors import AllProvidersFailed, BadAnswer, FinalConflict, LogsRefused, RpcError
from chain.services.alarms import raise_alarm, resolve_alarm

Work = Callable[[Rpc], RangeRead]


class Disagreement(BadAnswer):
    """The providers gave different answers, and none of these was given often enough."""


class QuorumMissing(RpcError):
    """Too few providers answered for any answer to be believed."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """What enough providers said; `provider` said it first, `witnesses` after it."""

    read: RangeRead
    provider: Provider
    witnesses: list[Provider]
    digest: str


@dataclass(slots=True)
class Votes:
    """Answers by their digest, in the order they came."""

    need: int
    by_digest: dict[str, list[tuple[Provider, RangeRead]]] = field(default_factory=dict)

    def add(self, provider: Provider, read: RangeRead) -> Agreed | None:
        """Count one answer; what was agreed on if it was the last one needed."""
        digest = digest_of(read)
        same = self.by_digest.setdefault(digest, [])
        same.append((provider, read))
        if len(same) < self.need:
            return None
        return Agreed(same[0][1], same[0][0], [voter for voter, _ in same[1:]], digest)

    def outvoted(self, agreed: Agreed) -> list[Provider]:
        """Who said something else."""
        return [
            voter for digest, same in self.by_digest.items() if digest != agreed.digest for voter, _ in same
        ]


def needed(network: Network, count: int) -> int:
    """How many of `count` providers must agree before money is credited."""
    return network.quorum or max(2 * health.faulty(count) + 1, min(count, 2))


def digest_of(read: RangeRead) -> str:
    """Of the range, its end, and all that concerns us in it: every field, and places inside transactions."""
    parts = [f"{read.start}..{read.end} {read.last.hash}"]
    for entry in sorted(read.observed, key=lambda entry: entry.log.place):
        log = entry.log
        parts.append(
            f"{log.address} {log.topics} {log.data} {log.block_number} {log.block_hash} {log.tx_hash} "
            f"{log.index} {entry.ordinal}"
        )
    return "0x" + keccak(text="\n".join(parts)).hex()


def agree(network: Network, work: Work, members: Sequence[Provider] | None = None) -> Agreed:
    """Do `work` with one provider after the other until enough of them gave the same answer.

    Raises `AllProvidersFailed` when that does not happen; nothing may be credited then. If the range was
    too large for one of those who would have been needed, that is raised.
    """
    votes, causes = Votes(_needed_now(network)), list[tuple[Provider, RpcError]]()
    for provider in pool.providers(network) if members is None else members:
        try:
            agreed = votes.add(provider, pool.ask(network, provider, work))
        except RpcError as error:
            causes.append((provider, error))
            continue
        if agreed is not None:
            _settled(network, [*votes.outvoted(agreed), *_contradicting(causes)])
            return agreed
    errors = [error for _, error in causes]
    refusal = next((error for error in errors if isinstance(error, LogsRefused)), None)
    if refusal is not None:
        raise refusal
    raise AllProvidersFailed([*errors, *unsettled(network, votes)])


def _needed_now(network: Network) -> int:
    return needed(network, Provider.objects.filter(network=network, enabled=True).count())


def _contradicting(causes: list[tuple[Provider, RpcError]]) -> list[Provider]:
    return [provider for provider, error in causes if isinstance(error, FinalConflict)]


def _settled(network: Network, outvoted: list[Provider]) -> None:
    for provider in outvoted:
        health.demote(network, provider, "what it says of a final range is not what the others say")
    for kind in ("providers_disagree", "quorum_missing"):
        resolve_alarm(network, kind)


def unsettled(network: Network, votes: Votes) -> list[RpcError]:
    """Tell a human why nothing is credited: different answers, or too few."""
    if len(votes.by_digest) > 1:
        sides = [[str(voter) for voter, _ in same] for same in votes.by_digest.values()]
        raise_alarm(network, "providers_disagree", detail=f"on a final range: {sides}")
        return [Disagreement(f"{len(sides)} different answers")]
    if votes.need > 1:
        return [missing(network, votes.need, sum(len(same) for same in votes.by_digest.values()))]
    return []


def missing(network: Network, need: int, found: int) -> QuorumMissing:
    """The alarm and the error for too few answers."""
    detail = f"{found} of the {need} providers that must agree answered"
    raise_alarm(network, "quorum_missing", detail=detail)
    return QuorumMissing(detail)
