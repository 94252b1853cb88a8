from django.urls import path

from escrow_platform.pages import views

urlpatterns = [
    path("", views.home, name="home"),
    path("help/", views.help_page, name="help"),
    path("rules/", views.rules_page, name="rules"),
]
