"""Lists of the console that only look: deals, deposits, the books, policies, time given back."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from core.console import ReadOnlyAdmin, one_of
from payments.models import Deal, Deposit, Entry, Journal, Party, TimeGiven
from payments.states import DEAL


@admin.register(Deal)
class DealAdmin(ReadOnlyAdmin):
    list_display = ("created", "title", "state", "network", "partner", "id")
    list_filter = (one_of("state", lambda: DEAL.states), "network")
    search_fields = ("id", "external_reference")
    search_help_text = "A whole id or reference, or the e-mail address of a party"
    list_select_related = ("network", "partner")
    ordering = ("-id",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Deal], search_term: str
    ) -> tuple[QuerySet[Deal], bool]:
        """Also the deals of a person, whether invited under the address or signed in with it."""
        if "@" not in search_term:
            return super().get_search_results(request, queryset, search_term)
        email = search_term.strip().lower()
        sides = Party.objects.filter(email=email).union(Party.objects.filter(user__email=email))
        return queryset.filter(pk__in=sides.values("deal")), False


@admin.register(Deposit)
class DepositAdmin(ReadOnlyAdmin):
    list_display = ("created", "escrow", "network", "amount", "counted", "surplus", "flags", "tx_hash")
    search_fields = ("id", "escrow__id", "tx_hash")
    list_select_related = ("escrow", "token__network", "network")
    ordering = ("-id",)


@admin.register(Journal)
class JournalAdmin(ReadOnlyAdmin):
    list_display = ("created", "what", "network", "seq", "tx_hash")
    search_fields = ("id", "tx_hash")
    list_select_related = ("network",)
    ordering = ("-id",)


@admin.register(Entry)
class EntryAdmin(ReadOnlyAdmin):
    list_display = ("journal", "account", "amount")
    list_select_related = ("journal", "account__token__network")
    ordering = ("-id",)


@admin.register(TimeGiven)
class TimeGivenAdmin(ReadOnlyAdmin):
    list_display = ("created", "deadline", "incident", "lost", "given")
    search_fields = ("deadline__subject_id", "deadline__id")
    list_select_related = ("deadline", "incident")
    ordering = ("-id",)
