"""Small words for the pages of deals: `{% load deals %}`."""

from typing import Any

from django import template

from chain.models import Token
from core.templatetags.holdfast import amount as amount_context
from payments.agreement import Agreement, Milestone
from payments.pages.rules import length

register = template.Library()


@register.inclusion_tag("components/amount.html")
def price(terms: Agreement, milestone: Milestone, token: Token) -> dict[str, Any]:
    """`{% price terms milestone deal.token %}`: what a milestone costs, as agreed."""
    return amount_context(terms.price(milestone, token), network=False)


@register.inclusion_tag("components/amount.html")
def price_in_all(terms: Agreement, token: Token, size: str = "") -> dict[str, Any]:
    """`{% price_in_all terms deal.token %}`: what the buyer pays over all milestones."""
    return amount_context(terms.price_in_all(token), size=size)


@register.filter
def percent(basis_points: int) -> str:
    """`100` is `1`, `75` is `0.75`."""
    return f"{basis_points / 100:g}"


@register.filter
def length_words(seconds: int) -> str:
    """`604800` is `7 days`."""
    return length(seconds)
