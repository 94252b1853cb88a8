"""What the demo tells at the end: where the site is, who can sign in, what happened to the money."""

from collections.abc import Iterator

from django.conf import settings

from escrow_platform.demo import people
from payments.books import balances
from payments.models import Deal, Escrow


class Incomplete(RuntimeError):
    """A played deal did not end as it should."""


def lines() -> Iterator[str]:
    """The summary, line by line. Raises `Incomplete` if a deal is not where the story leaves it."""
    for key, state in (("released", "released"), ("disputed", "settled")):
        yield from _deal(Deal.objects.get(pk=people.remembered(key)), state)
    yield ""
    yield f"Site       {settings.SITE_URL}"
    yield f"Admin      {settings.SITE_URL}/admin/"
    yield f"API        {settings.SITE_URL}/api/v1/   key {people.api_key()}"
    yield ""
    yield f"Everybody's password is {people.PASSWORD}"
    for person in people.PEOPLE:
        yield f"  {person.email:<18} {person.name}: {person.role}"


def _deal(deal: Deal, state: str) -> Iterator[str]:
    for escrow in Escrow.objects.filter(deal=deal).select_related("token__network", "network"):
        if escrow.state != state:
            raise Incomplete(f"{deal.title}: the escrow is {escrow.state}, not {state}.")
        if balances.balance(escrow, "vault"):
            raise Incomplete(f"{deal.title}: the vault is not empty.")
        yield f"{deal.title}: {escrow.money}, {escrow.state} (deal {deal.state})"
        for deposit in escrow.deposits.select_related("token__network"):
            yield f"  in   {deposit.money!s:>16}  {deposit.tx_hash}"
        for leg in (
            escrow.legs.filter(state="paid").select_related("token__network").order_by("created", "id")
        ):
            yield f"  out  {leg.money!s:>16}  {leg.tx_hash}  {leg.get_kind_display()}"
