"""One node, asked one unit of work. Every answer is checked before it is returned."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from chain.models import Network, Provider
from chain.rpc import transport
from chain.rpc.answers import (
    Header,
    Log,
    Receipt,
    a_list,
    address,
    an_object,
    hash32,
    hexadecimal,
    quantity,
    read_logs,
)
from chain.rpc.errors import BadAnswer, RpcError, WrongChain

Tag = int | str


def block_param(block: Tag) -> str:
    """A number as a JSON-RPC quantity; tags as they are."""
    return hex(block) if isinstance(block, int) else block


@dataclass(frozen=True, slots=True)
class Heads:
    """The newest block and the newest final block by the network's policy, from one node at one time."""

    latest: Header
    final: Header


@dataclass(frozen=True, slots=True)
class LogFilter:
    """What `eth_getLogs` is asked for; a topic position may list alternatives, or be None for any."""

    addresses: Sequence[str]
    topics: Sequence[Sequence[str] | None] = ()

    def admits(self, *logs: Log) -> bool:
        """Whether a node that obeys the filter may return all of these."""
        addresses = frozenset(self.addresses)
        wanted = [
            (place, frozenset(topic.lower() for topic in alternatives))
            for place, alternatives in enumerate(self.topics)
            if alternatives
        ]
        for log in logs:
            if log.address not in addresses:
                return False
            for place, alternatives in wanted:
                if place >= len(log.topics) or log.topics[place] not in alternatives:
                    return False
        return True


class Rpc:
    """A node of `network`; opened by `chain.rpc.pool`, which has checked its chain id."""

    def __init__(self, network: Network, provider: Provider) -> None:
        self.network, self.provider = network, provider

    def __str__(self) -> str:
        return transport.redacted(self.provider.url)

    def call(self, method: str, *params: Any) -> Any:
        """The raw result of one request."""
        return transport.call(self.provider.url, method, list(params))

    def batch(self, requests: list[transport.Request]) -> list[Any]:
        """Raw results in order; the first failed request is raised."""
        results = self.batch_or_errors(requests)
        for result in results:
            if isinstance(result, RpcError):
                raise result
        return results

    def batch_or_errors(self, requests: list[transport.Request]) -> list[Any]:
        """Raw results in order, exceptions among them."""
        return transport.batch(self.provider.url, requests) if requests else []

    def check_chain(self) -> None:
        """Raise `WrongChain` if the node speaks for another chain."""
        chain_id = quantity(self.call("eth_chainId"), "chain id")
        if chain_id != self.network.chain_id:
            raise WrongChain(f"chain id {chain_id} instead of {self.network.chain_id}")

    def heads(self) -> Heads:
        """Newest and newest final block. Raises `BadAnswer` if the two cannot both be true."""
        if self.network.finality == Network.Finality.TAG:
            latest, final = self.headers(["latest", "finalized"])
        else:
            latest = self.header("latest")
            final = self.header(max(0, latest.number - self.network.finality_depth))
        if final.number > latest.number:
            raise BadAnswer("the final head is above the head")
        return Heads(latest, final)

    def header(self, block: Tag) -> Header:
        """A header by number or tag."""
        return self.headers([block])[0]

    def headers(self, blocks: Iterable[Tag]) -> list[Header]:
        """Headers by number or tag, in order; a missing one is a `BadAnswer`."""
        asked = list(blocks)
        raw = self.batch([("eth_getBlockByNumber", [block_param(block), False]) for block in asked])
        headers = [Header.read(entry) for entry in raw]
        if any(isinstance(b, int) and b != header.number for b, header in zip(asked, headers, strict=True)):
            raise BadAnswer("a header of another number")
        return headers

    def header_or_none(self, number: int) -> Header | None:
        """A header by number; None when the node says it has none."""
        raw = self.call("eth_getBlockByNumber", block_param(number), False)
        return None if raw is None else Header.read(raw)

    def logs(self, filters: Sequence[LogFilter], start: int, end: int) -> tuple[list[list[Log]], Header]:
        """Logs of each filter in `start..end`, and the header of `end` as the node saw it afterwards.

        Refused unless the node's head is still at or past `end` and every log lies in range with a wanted
        address and topic.
        """
        requests: list[transport.Request] = [
            ("eth_getLogs", [_filter_param(entry, start, end)]) for entry in filters
        ]
        requests += [("eth_getBlockByNumber", [block_param(end), False]), ("eth_blockNumber", [])]
        *raw, last, top = self.batch(requests)
        if quantity(top, "block number") < end:
            raise BadAnswer("the node is behind the range it was asked for")
        found = [read_logs(entry) for entry in raw]
        for wanted, logs in zip(filters, found, strict=True):
            inside = not logs or start <= logs[0].block_number <= logs[-1].block_number <= end
            if not inside or not wanted.admits(*logs):
                raise BadAnswer("a log nobody asked for")
        return found, Header.read(last)

    def receipts(self, hashes: Sequence[str]) -> dict[str, Receipt]:
        """Receipts by transaction hash; those the node does not have are left out."""
        raw = self.batch([("eth_getTransactionReceipt", [entry]) for entry in hashes])
        return {
            asked: Receipt.read(entry, asked)
            for asked, entry in zip(hashes, raw, strict=True)
            if entry is not None and not (isinstance(entry, dict) and entry.get("blockHash") is None)
        }

    def send_raw(self, raw: bytes) -> str:
        """Broadcast signed bytes; returns the hash the node names. Never retried here."""
        return hash32(self.call("eth_sendRawTransaction", "0x" + raw.hex()), "transaction hash")

    def read_contract(self, to: str, data: bytes, block: Tag = "latest") -> bytes:
        """The bytes a view returns; raises `Reverted`."""
        raw = self.call("eth_call", {"to": to, "data": "0x" + data.hex()}, block_param(block))
        return bytes.fromhex(hexadecimal(raw, "call result")[2:])

    def balance(self, account: str, block: Tag = "latest") -> int:
        """Native balance in wei."""
        return quantity(self.call("eth_getBalance", account, block_param(block)), "balance")

    def nonce(self, account: str, block: Tag) -> int:
        """How many transactions of `account` the chain holds up to `block`."""
        return quantity(self.call("eth_getTransactionCount", account, block_param(block)), "nonce")

    def code(self, account: str, block: Tag = "latest") -> bytes:
        """Runtime code; empty where there is none."""
        return bytes.fromhex(hexadecimal(self.call("eth_getCode", account, block_param(block)), "code")[2:])

    def consuming_transaction(self, account: str, nonce: int, number: int) -> str | None:
        """Hash of the transaction in block `number` with which `account` used `nonce`."""
        block = self.call("eth_getBlockByNumber", block_param(number), True)
        for raw in a_list(an_object(block, "block").get("transactions"), "transactions"):
            entry = an_object(raw, "transaction")
            sender, used = address(entry.get("from"), "from"), quantity(entry.get("nonce"), "nonce")
            if (sender, used) == (account, nonce):
                return hash32(entry.get("hash"), "transaction hash")
        return None


def _filter_param(wanted: LogFilter, start: int, end: int) -> dict[str, Any]:
    param: dict[str, Any] = {
        "fromBlock": hex(start),
        "toBlock": hex(end),
        "address": list(wanted.addresses),
    }
    if wanted.topics:
        param["topics"] = [list(entry) if entry else None for entry in wanted.topics]
    return param
