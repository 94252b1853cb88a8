"""`python -m tests.bench.ingest`: a process that ingests what is new on each line of its input, and times it.

It does what the workers do for one block, in the same order: both lanes of the indexer, the pages' view of
the head, the projection. One line of JSON answers each line.
"""

import json
import os
import sys
import time
from itertools import pairwise
from typing import Any


def main() -> None:
    """Serve until our input ends."""
    import django

    django.setup()
    from chain.models import Network
    from escrow_platform.celery import collect_rarely

    collect_rarely()

    net = Network.objects.get(slug="local")
    for _ in sys.stdin:
        print(json.dumps(_ingest(net)), flush=True)


def _ingest(net: Any) -> dict[str, Any]:
    from chain.selectors import pending_keys
    from chain.services import indexer
    from payments.models import Deposit
    from payments.services.projection import project
    from payments.tasks import show_heads
    from tests.bench.ground import peak_mb

    before, times = Deposit.objects.count(), [time.perf_counter()]
    indexer.read_all(net)
    times.append(time.perf_counter())
    show_heads(net.pk, pending_keys(net))
    times.append(time.perf_counter())
    project(net)
    times.append(time.perf_counter())
    read, shown, projected = (after - start for start, after in pairwise(times))
    booked = Deposit.objects.count() - before
    return {
        "read": read,
        "shown": shown,
        "projected": projected,
        "booked": booked,
        "peak_mb": peak_mb(os.getpid()),
    }


if __name__ == "__main__":
    main()
