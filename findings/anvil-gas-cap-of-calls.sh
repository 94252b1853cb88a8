#!/usr/bin/env bash
# anvil 1.7.1 with --enable-tx-gas-limit (2^24 gas a transaction, EIP-7825): a transaction that asks for more is
# refused ("intrinsic gas too high"), but eth_call and eth_estimateGas with the same gas go through. A simulation
# that passes does not show that the transaction can be sent; the limit has to be kept by whoever signs.
#
# Guess before the run: eth_call is refused like the transaction. Ends 0 while the behaviour is as told here.
set -euo pipefail
version=1.7.1
folder=$(mktemp -d)
node_pid=""
trap '[ -z "$node_pid" ] || kill "$node_pid" 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
echo '{"name": "look", "private": true}' > package.json
npm install --silent --no-audit --no-fund "@foundry-rs/anvil@$version" > /dev/null
binary=$(ls -d node_modules/@foundry-rs/anvil-*/bin/anvil | head -n 1)
port=$((20000 + RANDOM % 20000))
"$binary" --host 127.0.0.1 --port "$port" --enable-tx-gas-limit --gas-limit 60000000 > log 2>&1 &
node_pid=$!
python3 - "$port" <<'PY'
import json, sys, time, urllib.request

url, ids = f"http://127.0.0.1:{sys.argv[1]}", iter(range(1, 1000))


def rpc(method, *params):
    body = {"jsonrpc": "2.0", "id": next(ids), "method": method, "params": list(params)}
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.load(reply)


for _ in range(60):
    try:
        rpc("eth_chainId")
        break
    except OSError:
        time.sleep(0.5)
accounts = rpc("eth_accounts")["result"]
seen = {}
for gas in (2**24, 2**24 + 1):
    request = {"from": accounts[0], "to": accounts[1], "value": "0x1", "gas": hex(gas)}
    for method, params in (
        ("eth_call", (request, "latest")),
        ("eth_estimateGas", (request, "latest")),
        ("eth_sendTransaction", (request,)),
    ):
        answer = rpc(method, *params)
        seen[method, gas] = "error" in answer
        print(f"{method} with {gas} gas: {answer.get('error', answer.get('result'))}")
above = 2**24 + 1
as_told = not seen["eth_call", above] and not seen["eth_estimateGas", above]
sys.exit(not (as_told and seen["eth_sendTransaction", above] and not seen["eth_sendTransaction", 2**24]))
PY
echo "anvil $version: as told"
