"""Seats and the addresses of keys; the encrypted keys themselves are never shown."""

from django.contrib import admin

from core.console import ReadOnlyAdmin
from wallets.models import Key, Seat


@admin.register(Key)
class KeyAdmin(ReadOnlyAdmin):
    list_display = ("address", "purpose", "created")
    fields = ("address", "purpose", "created")

    def get_readonly_fields(self, request: object, obj: object = None) -> list[str]:
        return ["address", "purpose", "created"]


@admin.register(Seat)
class SeatAdmin(ReadOnlyAdmin):
    list_display = ("label", "address", "state", "created")
    fields = ("label", "address", "state", "created")

    def get_readonly_fields(self, request: object, obj: object = None) -> list[str]:
        return ["label", "address", "state", "created"]
