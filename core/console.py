"""Admin pages that look and do not touch: the base of every console list.

A list stays quick however much there is: it counts a part, looks for whole values, and asks no table which
values a column has.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Any, TypeVar

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import get_fields_from_path, unquote
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import EmailField, Model, QuerySet
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin
from unfold.forms import BaseDialogForm

from core import seen
from core.money import Money

MOST_COUNTED = 5_000
Row = TypeVar("Row", bound=Model)


def row_at(model: type[Row], object_id: str, **more: Any) -> Row:
    """The row that an address of the console names, or `Http404`: the `_` of a key is `_5F` in there."""
    key = unquote(object_id)
    if not key.isprintable():
        raise Http404
    try:
        return get_object_or_404(model, pk=key, **more)
    except (ValueError, ValidationError):
        raise Http404 from None  # no key of this model looks like that


def carrying(
    shows: Callable[[str], str], form: type[BaseDialogForm] = BaseDialogForm
) -> type[BaseDialogForm]:
    """The form of a dialog that carries what was so when it was opened: `shows` gives the fingerprint of the
    object that the address names (see `core.seen`). The service compares it under its lock."""

    class Carrying(form):  # type: ignore[misc, valid-type]
        seen = forms.CharField(widget=forms.HiddenInput, required=False)

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.fields["seen"].initial = shows(str(self.object_id or ""))

    return Carrying


def showing(model: type[Model], form: type[BaseDialogForm] = BaseDialogForm) -> type[BaseDialogForm]:
    """`carrying` for a dialog about one row, which it shows whole."""
    return carrying(lambda object_id: seen.row(row_at(model, object_id)), form)


class CarriesRow(forms.ModelForm):  # type: ignore[type-arg]
    """A change page that carries the row as it showed it."""

    seen = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:  # before the form writes what was posted into it
            self.fields["seen"].initial = seen.row(self.instance)


class ShortPaginator(Paginator):
    """Counts to `MOST_COUNTED` and no further: whoever wants older rows searches for them."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[:MOST_COUNTED].count())


def one_of(field: str, values: Callable[[], Collection[str]]) -> tuple[str, Any]:
    """A filter by the known values of a column; Django's own reads the whole table to find them."""

    class KnownValues(admin.AllValuesFieldListFilter):
        def __init__(self, *args: Any, **named: Any) -> None:
            super().__init__(*args, **named)
            self.lookup_choices = sorted(values())

    return field, KnownValues


class Console(ModelAdmin):
    """A list of many rows: `search_fields` are looked up by whole values, which an index finds."""

    paginator = ShortPaginator
    show_full_result_count = False
    search_help_text = "A whole id, hash, address or reference"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """What has the value in the first of the search fields that knows it."""
        term = search_term.strip()
        if not term:
            return queryset, False
        for name in self.get_search_fields(request):
            field: Any = get_fields_from_path(self.model, name)[-1]
            # E-mail addresses are stored in small letters.
            value = term.lower() if isinstance(field, EmailField) else term
            try:
                field.to_python(value)
            except ValidationError:
                continue
            if self.model._default_manager.filter(**{name: value}).exists():
                return queryset.filter(**{name: value}), False
        return queryset.none(), False


class NoSideLookups(Console):
    """Addresses filter by nothing but the list's own filters.

    Django lets an address ask about any column of the row (`?password__startswith=`), shown or not.
    """

    def lookup_allowed(self, lookup: str, value: str, request: Any = None) -> bool:
        named = [item[0] if isinstance(item, tuple) else item for item in self.list_filter]
        shown = {getattr(item, "parameter_name", item) for item in named}
        return lookup.partition("__")[0] in shown and super().lookup_allowed(lookup, value, request)


def _with_amounts(model: type[Model], names: Iterable[Any]) -> list[Any]:
    """`names` with each column of base units replaced by its `Money`: bare base units tell people nothing."""
    amounts = {item.column: name for name, item in vars(model).items() if isinstance(item, Money)}
    shown = [amounts.get(name, name) if isinstance(name, str) else name for name in names]
    return list(dict.fromkeys(shown))


class ReadOnlyAdmin(NoSideLookups):
    """Rows that only services write: no add, no change, no deletion, no bulk action."""

    actions = None
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """Every column but the excluded: Django itself shows read-only ones although they are excluded."""
        excluded = self.get_exclude(request, obj) or ()
        names = [field.name for field in self.model._meta.fields if field.name not in excluded]
        return _with_amounts(self.model, names)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """The same in the page of one row."""
        return _with_amounts(self.model, super().get_fields(request, obj))

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """The columns; base units are shown as amounts of their own token."""
        return _with_amounts(self.model, super().get_list_display(request))

    def get_queryset(self, request: HttpRequest) -> Any:
        """Read what the columns show in one query."""
        return super().get_queryset(request).select_related(*(self.list_select_related or ()))
