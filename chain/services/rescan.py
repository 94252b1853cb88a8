"""Reading final blocks again because a human says so. Idempotent: what is known already adds nothing."""

from collections.abc import Sequence

from django.db import transaction

from chain.indexer import quorum, store
from chain.indexer.catchup import read_for, read_windows
from chain.indexer.reading import read_range
from chain.models import Network
from chain.selectors import final_head
from chain.services import final
from chain.services.alarms import raise_alarm
from core.errors import Invalid


def rescan(network: Network, start: int, end: int, addresses: Sequence[str] = ()) -> int:
    """Read the final blocks `start..end` again, all of them or for some addresses; returns the new events.

    A quorum must agree as at the first time, and each window is stored by itself. Raises `Invalid` for a
    range that is not final and read yet: what comes next is read by the safe lane.
    """
    top = final_head(network)
    if top is None or not 0 <= start <= end <= top[0]:
        last = top[0] if top else "none"
        raise Invalid("range_not_final", f"Only final blocks are read again; the newest is {last}.")
    reads = (
        read_for(network, list(addresses), start, end)
        if addresses
        else read_windows(
            network,
            start,
            end,
            lambda low, high: quorum.agree(network, lambda rpc: read_range(rpc, low, high)).read,
        )
    )
    found = 0
    for read in reads:
        with transaction.atomic():
            found += final.append(network, store.finalize(store.keep_range(network, read)))
    if found:
        raise_alarm(network, "logs_withheld", "rescan", f"{found} final events were missing")
    return found
