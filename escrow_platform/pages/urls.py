from django.conf import settings
from django.urls import path

from core import converters  # noqa: F401  (registers `opaque`)
from escrow_platform.pages import demo_wallet, views

urlpatterns = [
    path("", views.home, name="home"),
    path("help/", views.help_page, name="help"),
    path("rules/", views.rules_page, name="rules"),
]

if settings.DEMO:
    urlpatterns.append(
        path("deals/<opaque:deal_id>/escrows/<opaque:escrow_id>/demo-pay/", demo_wallet.pay, name="demo_pay")
    )
