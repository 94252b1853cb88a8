"""Once a day the audit log is followed from its first entry to its last: what does not fit calls a human."""

from datetime import timedelta

import structlog

from chain.models import Network
from chain.services.alarms import raise_alarm
from core import audit, rounds
from core.models import AuditEntry, LongRound

log = structlog.get_logger(__name__)

ALARM = "audit_broken"
ROUND = rounds.of("platform", "audit log")
_TIP = "audit log, newest entry"
_PAUSE = timedelta(days=1)


def go_on(seconds: float = 20) -> None:
    """Follow the log for about so many seconds, from where the last turn came to."""
    rounds.go_on(ROUND, _portion, seconds=seconds, pause=_PAUSE)


def _portion(after: str) -> str | None:
    last = audit.follow(after, _call_about)
    if last is None:
        _compare_tip()
    return last


def _compare_tip() -> None:
    """The end of a chain can be cut off without a trace in the chain: what was its newest entry is kept."""
    row, _ = LongRound.objects.get_or_create(name=_TIP)
    if row.after and not audit.still_there(row.after):
        _call(f"entry {row.after}", "it was the newest entry at an earlier check, and is gone")
    LongRound.objects.filter(pk=row.pk).update(after=audit.tip())


def _call_about(entry: AuditEntry) -> None:
    _call(f"entry {entry.pk}", "it was changed, or the entry before it was changed or taken away")


def _call(subject: str, detail: str) -> None:
    network = Network.objects.order_by("pk").first()
    if network is None:
        log.error("alarm", kind=ALARM, subject=subject, detail=detail)
    else:
        raise_alarm(network, ALARM, subject, detail)
