"""Addresses below `/api/v1/`."""

from django.urls import URLPattern, URLResolver, path

from core import converters  # noqa: F401  (registers `opaque`)
from disputes.api import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("escrows/<opaque:escrow_id>/dispute", views.OpenDispute.as_view(), name="api-dispute-escrow"),
    path("disputes", views.Disputes.as_view(), name="api-disputes"),
    path("disputes/<opaque:dispute_id>", views.OneDispute.as_view(), name="api-dispute"),
]
