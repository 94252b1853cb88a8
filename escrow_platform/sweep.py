"""Every kind of due work, found in the database and done here: what finishes all flows without Celery."""

from collections.abc import Callable

import structlog

from chain.models import Network
from chain.selectors import pending_keys
from chain.services import pulse
from chain.services.sweep import sweep as sweep_chain
from core import deadlines, outbox
from disputes.tasks import sweep as sweep_disputes
from escrow_platform import auditing
from escrow_platform.schedule import watched
from payments.services import absences, budgets, incidents, outages
from payments.services.escrows import show_heads
from payments.services.projection import project

log = structlog.get_logger(__name__)


def sweep_once() -> bool:
    """One round over everything that may be due; True if anything was done. One that fails stops no other."""
    worked = 0
    for network in watched():
        worked += _try(sweep_chain, network)
        worked += _try(_show_heads, network)
        worked += _try(project, network)
        _try(pulse.watch, network)
        _try(budgets.watch, network)
    due = (_hold_absent, _by_the_clock, incidents.carry_on, outbox.drain, sweep_disputes, auditing.go_on)
    for duty in due:
        worked += _try(duty)
    return worked > 0


def _hold_absent() -> int:
    absences.compare()
    return absences.hold_due()


def _by_the_clock() -> int:
    """After a dead time the first round only finds it."""
    outages.look()
    worked = deadlines.run_due()
    outages.alive(outages.DUTY)
    return worked


def _show_heads(network: Network) -> int:
    """Display only: never counted as work, for what is pending stays so until it is final."""
    show_heads(key for key in pending_keys(network) if key.startswith("esc_"))
    return 0


def _try(duty: Callable[..., int | None], *args: object) -> int:
    try:
        return duty(*args) or 0
    except Exception:
        log.exception("sweep_failed", duty=getattr(duty, "__name__", str(duty)), about=str(*args))
        return 0
