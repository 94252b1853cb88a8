"""Celery's doorbell for payments: each task is one service call. The sweeper does the same without it."""

from datetime import timedelta

import structlog
from celery import shared_task
from django.conf import settings

from chain.models import Network
from chain.rpc.errors import RpcError
from core import deadlines, heartbeat, leases, outbox
from payments.books import reconcile as differences
from payments.services import absences, budgets, escrows, incidents, outages
from payments.services.projection import project

log = structlog.get_logger(__name__)
# As long as a task may live, so that no two turns overlap.
_TURN = timedelta(seconds=settings.CELERY_TASK_TIME_LIMIT)


@shared_task
def project_network(network_id: int) -> None:
    """Apply the final events that wait."""
    project(Network.objects.get(pk=network_id))


@shared_task
def reconcile(network_id: int) -> None:
    """One turn of comparing books and chain, unless another worker has it; what differs is frozen."""
    with leases.held(f"payments.reconcile:{network_id}", _TURN) as won:
        if not won:
            return
        try:
            differences.run(Network.objects.get(pk=network_id))
        except (differences.NotCaughtUp, RpcError) as error:
            log.warning("reconcile_later", network_id=network_id, error=str(error)[:200])
        heartbeat.beat(f"reconcile {network_id}")


@shared_task
def show_heads(network_id: int, keys: list[str]) -> None:
    """Refresh what the newest blocks show of the escrows among these watched keys."""
    escrows.show_heads(key for key in keys if key.startswith("esc_"))


@shared_task
def run_deadlines() -> None:
    """Do what is due by the clock; after a dead time the first round only finds it."""
    outages.look()
    deadlines.run_due()
    outages.alive(outages.DUTY)
    heartbeat.beat("deadlines")


@shared_task
def give_time_back() -> None:
    """Give the next portion of waits back what they lost in an incident."""
    incidents.carry_on()
    heartbeat.beat("incidents")


@shared_task
def watch_budgets(network_id: int) -> None:
    """Tell when half of the day's cap of the payout key is used up."""
    budgets.watch(Network.objects.get(pk=network_id))


@shared_task
def hold_absent() -> None:
    """Hold what belongs to somebody who cannot act."""
    absences.hold_due()


@shared_task
def compare_absent() -> None:
    """Note who cannot act, whether an event told it or not."""
    absences.compare()


@shared_task
def drain_outbox() -> None:
    """Deliver what waits to be told."""
    outbox.drain()
    heartbeat.beat("outbox")
