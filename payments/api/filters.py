"""Filters of lists: by status and by time. What is not a filter is refused, not ignored."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import django_filters
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django_filters.fields import IsoDateTimeField
from django_filters.filterset import FilterSet
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from core import instants
from core.errors import DomainError, FieldError
from core.models import OutboxEvent
from core.pagination import LARGEST, USUAL, Page, page
from payments.states import DEAL, ESCROW

_PAGING = ("cursor", "limit")
_BOUNDS = {"gte": "at or after", "gt": "after", "lte": "at or before", "lt": "before"}


class InstantField(IsoDateTimeField):
    """RFC 3339 with its offset: nobody's time zone is guessed."""

    def to_python(self, value: Any) -> datetime | None:
        if not value:
            return None
        try:
            return instants.read(value)
        except ValueError:
            text = f"{instants.SENTENCE} In an address a plus sign is written %2B."
            raise ValidationError(text, code="invalid") from None


class InstantFilter(django_filters.IsoDateTimeFilter):
    field_class = InstantField


class CreatedFilter(FilterSet):
    """`created[gte]` and its three sisters, RFC 3339."""


# Names with brackets cannot be class attributes.
_declared: dict[str, Any] = CreatedFilter.declared_filters  # type: ignore[attr-defined]
for _bound in _BOUNDS:
    _declared[f"created[{_bound}]"] = InstantFilter(  # type: ignore[no-untyped-call]
        field_name="created", lookup_expr=_bound
    )


def _choices(states: Iterable[str]) -> list[tuple[str, str]]:
    return [(state, state) for state in sorted(states)]


class DealFilter(CreatedFilter):
    status = django_filters.ChoiceFilter(field_name="state", choices=_choices(DEAL.states))
    external_reference = django_filters.CharFilter()


class EscrowFilter(CreatedFilter):
    status = django_filters.ChoiceFilter(field_name="state", choices=_choices(ESCROW.states))
    deal = django_filters.CharFilter(field_name="deal_id")


class EventFilter(CreatedFilter):
    type = django_filters.CharFilter(method="of_type")
    deal = django_filters.CharFilter(field_name="group_id")

    def of_type(self, rows: QuerySet[OutboxEvent], name: str, value: str) -> QuerySet[OutboxEvent]:
        """One type, or all of a kind: `escrow.*`."""
        if value.endswith(".*"):
            return rows.filter(type__startswith=value[:-1])
        return rows.filter(type=value)


def filtered_page(request: Request, rows: QuerySet[Any], filters: type[CreatedFilter]) -> Page:
    """One page of what the query asks for. Raises 400 that names every parameter it does not understand."""
    given = request.query_params
    known = set(_all(filters)) | set(_PAGING)
    errors = [_error(name, "There is no such parameter.") for name in given if name not in known]
    errors += [
        _error(name, "Give this parameter once; one of them would be ignored.")
        for name, values in given.lists()
        if len(values) > 1
    ]
    chosen: Any = filters(given, queryset=rows)
    if not chosen.is_valid():
        errors += [_error(name, str(texts[0])) for name, texts in chosen.errors.items()]
    if errors:
        raise DomainError(
            "malformed", "Some query parameters are not valid.", errors, 400, "The request is malformed"
        )
    return page(chosen.qs, cursor=given.get("cursor", ""), limit=given.get("limit", ""))


def parameters(filters: type[CreatedFilter]) -> list[OpenApiParameter]:
    """The same filters, for the schema."""
    found = [
        OpenApiParameter("cursor", str, description="`next_cursor` of the page before."),
        OpenApiParameter("limit", int, description=f"1 to {LARGEST}, default {USUAL}."),
    ]
    for name, item in _all(filters).items():
        options = [value for value, _ in item.extra.get("choices", [])] or None
        text = (
            f"Created {_BOUNDS[item.lookup_expr]} this instant, RFC 3339 with Z or an offset."
            if "[" in name
            else ""
        )
        found.append(OpenApiParameter(name, str, enum=options, description=text))
    return found


def _all(filters: Any) -> dict[str, Any]:
    found: dict[str, Any] = filters.base_filters
    return found


def _error(name: str, message: str) -> FieldError:
    return FieldError(f"/query/{name}", "malformed", message)
