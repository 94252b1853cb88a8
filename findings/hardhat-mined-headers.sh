#!/usr/bin/env bash
# hardhat 2.29.1: `hardhat_mine` with ten blocks answers headers for the blocks in between whose parentHash is
# zero, so they are no chain of hashes; with three blocks, or with `evm_mine` ten times, every header names the
# hash of the one before it. Who follows a chain by parent hashes must mine block by block on this node.
#
# Guess before the run: all three ways give the same linked headers. Ends 0 while the behaviour is as told here.
set -euo pipefail
version=2.29.1
folder=$(mktemp -d)
node_pid=""
trap '[ -z "$node_pid" ] || kill "$node_pid" 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
echo '{"name": "look", "private": true}' > package.json
echo 'module.exports = {solidity: "0.8.28"};' > hardhat.config.js
npm install --silent --no-audit --no-fund "hardhat@$version" > /dev/null
port=$((20000 + RANDOM % 20000))
HARDHAT_DISABLE_TELEMETRY_PROMPT=true node node_modules/hardhat/internal/cli/cli.js node --hostname 127.0.0.1 \
	--port "$port" > log 2>&1 &
node_pid=$!
python3 - "$port" <<'PY'
import json, sys, time, urllib.request

url, ids = f"http://127.0.0.1:{sys.argv[1]}", iter(range(1, 1000))


def rpc(method, *params):
    body = {"jsonrpc": "2.0", "id": next(ids), "method": method, "params": list(params)}
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.load(reply)["result"]


for _ in range(120):
    try:
        rpc("eth_chainId")
        break
    except OSError:
        time.sleep(0.5)


def broken():
    """Numbers of the blocks, from the second on, that do not name the hash of the one before."""
    head = int(rpc("eth_blockNumber"), 16)
    blocks = [rpc("eth_getBlockByNumber", hex(number), False) for number in range(head + 1)]
    return [
        number
        for number in range(1, head + 1)
        if blocks[number]["parentHash"] != blocks[number - 1]["hash"]
    ]


seen = {}
for name, act in (
    ("hardhat_mine 3", lambda: rpc("hardhat_mine", "0x3")),
    ("evm_mine ten times", lambda: [rpc("evm_mine") for _ in range(10)]),
    ("hardhat_mine 10", lambda: rpc("hardhat_mine", "0xa")),
):
    before = len(broken())
    act()
    seen[name] = len(broken()) - before
    print(f"{name}: {seen[name]} headers do not name the hash of the block before")
sys.exit(not (seen["hardhat_mine 3"] == 0 == seen["evm_mine ten times"] and seen["hardhat_mine 10"] > 0))
PY
echo "hardhat $version: as told"
