"""Seats and the addresses of keys; the encrypted keys themselves are never shown."""

from django.contrib import admin

from core.console import ReadOnlyAdmin
from wallets.models import Gate, GateGrant, Key, Seat


@admin.register(Key)
class KeyAdmin(ReadOnlyAdmin):
    list_display = ("address", "purpose", "created")
    fields = ("address", "purpose", "created")

    def get_readonly_fields(self, request: object, obj: object = None) -> list[str]:
        return ["address", "purpose", "created"]


@admin.register(Seat)
class SeatAdmin(ReadOnlyAdmin):
    list_display = ("label", "address", "key", "cold", "state", "created")
    list_select_related = ("key", "next_key")
    fields = ("label", "address", "key", "next_key", "cold", "state", "created")

    def get_readonly_fields(self, request: object, obj: object = None) -> list[str]:
        return ["label", "address", "key", "next_key", "cold", "state", "created"]


@admin.register(Gate)
class GateAdmin(ReadOnlyAdmin):
    list_display = ("network", "address", "state", "cold", "second", "created")
    list_select_related = ("network",)


@admin.register(GateGrant)
class GateGrantAdmin(ReadOnlyAdmin):
    list_display = ("gate", "key", "token", "per_escrow", "per_day")
    list_select_related = ("gate", "token__network")
