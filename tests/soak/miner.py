"""The chain and its miner: a block every second, whoever reads, and reorgs between two blocks."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.chain.fixtures import Anvil

BLOCK_SECONDS = 1.0
UNREAD_SECONDS = 3.0  # so long a reorg waits for who reads; nobody may be alive
FINALITY = 2  # blocks by which the node's `finalized` tag trails its head


@dataclass
class Miner:
    """Mines in a thread of its own: the chain waits for nobody."""

    chain: Anvil
    seconds: float = 0.2
    blocks: int = 0
    failure: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No block comes after this."""
        self._stop.set()
        if self._thread:
            self._thread.join(10)

    def reorg(self, depth: int, *, returning: bool, was_read: Callable[[int], bool]) -> int:
        """Replace the newest `depth` blocks, none of them final; returns how many transactions lost their
        block, 0 if there is none in them and nothing was done.

        `returning`: the transactions come back, in the same order, one block later where there is one.
        `was_read` says whether the product has read up to a block: what it never saw it cannot lose.
        """
        assert depth <= FINALITY
        with self._lock:
            head = self.chain.head
            old = [self._block(number) for number in range(head - depth + 1, head + 1)]
            found = [entry for block in old for entry in block["transactions"]]
            if not found:
                return 0
            self._wait(lambda: was_read(head))
            again = [(self.chain.raw(entry), depth - 1) for entry in found] if returning else []
            self.chain.reorg(depth, again)
            new = self._block(head - depth + 1)
            if new is None or new["hash"] == old[0]["hash"]:
                return 0
            return len(found)

    def _wait(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + UNREAD_SECONDS
        while not holds() and time.monotonic() < end:
            time.sleep(0.05)

    def _block(self, number: int) -> dict:
        return self.chain.rpc("eth_getBlockByNumber", hex(number), False)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            try:
                with self._lock:
                    self.chain.rpc("anvil_mine", "0x1")
                self.blocks += 1
            except Exception as error:
                self.failure = f"{type(error).__name__}: {error}"
                return
            due = max(due + self.seconds, time.monotonic())
            self._stop.wait(due - time.monotonic())
