"""Components: `{% load holdfast %}`. Each tag renders one template of templates/components/."""

from datetime import UTC, datetime, timedelta
from typing import Any

import nh3
from django import forms, template
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

from core import clock
from core.money import Amount
from core.presentation import Banner, TimelineItem
from core.text import isolated

register = template.Library()
# Where no element can stand: in the title of a page, in an attribute. Elsewhere `<bdi>` does the same.
register.filter("isolated", isolated)
_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")


@register.inclusion_tag("components/amount.html")
def amount(value: Amount, size: str = "", network: bool = True) -> dict[str, Any]:
    """`{% amount escrow.amount size="xl" %}`; sizes: xl (the page's own amount), lg, or none."""
    return {"number": value.figure, "unit": value.unit, "size": size, "network": network}


@register.inclusion_tag("components/address.html")
def address(value: str, size: str = "", copy: bool = True, url: str = "") -> dict[str, Any]:
    """A whole address in groups of four, with a button that copies it ungrouped."""
    digits = value.removeprefix("0x")
    groups = ["0x" + digits[:4], *(digits[start : start + 4] for start in range(4, len(digits), 4))]
    return {"value": value, "groups": groups, "size": size, "copy": copy, "url": url}


@register.inclusion_tag("components/hash.html")
def hash(value: str, url: str = "") -> dict[str, Any]:
    """A transaction or terms hash, shortened for the eye, whole for the clipboard."""
    return {"value": value, "short": f"{value[:10]}…{value[-8:]}", "url": url}


@register.inclusion_tag("components/copy.html")
def copy(value: str, label: str = "Copy") -> dict[str, Any]:
    """A button that copies `value`; it appears only where scripts run."""
    return {"value": value, "label": label}


@register.inclusion_tag("components/deadline.html")
def deadline(at: datetime) -> dict[str, Any]:
    """An instant in words, UTC; a script adds the reader's own time."""
    return {"at": at.astimezone(UTC), "words": in_words(at)}


@register.inclusion_tag("components/countdown.html")
def countdown(at: datetime) -> dict[str, Any]:
    """How long until an instant, right when the page was made; a script keeps it right."""
    return {"at": at.astimezone(UTC), "words": until(at)}


@register.inclusion_tag("components/state.html")
def state(word: str, shape: str = "waiting") -> dict[str, Any]:
    """A state as a word and a shape; see `core.presentation.Shape`."""
    return {"word": word, "shape": shape}


@register.inclusion_tag("components/timeline.html")
def timeline(items: list[TimelineItem]) -> dict[str, Any]:
    return {"items": items}


@register.inclusion_tag("components/banner.html", takes_context=True)
def banner(context: template.Context, what_now: Banner) -> dict[str, Any]:
    """What you can do now, by when, and what happens if you don't."""
    carried = {name: context.get(name, "") for name in ("csrf_token", "seen")}
    return {"banner": what_now, **carried}


@register.inclusion_tag("components/field.html")
def field(bound: forms.BoundField, optional: bool | None = None) -> dict[str, Any]:
    """A labelled input with its help and its error; marks what may be left out."""
    is_optional = not bound.field.required if optional is None else optional
    return {"field": bound, "kind": _kind(bound.field.widget), "optional": is_optional}


@register.inclusion_tag("components/error_summary.html")
def error_summary(form: forms.BaseForm, title: str = "This could not be done yet") -> dict[str, Any]:
    """Every error of a form at its top, each a link to its field."""
    return {"form": form, "title": title, "fields": [bound for bound in form if bound.errors]}


@register.filter
def markdown(text: str) -> SafeString:
    """Markdown written by people, as HTML without scripts, images, raw HTML or styles."""
    tags = {"p", "br", "strong", "em", "code", "pre", "ul", "ol", "li", "blockquote", "hr", "a"}
    tags |= {"h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"}
    html = nh3.clean(
        _markdown.render(text), tags=tags, attributes={"a": {"href"}}, url_schemes={"http", "https", "mailto"}
    )
    return mark_safe(html)  # noqa: S308  (nh3 has just removed everything that is not in the list)


def in_words(at: datetime) -> str:
    """`Friday 14:00 UTC` within six days, `Friday 27 November 14:00 UTC` beyond, with the year if another."""
    instant, now = at.astimezone(UTC), clock.now()
    if abs(instant - now) < timedelta(minutes=2):
        return f"{instant:%A %H:%M:%S} UTC"
    if abs(instant - now) < timedelta(days=6):
        return f"{instant:%A %H:%M} UTC"
    year = "" if instant.year == now.year else f" {instant.year}"
    return f"{instant:%A} {instant.day} {instant:%B}{year} {instant:%H:%M} UTC"


def until(at: datetime) -> str:
    """`in 3 days`, `in 5 hours`, `in 12 minutes`, `in 40 seconds`, or `passed`."""
    seconds = int((at - clock.now()).total_seconds())
    if seconds <= 0:
        return "passed"
    for size, word in ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size * (2 if size > 1 else 1):
            return f"in {seconds // size} {word}{'' if seconds // size == 1 else 's'}"
    return "in 1 minute" if seconds >= 60 else f"in {seconds} seconds"


@register.filter
def span(length: timedelta) -> str:
    """`9 days 1 hour`, `3 hours 20 minutes`, `11 minutes`: the two largest units, rounded down."""
    seconds, parts = int(length.total_seconds()), []
    for size, word in ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(f"{number} {word}{'' if number == 1 else 's'}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 seconds"


def _kind(widget: forms.Widget) -> str:
    if isinstance(widget, forms.CheckboxInput):
        return "check"
    return "choices" if isinstance(widget, forms.RadioSelect | forms.CheckboxSelectMultiple) else "plain"
