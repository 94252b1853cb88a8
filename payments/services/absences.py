"""Escrows whose party was switched off are held, so that nothing pays the other side by silence meanwhile.

The tables are compared, the event only makes it quick: a lost one is made good by the next round. A person
lifts each hold; coming back lifts none, for whoever was switched off had no time to act meanwhile, and what
is overdue would happen at once.
"""

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from accounts.models import User
from chain.services.alarms import raise_alarm
from core import clock
from core.actors import SYSTEM
from core.models import OutboxEvent
from partners.models import ApiKey, Partner
from payments.locks import lock_escrow
from payments.models import Absence, AbsenceHold, Party
from payments.services import controls
from payments.states import ESCROW, TERMINAL, EscrowState

CONSUMED = ("user.disabled", "user.enabled")
PORTION = 200
# On the chain, and not at its end.
_OPEN = [state for state in ESCROW.states if state not in (EscrowState.PLANNED, *TERMINAL)]


def consume(event: OutboxEvent) -> None:
    """A person was switched off or on: the holds follow at the next round."""
    _note_people(Q(pk=event.subject_id))


def compare() -> None:
    """Note everybody who is away, or back, whether an event told it or not."""
    _note_people(Q())
    _note_partners()


def hold_due() -> int:
    """Hold what is open, belongs to somebody away and was not held for that yet; returns how many escrows.

    One escrow in one transaction: who dies in between goes on with the next. Safe to run twice at once.
    """
    # Nobody but the partner was ever told how to come in for a party without a person and an address.
    found = [*_unheld("user__absences"), *_unheld("deal__partner__absences", user=None, email="")]
    return sum(_hold(absence_id, escrow_id) for absence_id, escrow_id in found)


@transaction.atomic
def _note_people(who: Q) -> None:
    known = Absence.objects.filter(ended_at=None, user=OuterRef("pk"))
    deals = Party.objects.filter(user=OuterRef("pk"))
    away = User.objects.filter(who, Exists(deals), ~Exists(known), is_active=False)
    now = clock.now()
    Absence.objects.bulk_create([Absence(user=user, since=now) for user in away], ignore_conflicts=True)
    back = User.objects.filter(who, is_active=True)
    Absence.objects.filter(ended_at=None, user__in=back).update(ended_at=now)


@transaction.atomic
def _note_partners() -> None:
    now = clock.now()
    working = ApiKey.objects.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None)
    works = Q(Exists(working.filter(partner=OuterRef("pk"))), enabled=True)
    known = Absence.objects.filter(ended_at=None, partner=OuterRef("pk"))
    orphans = Party.objects.filter(user=None, email="", deal__partner=OuterRef("pk"))
    away = Partner.objects.filter(~works, Exists(orphans), ~Exists(known))
    rows = [Absence(partner=partner, since=now) for partner in away]
    Absence.objects.bulk_create(rows, ignore_conflicts=True)
    back = Partner.objects.filter(works)
    Absence.objects.filter(ended_at=None, partner__in=back).update(ended_at=now)


def _unheld(absence: str, **whose: object) -> list[tuple[str, str]]:
    """Which absence that lasts concerns which escrow that is open on the chain and was not held for it."""
    held = AbsenceHold.objects.filter(
        absence=OuterRef(f"{absence}__pk"), escrow=OuterRef("deal__escrows__pk")
    )
    # All in one filter: in a second one, and in the values, other absences and escrows would be meant.
    lasting = {f"{absence}__isnull": False, f"{absence}__ended_at": None}
    open_ones = {"deal__escrows__closed_at": None, "deal__escrows__state__in": _OPEN}
    rows = Party.objects.filter(~Exists(held), **lasting, **open_ones, **whose)
    pairs = rows.values_list(f"{absence}__pk", "deal__escrows__pk")
    return list(pairs.order_by("deal__escrows__pk").distinct()[:PORTION])


@transaction.atomic
def _hold(absence_id: str, escrow_id: str) -> bool:
    escrow = lock_escrow(escrow_id)
    absence = Absence.objects.select_related("user", "partner").get(pk=absence_id)
    known = AbsenceHold.objects.filter(absence=absence, escrow=escrow)
    if escrow.state not in _OPEN or known.exists():
        return False
    AbsenceHold.objects.create(absence=absence, escrow=escrow, created=clock.now())
    why = "the account of a party is switched off" if absence.user_id else "nobody can act for a party"
    # Another hold's reason stays readable: whoever lifts it reads both.
    reason = f"{escrow.held_reason}; {why}" if escrow.held_reason else why
    controls.place_hold(escrow_id=escrow_id, reason=reason, acting=SYSTEM)
    raise_alarm(escrow.network, controls.PARTY_AWAY, escrow.pk, f"{absence.who}: {why}")
    return True
