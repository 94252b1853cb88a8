"""Views that do one thing each, to show what every view of the API shares."""

from typing import Any, ClassVar

from django.urls import path, re_path
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import Conflict
from partners.idempotency import idempotent
from partners.models import Partner, Scope
from partners.preconditions import check_if_match, tagged
from partners.views import ApiView, nothing_here


class Counter(ApiView):
    """Its effect is visible: it renames the partner."""

    scopes: ClassVar = {"GET": Scope.READ, "POST": Scope.DEALS}

    def get(self, request: Request) -> Response:
        return tagged({"name": Partner.objects.get(pk=self.caller.partner.pk).name})

    @idempotent
    def post(self, request: Request) -> Response:
        partner = Partner.objects.select_for_update().get(pk=self.caller.partner.pk)
        check_if_match(request, {"name": partner.name})
        partner.name += "+"
        partner.save(update_fields=["name"])
        if request.data.get("refuse"):
            raise Conflict("refused", "Not now.")
        if request.data.get("break"):
            raise RuntimeError("a secret detail")
        return tagged({"z": 1, "name": partner.name}, status=201)


class Broken(ApiView):
    def get(self, request: Request) -> Any:
        raise ZeroDivisionError("a secret detail")


urlpatterns = [
    path("api/v1/counter", Counter.as_view()),
    path("api/v1/broken", Broken.as_view()),
    re_path("^api/", nothing_here),
]
