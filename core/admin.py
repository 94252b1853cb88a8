"""Logs for operators: what changed, what was told, what is due, who did what."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from core import deadlines, outbox
from core.console import ReadOnlyAdmin, one_of
from core.models import AuditEntry, Deadline, Heartbeat, LongRound, OutboxDelivery, StateTransition


@admin.register(StateTransition)
class StateTransitionAdmin(ReadOnlyAdmin):
    list_display = ("created", "subject_type", "subject_id", "source", "target", "actor_kind", "why")
    search_fields = ("subject_id",)
    ordering = ("-id",)


class Standing(admin.SimpleListFilter):
    """What waits is shown unless something else is chosen or searched for; what is over is most of it."""

    title, parameter_name = "standing", "standing"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("overdue", "Overdue"), ("passed", "Passed"), ("cancelled", "Cancelled")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        first, *rest = super().choices(changelist)
        yield first | {"display": "Waiting"}
        yield from rest

    def queryset(self, request: HttpRequest, queryset: QuerySet[Deadline]) -> QuerySet[Deadline]:
        if self.value() == "overdue":
            return queryset & deadlines.overdue()
        if self.value() is None and request.GET.get("q"):
            return queryset
        return queryset.filter(state=self.value() or Deadline.State.WAITING)


@admin.register(Deadline)
class DeadlineAdmin(ReadOnlyAdmin):
    list_display = ("due_at", "kind", "subject_id", "state", "next_try_at", "backstop_at")
    list_filter = (Standing, one_of("kind", deadlines.kinds))
    search_fields = ("subject_id",)
    ordering = ("next_try_at",)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("created", "actor_label", "action", "subject_id", "hash")
    search_fields = ("subject_id", "actor_id", "actor_label", "action")
    search_help_text = "A whole id or name of who did it, an action, or what it was done to"
    ordering = ("-id",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        """What was done to a person does not hide what that person did."""
        about, by = Q(subject_id=search_term.strip()), Q(actor_id=search_term.strip())
        if all(search_term.strip() and AuditEntry.objects.filter(side).exists() for side in (about, by)):
            return queryset.filter(about | by), False
        return super().get_search_results(request, queryset, search_term)


@admin.register(OutboxDelivery)
class OutboxDeliveryAdmin(ReadOnlyAdmin):
    list_display = ("event", "consumer", "done_at", "attempts", "next_at", "last_error")
    list_filter = (one_of("consumer", outbox.consumers),)
    list_select_related = ("event",)
    ordering = ("-id",)


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnlyAdmin):
    list_display = ("name", "beaten_at")


@admin.register(LongRound)
class LongRoundAdmin(ReadOnlyAdmin):
    list_display = ("name", "after", "began_at", "ended_at")
    ordering = ("name",)
