"""Ids in addresses: what cannot be an id never reaches the database."""

from django.urls import register_converter


class OpaqueId:
    """`prefix_` and 26 characters of Crockford's base 32, see `core.ids`."""

    regex = r"[a-z]{2,4}_[0-9a-hjkmnp-tv-z]{26}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(OpaqueId, "opaque")
