"""The schedule of periodic duties, written into the database from here whenever beat starts.

Every duty is safe when run twice or never: it finds its work in the tables.
"""

import json
from dataclasses import dataclass

from celery.signals import beat_init
from django.db import transaction
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks

from chain.models import Network
from payments.models import Escrow

_PREFIX = "holdfast: "


@dataclass(frozen=True, slots=True)
class Duty:
    """Run `task` with `args` every `seconds`."""

    name: str
    task: str
    seconds: int
    args: tuple[int, ...] = ()


def duties() -> list[Duty]:
    """One set for each network, in its own rhythm, and one for the platform."""
    found = [
        Duty("deadlines", "payments.tasks.run_deadlines", 1),
        Duty("incidents", "payments.tasks.give_time_back", 5),
        Duty("absences", "payments.tasks.hold_absent", 5),
        Duty("comparing absences", "payments.tasks.compare_absent", 300),
        Duty("outbox", "payments.tasks.drain_outbox", 1),
        Duty("disputes", "disputes.sweep", 30),
        Duty("idempotency", "partners.forget_old_answers", 3600),
        Duty("audit log", "escrow_platform.tasks.verify_audit", 300),
        Duty("kept text", "escrow_platform.tasks.forget_kept_text", 600),
        Duty("schedule", "escrow_platform.tasks.sync_schedule", 60),
    ]
    for network in watched():
        rhythm = max(1, network.block_time)
        for name, task in (
            ("index", "chain.index"),
            ("send", "chain.send_due"),
            ("confirm", "chain.confirm"),
            ("project", "payments.tasks.project_network"),
        ):
            found.append(Duty(f"{name} {network.slug}", task, rhythm, (network.pk,)))
        found.append(Duty(f"budgets {network.slug}", "payments.tasks.watch_budgets", 60, (network.pk,)))
        found.append(Duty(f"reconcile {network.slug}", "payments.tasks.reconcile", 300, (network.pk,)))
        found.append(Duty(f"audit {network.slug}", "chain.audit", 300, (network.pk,)))
        found.append(Duty(f"second pass {network.slug}", "chain.second_pass", 60, (network.pk,)))
        found.append(Duty(f"inspect {network.slug}", "chain.inspect_providers", 15, (network.pk,)))
    return found


def watched() -> list[Network]:
    """Networks that take new deals, and those that hold old ones: watching goes on where money may be."""
    return [
        network
        for network in Network.objects.order_by("pk")
        if network.enabled or Escrow.objects.filter(network=network, terms__isnull=False).exists()
    ]


@transaction.atomic
def sync() -> int:
    """Make the stored schedule equal to `duties`; returns how many rows changed."""
    wanted = {_PREFIX + duty.name: duty for duty in duties()}
    stale = PeriodicTask.objects.filter(name__startswith=_PREFIX).exclude(name__in=wanted)
    changed, _ = stale.delete()
    for name, duty in wanted.items():
        changed += _write(name, duty)
    if changed:
        PeriodicTasks.update_changed()
    return changed


def _write(name: str, duty: Duty) -> bool:
    interval, _ = IntervalSchedule.objects.get_or_create(every=duty.seconds, period=IntervalSchedule.SECONDS)
    facts = {
        "task": duty.task,
        "interval": interval,
        "args": json.dumps(duty.args),
        "enabled": True,
        # What piles up while no worker runs is worth nothing: the next round finds the same work.
        "expire_seconds": max(5, 3 * duty.seconds),
    }
    known = PeriodicTask.objects.filter(name=name).first()
    if known is not None and all(getattr(known, field) == value for field, value in facts.items()):
        return False
    PeriodicTask.objects.update_or_create(name=name, defaults=facts)
    return True


@beat_init.connect
def _at_start(**_: object) -> None:
    sync()
    # Beat has read the schedule before this. What another one that started meanwhile wrote into it in that
    # instant it would not notice for minutes.
    PeriodicTasks.update_changed()
