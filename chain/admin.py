"""The engine, for operators: networks, senders and nonces, calls, transactions, alarms."""

from django.contrib import admin

from chain import states
from chain.models import Alarm, Call, Network, Provider, Reorg, Sender, Token, Transaction
from core.console import ReadOnlyAdmin, one_of


def _purposes() -> set[str]:
    return set(Sender.objects.values_list("purpose", flat=True))


@admin.register(Network)
class NetworkAdmin(ReadOnlyAdmin):
    list_display = ("name", "chain_id", "enabled", "finality", "escrow_contract", "halted_reason")


@admin.register(Provider)
class ProviderAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "network", "enabled", "head_number", "final_number", "lagging", "errors",
                    "rests_until", "limited_until", "demoted_reason", "seen_at")  # fmt: skip
    list_select_related = ("network",)
    # Node URLs carry keys.
    exclude = ("url", "ws_url")


@admin.register(Token)
class TokenAdmin(ReadOnlyAdmin):
    list_display = ("symbol", "network", "address", "decimals", "least_amount", "least_surplus", "enabled",
                    "paused", "deprecated")  # fmt: skip
    list_select_related = ("network",)


@admin.register(Sender)
class SenderAdmin(ReadOnlyAdmin):
    list_display = ("purpose", "network", "address", "next_nonce", "state", "reason")
    list_select_related = ("network",)


@admin.register(Call)
class CallAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "label", "network", "purpose", "outcome", "reason", "must_be_final_by")
    list_filter = (one_of("outcome", lambda: states.CALL.states), one_of("purpose", _purposes), "network")
    search_fields = ("id", "group")
    list_select_related = ("network",)
    exclude = ("data",)
    ordering = ("-id",)


@admin.register(Transaction)
class TransactionAdmin(ReadOnlyAdmin):
    list_display = ("sender", "nonce", "state", "created_at", "mined_number", "gas_used", "reason")
    list_filter = (one_of("state", lambda: states.TRANSACTION.states),)
    list_select_related = ("sender",)
    exclude = ("data",)
    ordering = ("-id",)


@admin.register(Alarm)
class AlarmAdmin(ReadOnlyAdmin):
    list_display = ("last_at", "network", "kind", "subject", "count", "detail", "resolved_at")
    list_filter = ("kind", "network")
    list_select_related = ("network",)
    ordering = ("-last_at",)


@admin.register(Reorg)
class ReorgAdmin(ReadOnlyAdmin):
    list_display = ("detected_at", "network", "common_number", "depth", "beyond_finality")
    list_select_related = ("network",)
    ordering = ("-detected_at",)
