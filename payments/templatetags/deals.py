"""Small words for the pages of deals: `{% load deals %}`."""

from typing import Any

from django import template

from chain.models import Token
from core.templatetags.holdfast import amount as amount_context
from payments.pages.rules import length

register = template.Library()


@register.inclusion_tag("components/amount.html")
def units(value: int, token: Token, size: str = "", network: bool = False) -> dict[str, Any]:
    """`{% units escrow.amount escrow.token %}`: base units with their token, and network if asked."""
    return amount_context(token.amount(value), size=size, network=network)


@register.filter
def percent(basis_points: int) -> str:
    """`100` is `1`, `75` is `0.75`."""
    return f"{basis_points / 100:g}"


@register.filter
def length_words(seconds: int) -> str:
    """`604800` is `7 days`."""
    return length(seconds)
