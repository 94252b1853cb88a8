"""Small things the chain tests share."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from chain import selectors
from chain.indexer.events import TRANSFER, padded
from chain.models import Alarm, Call, FinalEvent, Provider, Sender, Transaction
from chain.services.calls import ExpectedLog, order_call
from chain.services.watch import watch
from contracts import abi
from contracts.artifacts import TEST_USDT_ADDRESS
from contracts.calls import erc20_transfer, test_token_mint
from core import clock
from tests.chain.fixtures import Anvil, Engine

ROOT = Path(__file__).resolve().parent.parent.parent
ALICE = "0x00000000000000000000000000000000000A11cE"
BOB = "0x0000000000000000000000000000000000000B0b"


def sender_of(engine: Engine, purpose: str = "payouts") -> Sender:
    """The sender row."""
    return Sender.objects.get(network=engine.network, purpose=purpose)


def stock(engine: Engine, units: int = 10**9) -> str:
    """Give the payout sender test USDT to pay with; returns its address."""
    address = sender_of(engine).address
    engine.chain.send(TEST_USDT_ADDRESS, test_token_mint(address, units))
    engine.mine()
    return address


def order(
    engine: Engine, key: str = "pay-1", units: int = 7, to: str = BOB, *, expect: int | None = None,
    purpose: str = "payouts", **more: Any,
) -> Call:  # fmt: skip
    """Order a token payout from a sender; `expect` another amount in the log than is sent."""
    source = sender_of(engine, purpose).address
    amount = units if expect is None else expect
    log = ExpectedLog(
        address=TEST_USDT_ADDRESS,
        topic0=TRANSFER,
        topics=[padded(source), padded(to)],
        data_prefix="0x" + f"{amount:064x}",
    )
    with transaction.atomic():
        return order_call(
            network=engine.network,
            purpose=purpose,
            target=TEST_USDT_ADDRESS,
            data=erc20_transfer(to, units),
            gas_limit=100_000,
            key=key,
            expected=[log],
            label=f"pay {units}",
            **more,
        )


def watched(engine: Engine, address: str = ALICE, key: str = "esc_1", since: int | None = None) -> str:
    """Watch an address; returns it."""
    with transaction.atomic():
        watch(network=engine.network, address=address, key=key, since_block=since)
    return address


def payouts(chain: Anvil, to: str = BOB) -> list[int]:
    """Amounts of all transfers to `to` on the canonical chain, read past the product."""
    logs = chain.rpc(
        "eth_getLogs",
        {"fromBlock": "0x0", "address": TEST_USDT_ADDRESS, "topics": [TRANSFER, None, padded(to)]},
    )
    return [int(log["data"], 16) for log in logs]


def events(engine: Engine) -> list[str]:
    """Kinds (and outcomes of calls) of the final events, in order; the sequence must have no gap."""
    rows = list(FinalEvent.objects.filter(network=engine.network).order_by("seq"))
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    return [f"{row.kind}:{row.outcome}" if row.outcome else row.kind for row in rows]


def alarms() -> set[str]:
    """Kinds of the open alarms."""
    return set(Alarm.objects.filter(resolved_at=None).values_list("kind", flat=True))


def pending(engine: Engine, key: str = "esc_1") -> list[tuple[int, int]]:
    """(amount, confirmations) of what the head shows for one key."""
    return [
        (row.transfer.amount, row.confirmations) for row in selectors.pending_transfers(engine.network, [key])
    ]


def more_nodes(engine: Engine, *urls: str) -> list[Provider]:
    """Further providers of the network, asked after the first."""
    return [
        Provider.objects.create(network=engine.network, url=url, priority=place)
        for place, url in enumerate(urls, start=1)
    ]


def only_transaction() -> Transaction:
    """The one transaction there is."""
    return Transaction.objects.get()


def later(seconds: int = 3600) -> Any:
    """Run a block as if time had passed, so that resends and retries are due."""
    return clock.travelled(timedelta(seconds=seconds))


def through(engine: Engine, url: str) -> Provider:
    """Let the product talk to `url` only."""
    Provider.objects.filter(network=engine.network).update(enabled=False)
    return Provider.objects.create(network=engine.network, url=url)


def owner_calls(chain: Anvil, name: str, *args: Any, **request: Any) -> str:
    """A transaction of the test token's owner; stays in the pool until mined."""
    return chain.send(TEST_USDT_ADDRESS, abi.encode_call("TestUSDT", name, list(args)), **request)


def process_environment(**more: str) -> dict[str, str]:
    """What a process of the product needs to work on this test's database."""
    db = connection.settings_dict
    url = f"postgres://{db['USER']}:{db['PASSWORD']}@{db['HOST']}:{db['PORT']}/{db['NAME']}"
    return {**os.environ, "DATABASE_URL": url, **more}


def manage(*words: str, **environment: str) -> int:
    """Run `manage.py` on this test's database; returns its exit code, negative when it was killed."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *words],
        env=process_environment(**environment),
        cwd=ROOT,
        capture_output=True,
        timeout=120,
        check=False,
    )
    if done.returncode > 0:
        raise AssertionError(done.stderr.decode()[-2000:])
    return done.returncode
