"""Logs for operators: what changed, what was told, what is due, who did what."""

from django.contrib import admin

from core import deadlines, outbox
from core.console import ReadOnlyAdmin, one_of
from core.models import AuditEntry, Deadline, Heartbeat, OutboxDelivery, StateTransition


@admin.register(StateTransition)
class StateTransitionAdmin(ReadOnlyAdmin):
    list_display = ("created", "subject_type", "subject_id", "source", "target", "actor_kind", "why")
    search_fields = ("subject_id",)
    ordering = ("-id",)


@admin.register(Deadline)
class DeadlineAdmin(ReadOnlyAdmin):
    list_display = ("due_at", "kind", "subject_id", "state", "backstop_at")
    list_filter = ("state", one_of("kind", deadlines.kinds))
    search_fields = ("subject_id",)
    ordering = ("-id",)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("created", "actor_label", "action", "subject_id", "hash")
    search_fields = ("subject_id",)
    ordering = ("-id",)


@admin.register(OutboxDelivery)
class OutboxDeliveryAdmin(ReadOnlyAdmin):
    list_display = ("event", "consumer", "done_at", "attempts", "next_at", "last_error")
    list_filter = (one_of("consumer", outbox.consumers),)
    list_select_related = ("event",)
    ordering = ("-id",)


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnlyAdmin):
    list_display = ("name", "beaten_at")
