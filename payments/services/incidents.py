"""Incidents: opened and ended by an operator, or by Holdfast for its own dead times; afterwards every wait is
given back what it lost."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import islice

import structlog
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from chain.models import Network
from core import audit, clock, crashpoints, doorbell, seen
from core.actors import Actor
from core.errors import Conflict, Invalid, NotFound
from core.models import Deadline
from payments.locks import throw_switch
from payments.models import Incident
from payments.services import pausing

log = structlog.get_logger(__name__)
# Waits that are visited before the position is stored.
PORTION = 100
# So far back an incident may begin.
MOST_BACK = timedelta(days=14)


def open_incident(
    *,
    network: Network | None,
    reason: str,
    acting: Actor,
    since: datetime | None = None,
    expected: str | None = None,
) -> Incident:
    """Stop the platform's clocks of a network, or of all where none is given. People and the chain go on.

    When this returns no default that had not seen the incident can still happen; those that happened after
    `since` stay (`passed_since`). Raises `Invalid` without a reason, or for an instant that lies ahead, more
    than 14 days back, or before the end of the scope's last incident; `Conflict` where one is open for it, or
    where incidents are not what the operator saw (`expected`, of `standing`).
    """
    text = _said(reason)
    try:
        return _open(network, text, acting, since, expected)
    except IntegrityError as error:
        if "one_open_incident_per_scope" not in str(error):
            raise
        raise Conflict("incident_open", "The clocks of this scope stand still already.") from None


def standing(_: str = "") -> str:
    """The fingerprint of all incidents so far, and of which of them are open."""
    open_ones = Incident.objects.filter(ended_at__isnull=True).order_by("pk").values_list("pk", flat=True)
    return seen.fingerprint(Incident.objects.count(), list(open_ones))


@transaction.atomic
def _open(
    network: Network | None, reason: str, acting: Actor, since: datetime | None, expected: str | None
) -> Incident:
    throw_switch(pausing.SWITCH)
    seen.check(expected, standing, "")
    now = clock.now()
    if since is not None:
        _check_since(network, since, now)
    return open_since(network, reason, since or now, acting)


def open_since(
    network: Network | None, reason: str, since: datetime, acting: Actor, cause: str = Incident.Cause.PERSON
) -> Incident:
    """Write an open incident down, in a transaction that has thrown the switch."""
    incident = Incident.objects.create(
        network=network, cause=cause, reason=reason, opened_at=since, opened_by=_name(acting)
    )
    _write_down(incident, "incident.opened", reason, acting, since=since.isoformat())
    return incident


def _check_since(network: Network | None, since: datetime, now: datetime) -> None:
    before = Incident.objects.filter(network=network, ended_at__gt=since).order_by("-ended_at").first()
    if since > now:
        raise Invalid("since_ahead", "The clocks cannot have stood still since an instant that lies ahead.")
    if since < now - MOST_BACK:
        raise Invalid("since_too_early", f"An incident may begin at most {MOST_BACK.days} days back.")
    if before is not None:
        end = f"{before.ended_at:%Y-%m-%d %H:%M:%S}"
        raise Invalid("since_covered", f"The last incident here ended at {end} UTC; begin no earlier.")


def passed_since(incident: Incident) -> int:
    """How many deadlines passed between the beginning of an incident and now: what followed from them cannot
    be undone."""
    passed = Deadline.objects.filter(
        state=Deadline.State.PASSED,
        next_try_at__gte=incident.opened_at,
        due_at__gte=incident.opened_at,
        kind__in=pausing.kinds(),
    )
    return sum(len(_of(incident, waits)) for waits in _chunks(passed))


@transaction.atomic
def end_incident(*, incident_id: str, reason: str, acting: Actor, expected: str | None = None) -> Incident:
    """Let the clocks go on. Every wait is moved later by what it lost, portion by portion; one that was not
    reached yet does not run out meanwhile.

    Raises `Invalid` without a reason, `NotFound`, `Conflict` if it has ended or ends by itself.
    """
    text = _said(reason)
    throw_switch(pausing.SWITCH)
    incident = Incident.objects.select_for_update(of=("self",)).filter(pk=incident_id).first()
    if incident is None:
        raise NotFound("incident_not_found", "There is no such incident.")
    seen.check(expected, seen.row, incident)
    if incident.ended_at is not None:
        raise Conflict("incident_ended", "This incident has ended.")
    if incident.cause:
        raise Conflict(
            "incident_lasts",
            "Holdfast found this one by itself and ends it at the next sign of life.",
        )
    end(incident, clock.now(), acting, text)
    return incident


def end(incident: Incident, at: datetime, acting: Actor, reason: str = "") -> None:
    """Write the end of an open incident down, in a transaction that has thrown the switch."""
    # Another host's clock may have opened it.
    incident.ended_at, incident.ended_by = max(at, incident.opened_at), _name(acting)
    incident.save(update_fields=["ended_at", "ended_by"])
    _write_down(incident, "incident.ended", reason or incident.reason, acting)
    _ring()


def carry_on() -> int:
    """Give one portion of waits back what they lost in an incident that ended; returns how many were visited.

    Each wait is one transaction, and the position is stored after the portion: who dies in between has the
    portion visited again, which gives nothing twice. Safe to run twice at once.
    """
    ended = Incident.objects.filter(ended_at__isnull=False, settled_at__isnull=True)
    incident = ended.order_by("ended_at", "id").first()
    if incident is None:
        return 0
    waits = list(_portion(incident))
    for wait in _of(incident, waits):
        try:
            pausing.settle(wait)
        except Exception:
            # It stands still until it is due; then it is settled before anything else.
            log.exception("time_not_given", deadline_id=wait.pk, kind=wait.kind)
        crashpoints.hit("incident:settled_one")
    _store_position(incident, waits)
    if len(waits) == PORTION:
        _ring()
    return len(waits)


def open_now() -> list[Incident]:
    """What pages tell about: every open incident, the oldest first."""
    return list(
        Incident.objects.filter(ended_at__isnull=True).select_related("network").order_by("opened_at", "id")
    )


def covering(incidents: Iterable[Incident], network_id: int) -> Incident | None:
    """The oldest of these incidents that stops the clocks of a network."""
    return next((incident for incident in incidents if incident.covers(network_id)), None)


def _portion(incident: Incident) -> Iterable[Deadline]:
    waits = Deadline.objects.filter(
        state=Deadline.State.WAITING,
        kind__in=pausing.moving_kinds(),
        created__lt=incident.ended_at,
        pk__gt=incident.position,
    )
    return waits.order_by("pk")[:PORTION]


def _chunks(waits: QuerySet[Deadline]) -> Iterable[list[Deadline]]:
    rows = waits.order_by("pk").iterator(PORTION)
    while portion := list(islice(rows, PORTION)):
        yield portion


def _of(incident: Incident, waits: list[Deadline]) -> list[Deadline]:
    if incident.network_id is None:
        return waits
    networks = pausing.networks_of(waits)
    return [wait for wait in waits if networks.get(wait.pk) == incident.network_id]


def _store_position(incident: Incident, waits: list[Deadline]) -> None:
    """By compare-and-set: of two that visited the same portion one moves it on."""
    found = Incident.objects.filter(pk=incident.pk, position=incident.position, settled_at__isnull=True)
    if len(waits) < PORTION:
        found.update(settled_at=clock.now())
    else:
        found.update(position=waits[-1].pk)


def _said(reason: str) -> str:
    text = reason.strip()
    if not text:
        raise Invalid("reason_missing", "Say why, in words that both sides of a deal may read.")
    return text[:200]


def _name(acting: Actor) -> str:
    return (acting.label or acting.id)[:200]


def _ring() -> None:
    from payments.tasks import give_time_back

    doorbell.on_commit(give_time_back.delay)


def _write_down(incident: Incident, action: str, reason: str, acting: Actor, **facts: str) -> None:
    data = {"scope": incident.network.slug if incident.network else "all", "reason": reason, **facts}
    audit.write(action, subject_id=incident.pk, actor_id=acting.id, actor_label=acting.label, data=data)
