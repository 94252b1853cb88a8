"""Every kind of due work, found in the database and done here: what finishes all flows without Celery."""

from chain.models import Network
from chain.selectors import pending_keys
from chain.services.sweep import sweep as sweep_chain
from core import deadlines, outbox
from disputes.tasks import sweep as sweep_disputes
from payments.services.escrows import show_head
from payments.services.projection import project


def sweep_once() -> bool:
    """One round over everything that may be due; True if anything was done."""
    worked = 0
    for network in Network.objects.filter(enabled=True).order_by("pk"):
        worked += sweep_chain(network)
        for key in pending_keys(network):
            if key.startswith("esc_"):
                show_head(key)
        worked += project(network)
    worked += deadlines.run_due() + outbox.drain() + sweep_disputes()
    return worked > 0
