import json
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from escrow_platform.stack import anvil, ports
from escrow_platform.stack.anvil import running_anvil
from tests.stack.conftest import eventually


def call(url: str, method: str, *params: Any) -> Any:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.load(reply)["result"]


def number(url: str, tag: str) -> int:
    return int(call(url, "eth_getBlockByNumber", tag, False)["number"], 16)


def test_finality_trails_the_head_by_two_blocks() -> None:
    with running_anvil(block_time=None) as url:
        call(url, "anvil_mine", "0x5")
        assert (number(url, "latest"), number(url, "finalized")) == (5, 3)


def test_the_chain_keeps_host_time() -> None:
    with running_anvil() as url:
        genesis = call(url, "eth_getBlockByNumber", "0x0", False)
        assert abs(int(genesis["timestamp"], 16) - time.time()) < 30


def test_two_nodes_run_side_by_side_and_end_with_their_block() -> None:
    with running_anvil(chain_id=1001) as first, running_anvil(chain_id=1002) as second:
        assert [int(call(url, "eth_chainId"), 16) for url in (first, second)] == [1001, 1002]
    eventually(lambda: ports.is_free(int(first.rsplit(":", 1)[1])), "the node ended")


def test_a_lasting_chain_continues_where_it_ended(tmp_path: Path) -> None:
    child, url = anvil.start(tmp_path, ports.free_port(), scratch=False)
    try:
        call(url, "anvil_mine", "0x7")
        seventh = call(url, "eth_getBlockByNumber", "0x7", False)["hash"]
    finally:
        child.stop()

    child, url = anvil.start(tmp_path, ports.free_port(), scratch=False)
    try:
        assert call(url, "eth_getBlockByNumber", "0x7", False)["hash"] == seventh
        eventually(lambda: number(url, "latest") > 7, "the chain grows on")
    finally:
        child.stop()


def test_a_transaction_above_the_gas_limit_of_one_is_refused() -> None:
    """EIP-7825, as on Ethereum: what only anvil takes would fail there."""
    with running_anvil(block_time=None) as url:
        account = call(url, "eth_accounts")[0]
        request = {"from": account, "to": account, "gas": hex(2**24)}
        assert call(url, "eth_sendTransaction", request)
        with pytest.raises(KeyError):
            call(url, "eth_sendTransaction", {**request, "gas": hex(2**24 + 1)})
