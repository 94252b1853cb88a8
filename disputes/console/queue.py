"""The queue: every live case with its next deadline, soonest first, overdue before all."""

from collections.abc import Iterable
from datetime import timedelta

from django.contrib import admin
from django.db.models import Case, Exists, F, Min, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.fields import BooleanField
from django.http import HttpRequest

from accounts.models import User
from core import clock
from core.models import Deadline
from disputes import timing
from disputes.models import Dispute
from disputes.states import LIVE, WITH_ARBITRATOR, DisputeState
from payments.models import Party

_SOON = timedelta(hours=24)


def cases(person: User) -> QuerySet[Dispute]:
    """All cases but those of deals in which this person is a side, with `due` and `overdue`."""
    sides = Party.objects.filter(deal=OuterRef("escrow__deal")).filter(
        Q(user=person) | Q(email__iexact=person.email)
    )
    waiting = Deadline.objects.filter(subject_id=OuterRef("pk"), state=Deadline.State.WAITING)
    passed = Deadline.objects.filter(subject_id=OuterRef("pk"), state=Deadline.State.PASSED)
    due = waiting.order_by().values("subject_id").annotate(first=Min("due_at")).values("first")
    late = Exists(passed.filter(kind=timing.RULING)) | (
        Exists(passed.filter(kind=timing.FIRST_ACTION)) & Q(arbitrator__isnull=True)
    )
    rows = Dispute.objects.select_related("escrow__deal", "escrow__token__network", "arbitrator")
    return (
        rows.exclude(Exists(sides))
        .annotate(due=Subquery(due))
        .annotate(
            overdue=Case(
                When(Q(state__in=WITH_ARBITRATOR) & (late | Q(due__lt=clock.now())), then=Value(True)),
                default=Value(False),
                output_field=BooleanField(),
            )
        )
    )


ORDER = (F("overdue").desc(), F("due").asc(nulls_last=True), "created")


def urgency(dispute: Dispute) -> str:
    """`overdue`, `soon` (within 24 hours) or `in time`, of a case read by `cases`."""
    if dispute.overdue:  # type: ignore[attr-defined]  # annotated
        return "overdue"
    due = dispute.due  # type: ignore[attr-defined]  # annotated
    return "soon" if due and due - clock.now() < _SOON else "in time"


PARTS = (
    ("mine", "Mine"),
    ("unassigned", "Unassigned"),
    ("overdue", "Overdue"),
    ("approval", "Waiting for approval"),
    ("over", "Over"),
)


def tabs(chosen: str) -> list[dict[str, object]]:
    """Links above the list, one for each part of the queue."""
    parts = (("", "All live"), *PARTS)
    return [
        {"label": label, "url": f"?queue={key}" if key else "?", "current": key == chosen}
        for key, label in parts
    ]


class QueueFilter(admin.SimpleListFilter):
    """Which part of the queue; without a choice every live case."""

    title = "queue"
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: object) -> Iterable[tuple[str, str]]:
        return PARTS

    def queryset(self, request: HttpRequest, queryset: QuerySet[Dispute]) -> QuerySet[Dispute]:
        live = queryset.filter(state__in=LIVE)
        match self.value():
            case "mine":
                return live.filter(arbitrator=request.user.pk)
            case "unassigned":
                return live.filter(arbitrator__isnull=True).exclude(state=DisputeState.OPENING)
            case "overdue":
                return live.filter(overdue=True)
            case "approval":
                return live.filter(state=DisputeState.RULING_PROPOSED)
            case "over":
                return queryset.exclude(state__in=LIVE)
        return live
