"""Disputes in the admin: a queue and a case page. Nothing can be added, edited or deleted by hand."""

from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from unfold.decorators import display

from accounts.models import User
from core import audit
from core.console import Console
from core.money import Amount
from disputes import words
from disputes.console import queue, views
from disputes.models import Dispute

_COLOURS = {"overdue": "danger", "soon": "warning"}


@admin.register(Dispute)
class DisputeAdmin(Console):
    """The arbitrator console. No bulk action exists; every view, download and change is audited."""

    actions = None
    list_display = ("case", "amount", "stage", "opener", "who", "next_deadline", "urgency")
    list_display_links = ("case",)
    list_filter = (queue.QueueFilter,)
    list_before_template = "admin/disputes/queue.html"
    search_fields = ("id", "escrow__id", "escrow__deal__id")
    search_help_text = "Id of a dispute, an escrow or a deal"
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Dispute]:
        return queue.cases(cast(User, request.user))

    def get_ordering(self, request: HttpRequest) -> Any:
        return queue.ORDER

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        tabs = {"queue_tabs": queue.tabs(request.GET.get("queue", ""))}
        response = super().changelist_view(request, tabs | (extra_context or {}))
        if self.has_view_permission(request):
            person = cast(User, request.user)
            data = {"queue": request.GET.get("queue", "live")}
            audit.write(
                "disputes.listed",
                subject_id="disputes",
                actor_id=person.pk,
                actor_label=str(person),
                data=data,
            )
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        return views.show(request, self._case(request, object_id), self._page)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """The trail stands on the case page itself."""
        raise Http404

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path(
                "<slug:object_id>/files/<slug:file_id>/", wrap(self._download), name="disputes_dispute_file"
            ),
            path("<slug:object_id>/do/<slug:verb>/", wrap(self._act), name="disputes_dispute_act"),
        ]
        return [*own, *super().get_urls()]

    def _act(self, request: HttpRequest, object_id: str, verb: str) -> HttpResponse:
        if verb not in views.POSTS:
            raise Http404
        case = self._case(request, object_id)
        if request.method in ("GET", "HEAD"):
            # Signed in again in between: back to the page on which the form stands.
            return redirect(views.page_url(case))
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        return views.POSTS[verb](request, case, self._page)

    def _download(self, request: HttpRequest, object_id: str, file_id: str) -> HttpResponse:
        return cast(HttpResponse, views.download(request, self._case(request, object_id), file_id))

    def _case(self, request: HttpRequest, object_id: str) -> Dispute:
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = self.get_queryset(request).select_related("escrow__deal__agreed_version", "escrow__network")
        wanted = unquote(object_id)
        dispute = found.filter(pk=wanted).first() if wanted.isprintable() else None
        if dispute is None:
            raise Http404
        return dispute

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> TemplateResponse:
        shared = self.admin_site.each_context(request) | {"opts": self.opts, "title": str(context["dispute"])}
        return TemplateResponse(request, template, shared | context)

    @display(description="Case")
    def case(self, dispute: Dispute) -> str:
        return f"{dispute.get_reason_display()}: {dispute.escrow.title}"

    @display(description="In dispute")
    def amount(self, dispute: Dispute) -> Amount:
        return dispute.at_stake

    @display(description="State")
    def stage(self, dispute: Dispute) -> str:
        return words.DISPUTE[dispute.state][0]

    @display(description="Opened by")
    def opener(self, dispute: Dispute) -> str:
        return dispute.get_opened_by_display()

    @display(description="Arbitrator", empty_value="nobody")
    def who(self, dispute: Dispute) -> str | None:
        return dispute.arbitrator.name if dispute.arbitrator else None

    @display(description="Next deadline (UTC)", empty_value="none")
    def next_deadline(self, dispute: Dispute) -> str | None:
        due = dispute.due  # type: ignore[attr-defined]  # annotated by queue.cases
        return f"{due:%a %d %b %H:%M}" if due else None

    @display(description="Deadline", label=_COLOURS)
    def urgency(self, dispute: Dispute) -> str:
        return queue.urgency(dispute)
