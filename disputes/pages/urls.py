"""Addresses of the dispute room, below the escrow they are about."""

from django.urls import include, path

from core import converters  # noqa: F401  (registers `opaque`)
from disputes.pages import views

app_name = "disputes"

_room = [
    path("", views.room, name="room"),
    path("live/", views.live, name="live"),
    path("open/", views.open_form, name="open"),
    path("evidence/", views.add_evidence, name="evidence"),
    path("nothing-more/", views.nothing_more, name="nothing_more"),
    path("withdraw/", views.withdraw, name="withdraw"),
    path("files/<opaque:file_id>/", views.download, name="file"),
]

urlpatterns = [path("<opaque:deal_id>/escrows/<opaque:escrow_id>/dispute/", include(_room))]
