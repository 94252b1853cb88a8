"""Addresses below `/api/v1/`."""

from django.urls import URLPattern, URLResolver, path

from core import converters  # noqa: F401  (registers `opaque`)
from payments.api import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("deals", views.Deals.as_view(), name="api-deals"),
    path("deals/<opaque:deal_id>", views.OneDeal.as_view(), name="api-deal"),
    path("escrows", views.Escrows.as_view(), name="api-escrows"),
    path("escrows/<opaque:escrow_id>", views.OneEscrow.as_view(), name="api-escrow"),
    path("escrows/<opaque:escrow_id>/deposits", views.Deposits.as_view(), name="api-deposits"),
    path("escrows/<opaque:escrow_id>/release", views.Release.as_view(), name="api-release"),
    path("escrows/<opaque:escrow_id>/refund", views.Refund.as_view(), name="api-refund"),
    path(
        "escrows/<opaque:escrow_id>/payouts/<opaque:leg_id>/retry",
        views.RetryPayout.as_view(),
        name="api-retry-payout",
    ),
    path("events", views.Events.as_view(), name="api-events"),
]
