"""Every address of the site."""

from typing import Any, cast

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from accounts import staff
from payments.pages.socket import DealSocket

staff.guard(admin.site)

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("escrow_platform.pages.urls")),
    path("accounts/", include("accounts.urls")),
    path("accounts/", include("allauth.urls")),
    path("deals/", include("disputes.pages.urls")),
    path("deals/", include("payments.pages.urls")),
    path("admin/", admin.site.urls),
    path("api/", include("escrow_platform.api")),
]

handler400 = "escrow_platform.errors.bad_request"
handler500 = "escrow_platform.errors.server_error"

websocket_urlpatterns: list[Any] = [path("ws/deals/<str:deal_id>/", cast("Any", DealSocket.as_asgi()))]
