"""The schedule, for operators: written from code, so that there is nothing to edit."""

from django.contrib import admin
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from core.console import ReadOnlyAdmin

for _model in (ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule):
    admin.site.unregister(_model)


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(ReadOnlyAdmin):
    list_display = ("name", "task", "interval", "enabled", "last_run_at")
    list_select_related = ("interval",)
    search_fields = ("name", "task")
    ordering = ("name",)
