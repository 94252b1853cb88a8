"""Every address of the site."""

from typing import Any

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("escrow_platform.pages.urls")),
    path("accounts/", include("accounts.urls")),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("api/", include("escrow_platform.api")),
]

websocket_urlpatterns: list[Any] = []
