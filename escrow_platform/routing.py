"""Each network has a queue of its own: one that is down delays only itself.

A worker without `-Q` takes the default queue and those of all networks, in turn.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from celery import Celery
from celery.signals import celeryd_after_setup
from django.db import DatabaseError

log = structlog.get_logger(__name__)
OF_A_NETWORK = frozenset(
    {
        "chain.index",
        "chain.send_due",
        "chain.confirm",
        "chain.audit",
        "chain.second_pass",
        "chain.inspect_providers",
        "payments.tasks.project_network",
        "payments.tasks.reconcile",
        "payments.tasks.watch_budgets",
    }
)


def queue_of(network_id: int) -> str:
    """The queue of one network's duties."""
    return f"network.{network_id}"


def route(
    name: str, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None, *_: Any, **__: Any
) -> dict[str, str] | None:
    """Celery's router: duties of a network, whose id is their first argument, go to its queue."""
    if name not in OF_A_NETWORK:
        return None
    given = [*(args or ()), *(kwargs or {}).values()]
    return {"queue": queue_of(int(given[0]))} if given else None


@celeryd_after_setup.connect
def _take_all_networks(instance: Any, conf: Any, **_: object) -> None:
    """Add the networks' queues to a worker that was not told which queues to take."""
    queues: Any = instance.app.amqp.queues
    if set(queues.consume_from) != {conf.task_default_queue}:
        return
    try:
        for network_id in _network_ids():
            queues.select_add(queue_of(network_id))
    except DatabaseError as error:
        # The schedule tells the workers again within a minute.
        log.warning("queues_unknown", error=type(error).__name__)


def tell_workers(app: Celery) -> None:
    """Let running workers take the queues of networks that were added since they started. Idempotent."""
    for network_id in _network_ids():
        app.control.add_consumer(queue_of(network_id))


def _network_ids() -> list[int]:
    from chain.models import Network

    return list(Network.objects.order_by("pk").values_list("pk", flat=True))
