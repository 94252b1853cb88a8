"""The API's root: its resources, its OpenAPI document, the same as a page, and 404 for all else."""

import json
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.validation import validate_schema
from rest_framework.request import Request
from rest_framework.response import Response

from escrow_platform.reference import problems, sections
from partners.views import ApiView, nothing_here


@cache
def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document, generated once for each process."""
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    found: dict[str, Any] = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    validate_schema(found)
    plain: dict[str, Any] = json.loads(json.dumps(found, default=str))
    return plain


@extend_schema(exclude=True)
class Schema(ApiView):
    """The OpenAPI document as JSON; readable without a key."""

    authentication_classes = ()
    permission_classes = ()
    # Whatever is asked for, there is one document.
    takes_query = ("GET", "HEAD")

    def get(self, request: Request) -> Response:
        return Response(document(), content_type="application/vnd.oai.openapi+json;version=3.1")


@require_safe
def reference(request: HttpRequest) -> HttpResponse:
    """The same document for people."""
    context = {
        "info": document()["info"],
        "sections": sections(document()),
        "problems": problems(document()),
    }
    return render(request, "api/reference.html", context)


resources: list[URLPattern | URLResolver] = [
    path("", include("payments.api.urls")),
    path("", include("disputes.api.urls")),
    path("schema", Schema.as_view(), name="api-schema"),
    path("reference", reference, name="api-reference"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/", include(resources)),
    re_path("", nothing_here, name="api-nothing-here"),
]
