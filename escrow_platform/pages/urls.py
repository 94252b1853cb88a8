from django.conf import settings
from django.urls import path

from escrow_platform.pages import demo_wallet, views

urlpatterns = [
    path("", views.home, name="home"),
    path("help/", views.help_page, name="help"),
    path("rules/", views.rules_page, name="rules"),
]

if settings.DEMO:
    urlpatterns.append(
        path("deals/<str:deal_id>/escrows/<str:escrow_id>/demo-pay/", demo_wallet.pay, name="demo_pay")
    )
