"""Celery's doorbell for payments: each task is one service call. The sweeper does the same without it."""

from celery import shared_task

from chain.models import Network
from core import deadlines, heartbeat, outbox
from payments.services.escrows import show_head
from payments.services.projection import project


@shared_task
def project_network(network_id: int) -> None:
    """Apply the final events that wait."""
    project(Network.objects.get(pk=network_id))


@shared_task
def project_all() -> None:
    """Apply what waits on every network; a network that fails delays only itself."""
    for network_id in Network.objects.filter(enabled=True).values_list("pk", flat=True):
        project_network.delay(network_id)
    heartbeat.beat("project")


@shared_task
def show_heads(network_id: int, keys: list[str]) -> None:
    """Refresh what the newest blocks show of the escrows among these watched keys."""
    for key in keys:
        if key.startswith("esc_"):
            show_head(key)


@shared_task
def run_deadlines() -> None:
    """Do what is due by the clock."""
    deadlines.run_due()
    heartbeat.beat("deadlines")


@shared_task
def drain_outbox() -> None:
    """Deliver what waits to be told."""
    outbox.drain()
    heartbeat.beat("outbox")
