"""anvil, a real EVM node: the native binary of the npm package, never its launcher script."""

import json
import os
import platform
import signal
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from escrow_platform.stack import paths
from escrow_platform.stack.errors import StackError
from escrow_platform.stack.ports import HOST, free_port
from escrow_platform.stack.process import Child, spawn
from escrow_platform.stack.readiness import Ended, NotReady, wait_ready

NAME = "anvil"
CHAIN_ID = 31337
SAVE_EVERY = 2  # seconds
# Every saved state lists all block hashes: with no bound, an hour of one-second blocks made a file of 90 MB
# that kept a core busy with saving and took 20 s to load. So in a lasting chain, calls on blocks more than
# about 40 behind the head fail.
KEPT_STATES = 32
ATTEMPTS = 3  # a free port can be taken by another process before anvil binds it
_PLATFORMS = {
    ("Linux", "x86_64"): "linux-amd64",
    ("Linux", "aarch64"): "linux-arm64",
    ("Darwin", "x86_64"): "darwin-amd64",
    ("Darwin", "arm64"): "darwin-arm64",
}


def start(
    folder: Path,
    port: int,
    *,
    scratch: bool,
    block_time: int | None = 1,
    chain_id: int = CHAIN_ID,
    options: tuple[str, ...] = (),
) -> tuple[Child, str]:
    """Start a node. Returns it and its URL.

    `block_time` in seconds; None mines one block per transaction. One slot per epoch makes the `finalized`
    tag trail the head by two blocks. Without `scratch` the chain is saved below `folder` and continues from
    there at the next start.
    """
    home = folder / "anvil"
    home.mkdir(mode=0o700, exist_ok=True)
    child = spawn(
        NAME,
        [
            binary(),
            *("--host", HOST, "--port", str(port), "--chain-id", str(chain_id)),
            *("--slots-in-an-epoch", "1"),
            "--enable-tx-gas-limit",  # EIP-7825; without it anvil takes what no other node takes
            *(() if block_time is None else ("--block-time", str(block_time))),
            *(() if scratch else _saving(home)),
            *options,
        ],
        cwd=home,
        env={**os.environ, "HOME": str(home)},  # it keeps old states below its home folder
        log=folder / "anvil.log",
        stop_signal=signal.SIGKILL if scratch else signal.SIGTERM,
        death_signal=signal.SIGKILL if scratch else signal.SIGTERM,
        grace=30,  # it writes its state when it ends
    )
    url = f"http://{HOST}:{port}"
    wait_ready(child, lambda: _answers(url, chain_id))
    return child, url


@contextmanager
def running_anvil(
    *,
    port: int | None = None,
    block_time: int | None = 1,
    chain_id: int = CHAIN_ID,
    options: tuple[str, ...] = (),
) -> Iterator[str]:
    """A fresh chain for one test or module: yields its URL, ends it and removes its files afterwards."""
    with tempfile.TemporaryDirectory(prefix="holdfast-anvil-") as name:
        attempts = 1 if port else ATTEMPTS
        for attempt in range(1, attempts + 1):
            try:
                child, url = start(
                    Path(name),
                    port or free_port(),
                    scratch=True,
                    block_time=block_time,
                    chain_id=chain_id,
                    options=options,
                )
                break
            except Ended:
                if attempt == attempts:
                    raise
        try:
            yield url
        finally:
            child.stop()


def binary() -> Path:
    """The native binary of this platform below node_modules; StackError with the way out when missing."""
    name = _PLATFORMS.get((platform.system(), platform.machine()))
    if name is None:
        raise StackError(
            f"anvil has no build for {platform.system()} {platform.machine()}; set RPC_URL instead."
        )
    file = paths.CHECKOUT / "node_modules" / "@foundry-rs" / f"anvil-{name}" / "bin" / "anvil"
    if not file.exists():
        raise StackError("anvil is missing; run: make setup, or set RPC_URL to a node of your own.")
    return file


def _saving(home: Path) -> tuple[str, ...]:
    return (
        *("--state", str(home / "state.json"), "--state-interval", str(SAVE_EVERY)),
        *("--preserve-historical-states", "--max-persisted-states", str(KEPT_STATES)),
    )


def _answers(url: str, chain_id: int) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=3) as reply:
            answer = json.load(reply)
    except (urllib.error.URLError, OSError, ValueError) as reason:
        raise NotReady(str(reason)) from reason
    if int(answer["result"], 16) != chain_id:
        raise StackError(f"Another node answers at {url}; stop it or choose another port.")
