"""Addresses of the dispute room, below the escrow they are about."""

from django.urls import include, path

from disputes.pages import views

app_name = "disputes"

_room = [
    path("", views.room, name="room"),
    path("live/", views.live, name="live"),
    path("open/", views.open_form, name="open"),
    path("evidence/", views.add_evidence, name="evidence"),
    path("nothing-more/", views.nothing_more, name="nothing_more"),
    path("withdraw/", views.withdraw, name="withdraw"),
    path("files/<str:file_id>/", views.download, name="file"),
]

urlpatterns = [path("<str:deal_id>/escrows/<str:escrow_id>/dispute/", include(_room))]
