"""What the demo tells at the end: where the site is, who can sign in, what happened to the money."""

from collections.abc import Iterator

from django.conf import settings
from django.urls import reverse

from disputes.models import Dispute
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
    yield from _left_to_do()
    yield ""
    yield f"Site       {settings.SITE_URL}"
    yield f"Admin      {settings.SITE_URL}/admin/"
    yield f"API        {settings.SITE_URL}/api/v1/   key {people.api_key()}"
    yield f"Mail       {settings.EMAIL_FILE_PATH}/   a file for each that was sent"
    yield f"Logs       {settings.STATE_FOLDER / 'logs'}/"
    yield ""
    yield f"Everybody's password is {people.PASSWORD}"
    for person in people.PEOPLE:
        yield f"  {person.email:<18} {person.name}: {person.role}"


def _left_to_do() -> Iterator[str]:
    """What waits for the visitor; what he did already is told as it stands."""
    yield "For you to do"
    waiting = Escrow.objects.select_related("token__network", "network").get(
        deal_id=people.remembered("to_pay")
    )
    place = [waiting.deal_id, waiting.pk]
    if waiting.state == "awaiting_deposit":
        yield f"  Pay      as alice@demo.test: “{waiting.title}”, {waiting.money}"
        yield f"           {settings.SITE_URL}{reverse('deals:pay', args=place)}"
    else:
        yield f"  Pay      “{waiting.title}” is {_words(waiting.state)} now"
        yield f"           {settings.SITE_URL}{reverse('deals:escrow', args=place)}"
    case = Dispute.objects.get(pk=people.remembered("case"))
    subject = Escrow.objects.get(deal_id=people.remembered("to_judge"))
    if case.state == "under_review":
        yield f"  Judge    as ada@demo.test: claim “{subject.title}”, propose who gets how much"
    else:
        yield f"  Judge    the dispute about “{subject.title}” is {_words(case.state)}"
    yield f"           {settings.SITE_URL}{reverse('admin:disputes_dispute_changelist')}"


def _words(state: str) -> str:
    return state.replace("_", " ")


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
